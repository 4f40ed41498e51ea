"""Stores of the layout `sphere` keep what the others promise."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from phaselearn.data.build.repair import repair_store
from phaselearn.data.build.store_build import build_store
from phaselearn.data.store.files import PAIR_ARRAYS, array_of
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.same_definition import check_definition
from phaselearn.data.store.shard_codec import encode_shard
from phaselearn.data.store.storage import LocalStorage
from phaselearn.data.store.verify import verify_store
from phaselearn.errors import UserError
from tests.conftest import FULL
from tests.data.files import files_of
from tests.data.spheres import SPHERE, LongCells, build, factors_at, listed_hkl
from tests.data.store.strange.forging import seal

COUNT = 300  # more than one shard


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spheres") / "sphere.zarr"
    build(path, COUNT)
    return path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "sphere.zarr")


def test_the_lists_are_sums_over_the_atoms_in_the_order_of_the_card(sound: Path) -> None:
    group = zarr.open_group(sound, mode="r")
    for row in (0, 17, COUNT - 1):
        crystal = LongCells(COUNT).crystal(row)
        hkl = listed_hkl(crystal, 1.2)
        factors = factors_at(crystal, hkl)
        s = np.linalg.norm(hkl @ np.linalg.inv(crystal.lattice).T, axis=1)
        blurred = factors * np.exp(-2 * (np.pi * 0.225 * s) ** 2)
        intensity, density = (np.asarray(group[name][row]) for name in PAIR_ARRAYS)
        electrons = float(crystal.numbers.sum())
        assert intensity[: len(hkl)] == pytest.approx(np.abs(factors) ** 2, abs=1e-5 * electrons**2)
        assert density[: len(hkl), 0] == pytest.approx(blurred.real, abs=1e-5 * electrons)
        assert density[: len(hkl), 1] == pytest.approx(blurred.imag, abs=1e-5 * electrons)
        assert not intensity[len(hkl) :].any()
        assert not density[len(hkl) :].any()


def test_our_shards_are_those_that_zarr_writes(sound: Path, tmp_path: Path) -> None:
    store = PairStore(sound)
    theirs = zarr.create_group(tmp_path / "theirs.zarr", zarr_format=3)
    for name in PAIR_ARRAYS:
        ours = array_of(store.group(), name)
        values = np.asarray(ours[:])
        assert np.array_equal(store.read_pairs(name, np.arange(COUNT)), values)
        theirs.create_array(
            name,
            data=values,
            chunks=ours.chunks,
            shards=ours.shards,
            compressors=ours.compressors,
        )
        assert files_of(tmp_path / "theirs.zarr" / name / "c") == files_of(sound / name / "c")


def test_zeros_behind_short_lists_take_no_room(sound: Path, tmp_path: Path) -> None:
    """One large crystal makes every list of the array longer, and hardly any file."""
    values = PairStore(sound).read_pairs("intensity", np.arange(64))
    longer = np.concatenate([values, np.zeros((64, 50_000), np.float32)], axis=1)
    assert len(encode_shard(longer, 64)) < 1.02 * len(encode_shard(values, 64))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_build_gives_the_same_bytes_whatever_its_processes_and_stops(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    write, written = LocalStorage.write, []

    def stop(storage: LocalStorage, key: str, content: bytes) -> None:
        if key.startswith("building/shards/"):
            written.append(key)
            if len(written) == 2:
                raise KeyboardInterrupt
        write(storage, key, content)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "again.zarr", COUNT)
    build(tmp_path / "again.zarr", COUNT, workers)
    assert files_of(tmp_path / "again.zarr") == files_of(sound)


def test_a_sound_store_has_no_problems(sound: Path) -> None:
    assert verify_store(sound) == []


@pytest.mark.parametrize("name", PAIR_ARRAYS)
def test_a_damaged_shard_is_named_and_mended(sound: Path, store: Path, name: str) -> None:
    [file] = (store / name / "c" / "1").rglob("0/0" if name == "density" else "0")
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 16
    file.write_bytes(content)
    key = file.relative_to(store).as_posix()
    with pytest.raises(UserError, match=rf"'{name}'.*\(shard {key}\) is damaged.*repair=true"):
        PairStore(store).read_pairs(name, np.arange(COUNT))
    assert [problem.file for problem in verify_store(store)] == [key]
    assert repair_store(store, lambda _: LongCells(COUNT)) == [key]
    assert files_of(store) == files_of(sound)


@pytest.mark.parametrize("change", ["another order", "values behind a list"])
def test_wrong_pairs_are_noticed_even_where_every_checksum_is_right(store: Path, change: str) -> None:
    array = zarr.open_group(store, mode="r+")["intensity"]
    values = np.asarray(array[:])
    if change == "another order":
        values = np.roll(values, 1, axis=0)
    else:
        values[values[:, -1] == 0, -1] = 1.0
    array[:] = values
    seal(store)
    problems = verify_store(store)
    assert problems
    assert all(problem.what.startswith("intensity") for problem in problems if "I(000)" not in problem.what)


def test_a_strangers_cell_that_is_too_large_for_its_list_is_refused(store: Path) -> None:
    lattice = zarr.open_group(store, mode="r+")["lattice"]
    for edge in (40.0, 1e6):  # of which the second would need more memory than there is
        lattice[5] = edge * np.eye(3)
        seal(store)
        with pytest.raises(UserError, match=r"too short for row 5.*overwrite=true"):
            PairStore(store).sphere(5)


def test_a_cell_with_more_points_than_a_machine_can_hold_is_left_out(tmp_path: Path) -> None:
    class One(LongCells):
        def crystal(self, number: int):
            crystal = super().crystal(number)
            return crystal if number else replace(crystal, lattice=np.eye(3) * 500.0)

    store = build_store(One(3), SPHERE, tmp_path / "s.zarr", 1000.0, {}, workers=1)
    assert store.ids().tolist() == ["long-0001", "long-0002"]
    assert store.attributes["left_out"] == {"too large a cell for a sphere of 1.2 Å": 1}


def test_a_store_of_cubes_does_not_pass_for_one_of_spheres(sound: Path) -> None:
    told = r"size: store null, asked 10.*data\.definition\.size=null .*data\.definition\.resolution=1\.2"
    with pytest.raises(UserError, match=told):
        check_definition(PairStore(sound), FULL)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"size": 20}, "size=20 is the size of one box"),
        ({"resolution": None}, "resolution=None: a resolution from 0.3 to 10.0 Å"),
        ({"resolution": 0.01}, "resolution=0.01"),
        ({"frame": "cartesian"}, "frame=fractional is needed"),
        ({"sampling": "point"}, "sampling=band_limited is needed"),
        ({"layout": "full"}, "size=None: an even number"),
        ({"layout": "full", "size": 10}, "resolution=1.2 belongs to layout=sphere"),
    ],
)
def test_definitions_that_contradict_themselves_are_refused(values: dict, told: str) -> None:
    with pytest.raises(UserError, match=told):
        replace(SPHERE, **values)
