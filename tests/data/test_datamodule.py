"""Splits, batches and augmentation."""

import hashlib
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from zarr.storage import LocalStore

from phaselearn.data.build.configured_store import ConfiguredStore
from phaselearn.data.build.store_build import build_store
from phaselearn.data.datamodule import PairDataModule
from phaselearn.data.loading.loading import Loading
from phaselearn.data.pair_maps import make_pairs
from phaselearn.data.preparation.augmentation import Augmentation
from phaselearn.data.preparation.observation import Observation
from phaselearn.data.preparation.preparation import Preparation
from phaselearn.data.sources.file import File
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.split import nested_subset, split_of, split_rows
from phaselearn.errors import UserError
from tests.conftest import FULL, OCTANT, random_crystals
from tests.thinned import thinned

IDEAL, NONE = Observation(), Augmentation()
LOADING = {
    "batch_size": 16,
    "batching": "random",
    "num_workers": 0,
    "cache": "none",
    "cache_limit": 0.25,
    "shuffle_buffer": 4096,
}
PREPARED = {"input_transform": "raw", "input_scaling": "none", "target_scaling": "none"}


def configured_store(place, source=None, definition=OCTANT):
    return ConfiguredStore(
        definition=definition,
        source=source,
        source_config={},
        place=place,
        name="tiny",
        folder="unused",
        longest_edge=30.0,
        workers=None,
    )


def datamodule(
    store, /, *, observation=IDEAL, augmentation=NONE, definition=OCTANT, train_size=None, endless=None, **changes
):
    """Return the data of a store, changed in settings of loading and preparation."""
    assert changes.keys() <= LOADING.keys() | PREPARED.keys()
    prepared = {key: changes.get(key, value) for key, value in PREPARED.items()}
    prepared |= {"observation": observation, "layout": definition.layout, "seed": 0}
    return PairDataModule(
        store=configured_store(str(store.path), definition=definition),
        preparation=Preparation(augmentation=NONE, **prepared),
        training=Preparation(augmentation=augmentation, **prepared),
        loading=Loading(**{key: changes.get(key, value) for key, value in LOADING.items()}),
        train_size=train_size,
        endless=endless,
    )


def batches(loader, epoch=0):
    loader.batch_sampler.sampler.set_epoch(epoch)
    return list(loader)


def joined(loader, name, epoch=0):
    return torch.cat([batch[name] for batch in batches(loader, epoch)])


def test_the_split_is_the_published_one():
    for formula in ("NaCl", "F2O", "SiO2", "Ac2AgPb", "H2O"):
        bucket = int(hashlib.sha256(formula.encode()).hexdigest(), 16) % 100
        expected = "test" if bucket < 10 else "validation" if bucket < 20 else "train"
        assert split_of(formula) == expected


def test_fluorine_is_never_trained_on():
    formulas = ["NaCl", "F2", "F", "SiO2"] * 3
    assert len(split_rows(formulas, "train")) == 6
    assert set(split_rows(formulas, "test")) >= {1, 2, 5, 6, 9, 10}


def test_no_formula_is_on_two_sides_and_every_row_on_one(tiny_store):
    data = datamodule(tiny_store)
    rows = [data.rows(split) for split in ("train", "validation", "test")]
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(tiny_store)))
    formulas = [set(tiny_store.formulas()[chosen]) for chosen in rows]
    assert not formulas[0] & formulas[1]
    assert not formulas[0] & formulas[2]
    assert not formulas[1] & formulas[2]


