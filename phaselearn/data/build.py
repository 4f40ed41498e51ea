"""Build a store from a source: screened, atomic, and resumed where it was stopped.

A store is built beside its place under the name `….partial` and renamed when it is whole, so a half-built store is
never read. Each finished shard is noted; a build that was killed goes on after the last one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr

from phaselearn.data.pairs import PairDefinition, make_density, make_intensity, pad_atoms
from phaselearn.data.screening import screen
from phaselearn.data.store import (
    PAIR_ARRAYS,
    SCHEMA,
    SCHEMA_VERSION,
    PairStore,
    create_pair_arrays,
    shard_file,
    write_crystals,
    write_pairs,
)
from phaselearn.data.structures import Crystal, LeftOut, Source
from phaselearn.errors import UserError
from phaselearn.progress import track

PAIRS_A_SHARD = 256
_PAIRS_A_BATCH = 32
_CRYSTALS_A_SCREENING = 512
_VERSIONS_OF = ("phaselearn", "gemmi", "numpy", "pymatgen", "spglib", "torch", "zarr")


def build_store(
    source: Source,
    definition: PairDefinition,
    path: str | Path,
    longest_edge: float,
    source_config: dict[str, Any],
    overwrite: bool = False,
) -> PairStore:
    """Build a store, or finish one whose build was stopped.

    Args:
        source: where the crystals come from.
        definition: what the pairs are.
        path: where the store will be.
        longest_edge: crystals with a longer cell edge (Å) are left out.
        source_config: the source's configuration, for the provenance.
        overwrite: replace what is at `path`.

    Raises:
        UserError: something is at `path` already, or the source has no usable crystal.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists already: add `overwrite=true` to replace it, or choose another data.store")
    partial = path.with_name(path.name + ".partial")
    provenance = _provenance(source, definition, longest_edge, source_config)
    with _one_thread():
        crystals, left_out = _gather(source, longest_edge)
    if not crystals:
        reasons = Counter(entry.reason for entry in left_out).most_common(3)
        told = "; ".join(f"{count} × {reason}" for reason, count in reasons) or "it yields nothing"
        raise UserError(
            f"source '{source.name}' has no usable structure ({told}): check source.path, or use the embedded "
            f"`python train.py source=prototypes`"
        )
    group = _open_partial(partial, provenance, crystals, left_out, definition)
    with _one_thread():
        _fill(partial, group, crystals, definition)
    group.attrs["complete"] = True
    if path.exists():
        shutil.rmtree(path)
    os.replace(partial, path)
    return PairStore(path)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: a pair is too small to share out, and the other cores compress and write."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _provenance(
    source: Source, definition: PairDefinition, longest_edge: float, source_config: dict[str, Any]
) -> dict[str, Any]:
    config = {"definition": definition.as_dict(), "longest_edge": longest_edge, "source": source_config}
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "definition": definition.as_dict(),
        "longest_edge": longest_edge,
        "source": {
            "name": source.name,
            "licence": source.licence,
            "attribution": source.attribution,
            "fingerprint": source.fingerprint(),
            "config": source_config,
        },
        "config_hash": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
        "versions": {name: version(name) for name in _VERSIONS_OF},
    }


def _gather(source: Source, longest_edge: float) -> tuple[list[Crystal], list[LeftOut]]:
    """Read and screen every entry of a source."""
    kept: list[Crystal] = []
    left_out: list[LeftOut] = []
    for block in _blocks(track(source, "reading structures", len(source) or None), _CRYSTALS_A_SCREENING):
        crystals = [entry for entry in block if isinstance(entry, Crystal)]
        left_out += [entry for entry in block if isinstance(entry, LeftOut)]
        for crystal, reason in zip(crystals, screen(crystals, longest_edge=longest_edge), strict=True):
            if reason is None:
                kept.append(crystal)
            else:
                left_out.append(LeftOut(crystal.id, reason))
    return kept, left_out


def _blocks(entries: Iterator[Crystal | LeftOut], size: int) -> Iterator[list[Crystal | LeftOut]]:
    block: list[Crystal | LeftOut] = []
    for entry in entries:
        block.append(entry)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block


