"""Verification of a store: bytes against the manifest, arrays against each other, pairs against their definition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from phaselearn.data.store.damage import check_schema, check_version, wrong_size
from phaselearn.data.store.files import METADATA, PAIR_ARRAYS, array_of, shard_length
from phaselearn.data.store.location import open_storage
from phaselearn.data.store.manifest import MANIFEST, DamagedManifest, Entry, Manifest, read_manifest
from phaselearn.data.store.pair_checks import wrong_physics
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.storage import Storage
from phaselearn.progress import track

_FILES_AT_ONCE = 8
_SAMPLE = 64  # crystals whose pairs are computed again


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a store.

    Attributes:
        file: the file relative to the store, or the row, that is wrong.
        what: description of the problem.
    """

    file: str
    what: str


def verify_store(path: str | Path) -> list[Problem]:
    """Return all problems of a store: of its files or, if these are sound, of its arrays and pairs.

    Raises:
        UserError: there is no store, or it is half built or of another schema.
    """
    storage = open_storage(path)
    problems = wrong_files(storage)
    if problems:
        return problems
    store = PairStore(path)
    problems = [*_wrong_shapes(store)]
    return problems or [Problem(_row_of(row, store), what) for row, what in wrong_physics(store, _sample(store))]


def wrong_files(storage: Storage) -> list[Problem]:
    """Return the files that differ from the manifest.

    Raises:
        UserError: there is no store, or it is half built or of another schema.
    """
    try:
        manifest = read_manifest(storage)
    except DamagedManifest as error:
        check_schema(storage)
        return [Problem(MANIFEST, str(error))]
    if manifest is None:
        check_schema(storage)
        return [Problem(MANIFEST, "it is missing")]
    check_version(storage, manifest.recipe)
    return _compare(storage, manifest)


def _compare(storage: Storage, manifest: Manifest) -> list[Problem]:
    sizes = storage.sizes()
    problems = [
        Problem(key, wrong_size(sizes.get(key), entry.size))
        for key, entry in manifest.files.items()
        if sizes.get(key) != entry.size
    ]
    known = {problem.file for problem in problems}
    keys = [key for key in manifest.files if key not in known]
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        entries = pool.map(lambda key: Entry.of(storage.read(key)), keys)
        for key, entry in zip(keys, track(entries, "checksums", len(keys)), strict=True):
            if entry != manifest.files[key]:
                problems.append(Problem(key, "its checksum does not match"))
    return problems


def _wrong_shapes(store: PairStore) -> Iterator[Problem]:
    """Yield the arrays that are missing, or whose shapes do not fit the others."""
    group = store.group()
    samples = store.definition.sample_shapes(store.longest_list())
    offsets = np.asarray(array_of(group, "atom_offset")[:])
    count, atoms = len(store), int(offsets[-1])
    expected = {
        **{name: (count, *samples[name]) for name in PAIR_ARRAYS},
        **{name: (count,) for name in ("id", "formula", "prototype", "space_group")},
        "lattice": (count, 3, 3),
        "atom_offset": (count + 1,),
        "atom_number": (atoms,),
        "atom_position": (atoms, 3),
    }
    for name, shape in expected.items():
        found = array_of(group, name).shape if name in group else None
        if found != shape:
            yield Problem(f"{name}/{METADATA}", f"its shape is {found}, not {shape}")
    if offsets[0] != 0 or (np.diff(offsets) < 1).any():
        yield Problem("atom_offset/", "it does not ascend from 0")
    yield from _missing_shards(store, group)


def _missing_shards(store: PairStore, group: zarr.Group) -> Iterator[Problem]:
    for name in PAIR_ARRAYS:
        array = array_of(group, name)
        shards = -(-array.shape[0] // shard_length(array))
        listed = sum(key.startswith(f"{name}/c/") for key in store.manifest.files)
        if listed != shards:
            yield Problem(f"{name}/", f"the manifest lists {listed} shards of {shards}")


def _sample(store: PairStore) -> np.ndarray:
    """Return random rows of the store, the same ones each time."""
    seed = int(hashlib.sha256(store.attributes["config_hash"].encode()).hexdigest()[:8], 16)
    count = min(_SAMPLE, len(store))
    return np.sort(np.random.default_rng(seed).choice(len(store), count, replace=False))


def _row_of(row: int, store: PairStore) -> str:
    return f"row {row} ({store.ids()[row]})"