def test_a_file_that_has_changed_is_not_answered_by_the_old_store(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("{}")
    before = configured_store(None, File(str(path), None, "", "")).path()
    assert configured_store(None, File(str(path), None, "", "")).path() == before
    path.write_text("{} ")
    assert configured_store(None, File(str(path), None, "", "")).path() != before


@pytest.mark.parametrize("cache", ["none", "ram"])
def test_training_batches_hold_what_is_needed_and_others_everything(tiny_store, cache):
    data = datamodule(tiny_store, cache=cache)
    whole = batches(data.train_dataloader())[0]
    batch = batches(data.training_loader(frozenset({"input", "density"})))[0]
    assert batch.keys() == {"input", "density"}
    assert all(torch.equal(batch[name], whole[name]) for name in batch)
    assert batches(data.val_dataloader())[0].keys() == whole.keys()


def test_smaller_training_sets_lie_within_larger_ones(tiny_store):
    chosen = [set(datamodule(tiny_store, train_size=size).rows("train").tolist()) for size in (10, 56, 150)]
    assert [len(rows) for rows in chosen] == [10, 56, 150]
    assert chosen[0] < chosen[1] < chosen[2]
    with pytest.raises(UserError, match=r"data\.train_size=9999"):
        datamodule(tiny_store, train_size=9999).rows("train")


def test_a_subset_does_not_depend_on_the_order_of_the_store():
    ids = [f"mp-{i}" for i in range(50)]
    first = {ids[row] for row in nested_subset(np.arange(50), ids, 10, 0)}
    other = ids[::-1]
    assert first == {other[row] for row in nested_subset(np.arange(50), other, 10, 0)}
    assert first != {ids[row] for row in nested_subset(np.arange(50), ids, 10, 1)}


@pytest.mark.parametrize("loading", thinned(product(["none", "ram"], [0, 2]), {("none", 2), ("ram", 0)}.__contains__))
def test_an_epoch_holds_every_crystal_once_in_an_order_of_seed_and_epoch(tiny_store, loading):
    cache, workers = loading
    data = datamodule(tiny_store, cache=cache, num_workers=workers)
    first = joined(data.train_dataloader(), "row", 0)
    assert sorted(first.tolist()) == data.rows("train").tolist()
    again = joined(datamodule(tiny_store, cache=cache, num_workers=workers).train_dataloader(), "row", 0)
    assert torch.equal(first, again)
    assert not torch.equal(first, joined(data.train_dataloader(), "row", 1))
    assert sorted(joined(data.val_dataloader(), "row").tolist()) == data.rows("validation").tolist()


def test_one_process_validates_on_every_crystal_in_the_same_order_each_time(tiny_store):
    data = datamodule(tiny_store)
    rows = joined(data.val_dataloader(), "row").tolist()
    assert sorted(rows) == data.rows("validation").tolist()
    assert joined(data.val_dataloader(), "row").tolist() == rows


@pytest.fixture(scope="module")
def six_shards(tmp_path_factory):
    """A store of six shards."""
    path = tmp_path_factory.mktemp("six") / "store.zarr"
    return build_store(Prototypes(count=1500, seed=0, cell="primitive"), OCTANT, path, 30.0, {})


@pytest.mark.parametrize("batching", ["random", "cell"])
def test_a_training_reads_each_shard_once_an_epoch(six_shards, batching):
    data = datamodule(six_shards, batching=batching, shuffle_buffer=300)
    loader = data.train_dataloader()
    reads = Counter()
    get = LocalStore.get

    async def counted(self, key, prototype=None, byte_range=None):
        reads[key] += 1
        return await get(self, key, prototype, byte_range)

    with pytest.MonkeyPatch.context() as patch:
        batches(loader)  # opens what is opened once
        patch.setattr(LocalStore, "get", counted)
        batches(loader, 1)
    shards = [key for key in reads if "/c/" in key]
    assert len(shards) == 2 * -(-len(six_shards) // 256)
    # A shard that lies in two buffers is kept from one to the next.
    assert all(reads[shard] == 1 for shard in shards)


def test_a_shuffle_buffer_holds_a_batch(tiny_store):
    with pytest.raises(UserError, match=r"data\.loading\.shuffle_buffer=8"):
        datamodule(tiny_store, shuffle_buffer=8)


def test_batches_hold_what_the_store_holds(tiny_store):
    data = datamodule(tiny_store)
    batch = batches(data.train_dataloader())[0]
    rows = batch["row"].numpy()
    assert np.array_equal(
        batch["density"].numpy(), tiny_store.read_pairs("density", np.sort(rows))[np.argsort(np.argsort(rows))]
    )
    assert torch.equal(batch["input"], batch["intensity"])
    assert batch["observed"].all()
    for place, row in enumerate(rows):
        atoms = len(tiny_store.crystal(row).numbers)
        assert batch["numbers"][place, :atoms].tolist() == tiny_store.crystal(row).numbers.tolist()
        assert np.allclose(batch["lattice"][place], tiny_store.lattices()[row])


@pytest.mark.parametrize(
    "changes",
    [
        {"observation": Observation(noise=0.2, completeness=0.7)},
        pytest.param({"augmentation": Augmentation(origin=True, inversion=True, axes=True)}, marks=pytest.mark.slow),
    ],
)
def test_what_is_drawn_depends_on_crystal_and_epoch_alone(tiny_store, changes):
    def by_row(epoch, **more):
        loader = datamodule(tiny_store, **changes, **more).train_dataloader()
        rows, values = joined(loader, "row", epoch), joined(loader, "intensity", epoch)
        targets = joined(loader, "density", epoch)
        order = rows.argsort()
        return values[order], targets[order]

    first = by_row(3)
    for other in (by_row(3, batch_size=7), by_row(3, cache="ram"), by_row(3, num_workers=2)):
        assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, by_row(4), strict=True))


