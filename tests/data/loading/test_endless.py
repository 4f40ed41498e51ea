"""Fresh training crystals: the same stream for any number of workers and processes, and nothing of it is judged."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist

from phaselearn.data.build.store_build import build_store
from phaselearn.data.loading.dataset import PairDataset
from phaselearn.data.loading.endless import EndlessLoader, EndlessPairs, TrainingStream
from phaselearn.data.preparation.augmentation import Augmentation
from phaselearn.data.preparation.observation import Observation
from phaselearn.data.preparation.preparation import Preparation
from phaselearn.data.preparation.sample import Sample
from phaselearn.data.processes import worker_context
from phaselearn.data.sources.molecular.source import Molecular
from phaselearn.data.sources.synthetic import Synthetic
from phaselearn.data.split import split_of
from tests.cli.folders import TRAIN, command, metric_rows, table, weights
from tests.cli.inside import call
from tests.conftest import FULL

NOISE = Observation(noise=0.1)
AXES = Augmentation(axes=True)


def source(count: int = 30) -> Synthetic:
    return Synthetic(count, 0, "primitive", "inorganic", [2, 8], 0.8)


def preparation(observation: Observation = NOISE, augmentation: Augmentation = AXES) -> Preparation:
    return Preparation(
        observation=observation,
        augmentation=augmentation,
        input_transform="amplitude",
        input_scaling="deviation",
        target_scaling="deviation",
        layout="full",
        seed=0,
    )


def pairs(replicas: int = 1, rank: int = 0, held_out: frozenset[str] = frozenset(), **options) -> EndlessPairs:
    options = {"preparation": preparation(), "crystals": 24, "batch_size": 4} | options
    stream = TrainingStream(source(), 30.0, held_out, "atomic_number")
    return EndlessPairs(stream=stream, definition=FULL, num_replicas=replicas, rank=rank, **options)


def batches(stream: EndlessPairs, epoch: int = 0, workers: int = 0) -> list[dict[str, torch.Tensor]]:
    return list(EndlessLoader(stream, lambda: epoch, workers))


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


@pytest.fixture(scope="module")
def stream() -> list[dict[str, torch.Tensor]]:
    """Two epochs of one process without workers."""
    return batches(pairs(), 0) + batches(pairs(), 1)


@pytest.mark.slow
def test_workers_and_processes_share_out_the_stream(stream: list[dict[str, torch.Tensor]]) -> None:
    shares = [batches(pairs(2, rank), epoch=1, workers=2) for rank in range(2)]
    assert [len(share) for share in shares] == [3, 3]
    # Batches in turn: those of both processes, each in its order.
    together = [batch for turn in zip(*shares, strict=True) for batch in turn]
    for ours, theirs in zip(together, stream[6:], strict=True):
        assert_same(ours, theirs)


def test_no_crystal_comes_twice(stream: list[dict[str, torch.Tensor]]) -> None:
    assert torch.cat([batch["row"] for batch in stream]).tolist() == list(range(48))
    positions = {batch["lattice"][place].numpy().tobytes() for batch in stream for place in range(4)}
    assert len(positions) == 48
    # Also where the batches cannot be shared out evenly: an epoch then has some more.
    rows = [
        row
        for epoch in range(2)
        for rank in range(3)
        for batch in (batches(pairs(3, rank, crystals=10), epoch))
        for row in batch["row"].tolist()
    ]
    assert sorted(rows) == list(range(24))


@pytest.mark.slow
def test_a_worker_that_stays_gets_the_next_epoch(stream: list[dict[str, torch.Tensor]]) -> None:
    epochs = iter((0, 1))
    loader = EndlessLoader(pairs(), lambda: next(epochs), num_workers=1)
    for ours, theirs in zip([*loader, *loader], stream, strict=True):
        assert_same(ours, theirs)


def test_what_is_judged_is_never_trained_on() -> None:
    plain = pairs().stream
    crystals = [plain.crystal(place) for place in range(20)]
    assert {split_of(crystal.formula) for crystal in crystals} == {"train"}
    assert any(split_of(source().crystal(place).formula) != "train" for place in range(20))
    held_out = frozenset(crystal.prototype for crystal in crystals[:5])
    again = [pairs(held_out=held_out).stream.crystal(place) for place in range(20)]
    assert held_out.isdisjoint(crystal.prototype for crystal in again)
    kept = [place for place in range(20) if crystals[place].prototype not in held_out]
    assert [again[place].id for place in kept] == [crystals[place].id for place in kept]


def test_a_batch_is_that_of_a_data_set_of_the_same_crystals(tmp_path) -> None:
    """Both ways of making a batch, without anything drawn."""
    ideal = (Observation(d_min=1.2), Augmentation())
    store = build_store(source(), FULL, tmp_path / "s.zarr", 30.0, {})
    fresh = pairs(preparation=preparation(*ideal))
    ids = [fresh.stream.crystal(place).id for place in range(4)]
    stored_ids = store.ids().tolist()
    rows = [stored_ids.index(identifier) for identifier in ids if identifier in stored_ids]
    assert len(rows) >= 2
    dataset = PairDataset(
        store,
        torch.arange(len(store)).numpy(),
        preparation(*ideal),
        seen=frozenset(store.prototypes().tolist()),
        in_memory=False,
        held=64,
    )
    stored = dataset.__getitems__([(row, 0) for row in rows])
    [batch] = batches(pairs(preparation=preparation(*ideal), crystals=4))
    places = [ids.index(stored_ids[row]) for row in rows]
    assert batch.keys() == stored.keys()
    for name in ("input", "intensity", "density", "observed", "lattice", "prototype_seen"):
        assert batch[name].dtype == stored[name].dtype
        torch.testing.assert_close(batch[name][places], stored[name], rtol=1e-4, atol=1e-4)


def test_a_batch_holds_what_is_needed() -> None:
    [batch] = batches(pairs(crystals=4, needs=frozenset({"input", "density"})))
    assert set(batch) == {"input", "density"}


SMALL = (
    "source=synthetic",
    "source.count=60",
    "source.atoms=[2,6]",
    "data=hkl10_full",
    "data.endless=16",
    "data.batch_size=8",
    "evaluation.crystals=4",
    "evaluation.shown=0",
    "evaluation.methods=[]",
)


@pytest.mark.slow
def test_training_without_end_and_going_on_with_it(tmp_path) -> None:
    """A run that was stopped after an epoch continues with crystals that it has not seen."""
    command(tmp_path, *TRAIN, *SMALL, "data.loading.num_workers=1", "trainer.max_epochs=2", "run=whole")
    command(tmp_path, *TRAIN, *SMALL, "trainer.max_epochs=1", "run=parts")
    assert not torch.equal(*(next(iter(weights(tmp_path / run).values())) for run in ("whole", "parts")))
    command(tmp_path, *TRAIN, "resume=parts", "trainer.max_epochs=2")
    ours, theirs = weights(tmp_path / "parts"), weights(tmp_path / "whole")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert {row["epoch"] for row in metric_rows(tmp_path / "parts")} == {"0", "1"}
    assert table(tmp_path / "whole" / "results.csv")
    assert "2 epochs of 16 crystals" in (tmp_path / "whole" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("data.endless=16",), "source=synthetic data.endless=16"),
        pytest.param(
            ("source=synthetic", "data.endless=16", "data.batching=cell"),
            "data.batching=random",
            marks=pytest.mark.slow,
        ),
        (("source=synthetic", "data.endless=0"), "data.endless=0: a whole number of at least 1"),
    ],
)
def test_wrong_settings(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("train", *arguments) == 2
    printed = capfd.readouterr().err
    assert told in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "outputs" / "stores").exists()


def _rows_of_all(meeting: str, rank: int, answers) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    mine = torch.cat([batch["row"] for batch in pairs(dist.get_world_size(), dist.get_rank(), crystals=8)])
    everything = [torch.empty_like(mine) for _ in range(2)]
    dist.all_gather(everything, mine)
    answers.put(sorted(torch.cat(everything).tolist()))
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_real_processes(tmp_path) -> None:
    answers = worker_context().Queue()
    started = [
        worker_context().Process(target=_rows_of_all, args=(str(tmp_path / "meet"), rank, answers)) for rank in range(2)
    ]
    for process in started:
        process.start()
    assert [answers.get(timeout=120) for _ in started] == [list(range(8))] * 2
    for process in started:
        process.join()


def test_atoms_of_molecules_move_as_their_structures_say() -> None:
    """Where atoms are displaced, by their structure's own U; a batch of atoms at rest has none."""
    molecular = Molecular(1, 0, "primitive", [6, 12], hydrogen=True)
    stream = TrainingStream(molecular, 60.0, frozenset(), "atomic_number")
    measured = preparation(Observation(sample=Sample("xray", [0.005, 0.06])), Augmentation())
    [batch] = batches(EndlessPairs(stream=stream, definition=FULL, preparation=measured, crystals=2, batch_size=2))
    for row, crystal in enumerate(stream.crystal(place) for place in range(2)):
        u_iso = batch["u_iso"][row, : len(crystal.numbers)].double()
        torch.testing.assert_close(u_iso, torch.from_numpy(crystal.u_iso), rtol=1e-6, atol=1e-7)
    [ideal] = batches(EndlessPairs(stream=stream, definition=FULL, preparation=preparation(), crystals=2, batch_size=2))
    assert "u_iso" not in ideal