def _open_partial(
    partial: Path,
    provenance: dict[str, Any],
    crystals: Sequence[Crystal],
    left_out: Sequence[LeftOut],
    definition: PairDefinition,
) -> zarr.Group:
    """Return the group under construction: the one that was left, if it is of the same build."""
    if partial.exists():
        try:
            group = zarr.open_group(partial, mode="r+")
            attributes = dict(group.attrs)
            if {name: attributes.get(name) for name in provenance} == provenance and "shards_built" in attributes:
                return group
        except Exception:
            # Killed before the group was whole: nothing in it is worth keeping.
            pass
        shutil.rmtree(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    group = zarr.open_group(partial, mode="w", zarr_format=3)
    write_crystals(group, crystals)
    create_pair_arrays(group, len(crystals), definition.size, PAIRS_A_SHARD)
    reasons = Counter(entry.reason for entry in left_out)
    group.attrs.update(
        {
            **provenance,
            "complete": False,
            "left_out": {
                "counts": dict(sorted(reasons.items())),
                "entries": [[entry.id, entry.reason] for entry in left_out],
            },
            "shards_built": 0,
        }
    )
    return group


def _fill(partial: Path, group: zarr.Group, crystals: Sequence[Crystal], definition: PairDefinition) -> None:
    """Compute and write the shards that are missing, one a core at a time; they are noted as built in their order."""
    length = group["density"].shards[0]
    shards = range(int(group.attrs["shards_built"]), -(-len(crystals) // length))

    def build(shard: int) -> int:
        pairs = compute_pairs(crystals[shard * length : (shard + 1) * length], definition)
        for name, values in zip(PAIR_ARRAYS, pairs, strict=True):
            write_pairs(partial, group, name, shard, values)
        return shard

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        # Not all at once: what is computed and not yet noted would be computed again after a kill.
        building = deque(pool.submit(build, shard) for shard in shards[: cores + 1])
        for shard in track(shards, f"pairs ({length} a step)", len(shards)):
            group.attrs["shards_built"] = building.popleft().result() + 1
            if shard + cores + 1 in shards:
                building.append(pool.submit(build, shard + cores + 1))


def compute_pairs(crystals: Sequence[Crystal], definition: PairDefinition) -> tuple[np.ndarray, np.ndarray]:
    """Return intensity and density (k, N, N, N) float32 of crystals."""
    shape = (len(crystals), *(definition.size,) * 3)
    intensity, density = np.empty(shape, np.float32), np.empty(shape, np.float32)
    # Crystals of like size share a batch, so that little of it is padding. Gaussians at the voxels know no padding,
    # and the more crystals, the more atoms are spread in one go.
    order = np.argsort([len(crystal.numbers) for crystal in crystals], kind="stable")
    spread = definition.sampling == "point" and definition.frame == "fractional"
    for make, result, at_once in (
        (make_intensity, intensity, _PAIRS_A_BATCH),
        (make_density, density, PAIRS_A_SHARD if spread else _PAIRS_A_BATCH),
    ):
        for start in range(0, len(order), at_once):
            rows = order[start : start + at_once]
            lattice, numbers, positions = pad_atoms([crystals[row] for row in rows])
            result[rows] = make(lattice.float(), numbers, positions, definition).numpy()
    return intensity, density


def repair_store(path: str | Path) -> list[str]:
    """Rebuild the damaged and the missing shards of a store from the crystals that it holds.

    Returns:
        The shards that were rebuilt, relative to the store.
    """
    path = Path(path)
    store = PairStore(path, check_shards=False)
    group = zarr.open_group(path, mode="r+")
    length = group["density"].shards[0]
    repaired = []
    for number in track(range(-(-len(store) // length)), "checking shards", -(-len(store) // length)):
        rows = np.arange(number * length, min((number + 1) * length, len(store)))
        damaged = [name for name in PAIR_ARRAYS if not _is_readable(store, name, number, rows)]
        if not damaged:
            continue
        with _one_thread():
            pairs = compute_pairs([store.crystal(row) for row in rows], store.definition)
        for name, values in zip(PAIR_ARRAYS, pairs, strict=True):
            if name in damaged:
                write_pairs(path, group, name, number, values)
                repaired.append(str(shard_file(Path(), name, number)))
    return repaired


def _is_readable(store: PairStore, name: str, shard: int, rows: np.ndarray) -> bool:
    if not shard_file(store.path, name, shard).exists():
        return False
    try:
        store.read_pairs(name, rows)
    except UserError:
        return False
    return True