def test_the_held_out_splits_are_never_augmented(tiny_store):
    data = datamodule(tiny_store, augmentation=Augmentation(origin=True, inversion=True, axes=True))
    plain = datamodule(tiny_store)
    for name in ("density", "intensity", "positions"):
        assert torch.equal(batches(data.val_dataloader())[0][name], batches(plain.val_dataloader())[0][name])


@pytest.mark.parametrize("definition", [OCTANT, FULL], ids=["octant", "full"])
def test_an_augmented_pair_is_the_pair_of_the_augmented_crystal(definition):
    lattice, numbers, positions = random_crystals(24, 5, seed=1)
    intensity, density = make_pairs(lattice, numbers, positions, definition)
    batch = {"lattice": lattice, "numbers": numbers, "positions": positions, "intensity": intensity, "density": density}
    changed = Augmentation(origin=True, inversion=True, axes=True).apply(batch, definition.layout, list(range(24)))
    expected = make_pairs(changed["lattice"], numbers, changed["positions"], definition)
    present = numbers > 0
    assert ((changed["positions"] - positions)[present].abs() > 0.01).any()
    assert (changed["lattice"] - lattice).abs().amax((1, 2)).gt(1e-6).float().mean() > 0.5
    for name, values in zip(("intensity", "density"), expected, strict=True):
        difference = (changed[name] - values).abs().amax((1, 2, 3)) / values.abs().amax((1, 2, 3))
        assert difference.max() < 1e-6


def test_axes_of_an_octant_are_never_reversed():
    lattice, numbers, positions = random_crystals(30, 3, seed=2)
    intensity, density = make_pairs(lattice, numbers, positions, OCTANT)
    batch = {"lattice": lattice, "numbers": numbers, "positions": positions, "intensity": intensity, "density": density}
    changed = Augmentation(axes=True).apply(batch, "octant", list(range(30)))["lattice"]
    axes = (changed[:, :, None, :] - lattice[:, None, :, :]).abs().amax(-1) < 1e-12
    assert axes.any(2).all()  # each new axis is an old one, with its sign


def test_cuboid_voxels_are_not_augmented(tiny_store):
    with pytest.raises(UserError, match="frame=cartesian"):
        datamodule(tiny_store, definition=replace(OCTANT, frame="cartesian"), augmentation=Augmentation(origin=True))


def test_evaluation_takes_the_same_crystals_however_many_are_cached(tiny_store):
    few = joined(datamodule(tiny_store).evaluation_loader("train", 20), "row")
    more = joined(datamodule(tiny_store, cache="ram").evaluation_loader("train", 60), "row")
    assert len(few) == 20
    assert set(few.tolist()) < set(more.tolist())
