"""Batches of the layout `sphere`: a crystal has the same reflections and the same density in any company."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from phaselearn.crystal.density import interpolated, structure_factors_from_map
from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import miller_box, resized, shape_of
from phaselearn.data.batch import Batch
from phaselearn.data.datamodule import PairDataModule
from phaselearn.data.loading import endless
from phaselearn.data.loading.endless import EndlessLoader, EndlessPairs, TrainingStream
from phaselearn.data.loading.loading import Loading
from phaselearn.data.loading.sphere_dataset import dataset_class
from phaselearn.data.preparation.augmentation import Augmentation
from phaselearn.data.preparation.observation import Observation
from phaselearn.data.preparation.preparation import Preparation
from phaselearn.data.preparation.sample import Sample
from phaselearn.data.store.pair_store import PairStore
from tests.data.spheres import SPHERE, LongCells, build, factors_at

POOR = Observation(noise=[0.0, 0.2], completeness=0.8)
ALL = Augmentation(origin=True, inversion=True, axes=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    return build(tmp_path_factory.mktemp("spheres") / "sphere.zarr", 60)


def preparation(observation: Observation, augmentation: Augmentation = ALL, transform: str = "amplitude"):
    return Preparation(
        layout="sphere", observation=observation, augmentation=augmentation, input_transform=transform, seed=1
    )


def dataset(store: PairStore, prepared: Preparation, in_memory: bool = False):
    return dataset_class(store)(store, np.arange(len(store)), prepared, frozenset(), in_memory, held=64)


def points(batch: Batch) -> int:
    return math.prod(shape_of(batch["intensity"]))


@pytest.mark.parametrize("transform", ["amplitude", "patterson"])
@pytest.mark.parametrize("observation", [POOR, Observation(sample=Sample(u_iso=[0.01, 0.05]))], ids=["poor", "atoms"])
def test_a_crystal_is_the_same_in_any_batch(store: PairStore, observation: Observation, transform: str) -> None:
    pairs = dataset(store, preparation(observation, transform=transform))
    alone = [pairs.__getitems__([(place, 3)]) for place in (4, 9, 21)]
    together = pairs.__getitems__([(place, 3) for place in (4, 9, 21, 30)])
    assert points(together) > max(map(points, alone))
    for row, own in enumerate(alone):
        shape = shape_of(own["intensity"])
        shared: Batch = {name: values[row : row + 1] for name, values in together.items()}
        for name in ("intensity", "observed"):
            assert torch.equal(resized(shared[name], shape), own[name])
            assert torch.equal(resized(own[name], shape_of(shared[name])), shared[name])
        for name in ("density", "input") if transform == "patterson" else ("density",):
            there, here = interpolated(shared[name], shape), own[name]
            assert (there - here).abs().max() < 1e-5 * here.abs().max()
        for name in ("lattice", "numbers", "positions"):
            assert torch.equal(shared[name], own[name])


def test_a_batch_holds_the_reflections_and_the_density_of_its_atoms(store: PairStore) -> None:
    """Axes, origin and hand were changed in all parts of it alike."""
    batch = dataset(store, preparation(Observation())).__getitems__([(place, 0) for place in range(8)])
    shape = shape_of(batch["intensity"])
    inside = inverse_d_squared(batch["lattice"].double(), *miller_box(shape)) <= (1 + 1e-6) / 1.2**2
    assert torch.equal(batch["observed"], inside)
    factors = structure_factors_from_map(batch["density"], batch["lattice"])
    for row in range(8):
        numbers, positions = batch["numbers"][row].numpy(), batch["positions"][row].numpy()
        hkl = batch["observed"][row].nonzero()
        index = torch.stack([along[hkl[:, axis]] for axis, along in enumerate(miller_box(shape))], 1).numpy()
        expected = np.exp(2j * np.pi * index @ positions.T) @ numbers
        electrons = numbers.sum()
        found = batch["intensity"][row][tuple(hkl.T)].numpy()
        assert found == pytest.approx(np.abs(expected) ** 2, abs=1e-5 * electrons**2)
        s = np.linalg.norm(index @ np.linalg.inv(batch["lattice"][row].double().numpy()).T, axis=1)
        blurred = expected * np.exp(-2 * (np.pi * 0.225 * s) ** 2)
        scale = blurred[0].real / factors[row].real.flatten()[0].item()  # the densities are scaled
        assert scale * factors[row][tuple(hkl.T)].numpy() == pytest.approx(blurred, abs=1e-4 * electrons)
        assert factors[row][~inside[row]].abs().max() < 1e-5 * factors[row].abs().max()


def test_factors_at_is_the_sum_that_it_should_be() -> None:
    crystal = LongCells(1).crystal(0)
    assert factors_at(crystal, np.zeros((1, 3)))[0] == crystal.numbers.sum()


def test_nothing_outside_of_the_sphere_is_observed_where_intensities_come_from_the_atoms(store: PairStore) -> None:
    batch = dataset(store, preparation(Observation(sample=Sample()))).__getitems__([(0, 0), (1, 0)])
    square = inverse_d_squared(batch["lattice"], *miller_box(shape_of(batch["intensity"])))
    assert (square[batch["observed"]] <= 1.00001 / 1.2**2).all()
    # All but F(000), which no experiment sees.
    assert batch["observed"].flatten(1).sum(1).tolist() == [2 * len(store.sphere(row)) - 2 for row in (0, 1)]
    assert not batch["intensity"][~batch["observed"]].any()


def test_batches_from_memory_are_those_from_the_store(store: PairStore) -> None:
    keys = [(place, 2) for place in (3, 1, 7)]
    streamed, held = (dataset(store, preparation(POOR), in_memory).__getitems__(keys) for in_memory in (False, True))
    assert streamed.keys() == held.keys()
    for name in streamed:
        assert torch.equal(streamed[name], held[name]), name


def own_points(store: PairStore, rows: Tensor) -> int:
    return sum(math.prod(store.sphere(row).shape) for row in rows.tolist())


@pytest.mark.parametrize("seed", [0, None], ids=["training", "evaluation"])
def test_similar_cells_share_a_batch_so_that_little_of_it_is_empty(store: PairStore, seed: int | None) -> None:
    pairs = dataset(store, preparation(Observation(), Augmentation()))
    batches = list(Loading(batch_size=4, batching="cell").loader(pairs, seed, distributed=False))
    assert sorted(torch.cat([batch["row"] for batch in batches]).tolist()) == list(range(60))
    filled = sum(own_points(store, batch["row"]) for batch in batches)
    taken = sum(len(batch["row"]) * points(batch) for batch in batches)
    shuffled = torch.randperm(60, generator=torch.Generator().manual_seed(0)).split(4)
    wasteful = sum(
        len(rows) * math.prod(np.max([store.sphere(row).shape for row in rows.tolist()], axis=0).tolist())
        for rows in shuffled
    )
    assert taken < 0.6 * wasteful
    assert taken < 3 * filled


def test_a_stopped_epoch_goes_on_with_the_same_batches(store: PairStore) -> None:
    def loader():
        data = PairDataModule(
            store.path, training=preparation(POOR), preparation=preparation(POOR), loading=Loading(batch_size=8)
        )
        return data.training_loader()

    whole = loader()
    whole.batch_sampler.set_epoch(1)
    expected = list(whole)
    stopped = loader()
    stopped.batch_sampler.set_epoch(1)
    batches = iter(stopped)
    for _ in range(2):
        next(batches)
    resumed = loader()
    resumed.load_state_dict(stopped.state_dict())
    rest = list(resumed)
    assert len(rest) == len(expected) - 2
    for first, second in zip(rest, expected[2:], strict=True):
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_endless_crystals_come_as_those_of_a_store(store: PairStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endless, "split_of", lambda formula: "train")
    prepared = preparation(POOR)
    stream = TrainingStream(LongCells(60), 30.0, frozenset(), "atomic_number")
    pairs = EndlessPairs(stream=stream, definition=SPHERE, preparation=prepared, crystals=8, batch_size=4)
    stored = dataset(store, prepared)
    for number, batch in enumerate(EndlessLoader(pairs, lambda: 0, 0)):
        expected = stored.__getitems__([(row, 0) for row in range(4 * number, 4 * number + 4)])
        assert batch["row"].tolist() == expected["row"].tolist()
        for name in ("intensity", "observed", "density", "lattice", "input"):
            torch.testing.assert_close(batch[name], expected[name])
    assert number == 1
