"""Computes the pairs of a store shard by shard; each shard is noted when it is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from phaselearn.data.build.screen_source import ScreenedSource, read_block
from phaselearn.data.build.shared_build import Pieces, SharedBuild, piece_key
from phaselearn.data.pair_maps import make_density, make_intensity, pad_atoms
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.sphere_pairs import compute_lists
from phaselearn.data.store.files import PAIR_ARRAYS, SHARDS_WRITTEN, shard_key
from phaselearn.data.store.manifest import Entry
from phaselearn.data.store.shard_codec import encode_shard
from phaselearn.data.store.storage import Storage
from phaselearn.data.structures import Crystal
from phaselearn.progress import Progress

PAIRS_A_SHARD = 256
_PAIRS_A_BATCH = 32
_SUFFIX = ".json"  # of the notes of shards


def write_pairs(build: SharedBuild, screened: ScreenedSource, definition: PairDefinition) -> None:
    """Compute and write the shards that are missing, together with other processes.

    Args:
        build: the store under construction, whose arrays are there.
        screened: the contents of its blocks.
        definition: definition of the pairs.

    Raises:
        BuildEnded: another process has finished or replaced the build.
    """
    ends = np.cumsum(screened.crystals)
    count = int(ends[-1])
    write = partial(_build_shard, build.storage, ends, definition, screened.longest)
    shards = Pieces(build, SHARDS_WRITTEN, _SUFFIX, lambda: range(-(-count // PAIRS_A_SHARD)), write)
    with Progress("pairs", count, sum(len(_rows(shard, count)) for shard in shards.done)) as progress:
        for shard in shards:
            progress.advance(len(_rows(shard, count)))


def written_shards(storage: Storage) -> dict[str, Entry]:
    """Return {key of a shard's file: its entry in the manifest} of all shards."""
    return {
        key: Entry(*entry)
        for note in storage.sizes(SHARDS_WRITTEN)
        for key, entry in json.loads(storage.read(note)).items()
    }


def _rows(shard: int, count: int) -> range:
    return range(shard * PAIRS_A_SHARD, min((shard + 1) * PAIRS_A_SHARD, count))


def _build_shard(storage: Storage, ends: np.ndarray, definition: PairDefinition, longest: int, shard: int) -> None:
    rows = _rows(shard, int(ends[-1]))
    first, last = np.searchsorted(ends, (rows[0], rows[-1]), side="right")
    crystals = [crystal for number in range(first, last + 1) for crystal in read_block(storage, number).crystals]
    skipped = rows[0] - (int(ends[first - 1]) if first else 0)
    own = crystals[skipped : skipped + len(rows)]
    written = write_shards(storage, own, int(ends[-1]), definition, shard, longest)
    note = {key: [entry.size, entry.sha256] for key, entry in written.items()}
    storage.write(piece_key(SHARDS_WRITTEN, shard, _SUFFIX), json.dumps(note).encode())


def write_shards(
    storage: Storage,
    crystals: Sequence[Crystal],
    count: int,
    definition: PairDefinition,
    shard: int,
    longest: int,
    arrays: Sequence[str] = PAIR_ARRAYS,
) -> dict[str, Entry]:
    """Compute and write one shard of the pair arrays.

    Args:
        storage: the store's files.
        crystals: the crystals in the shard.
        count: number of crystals in the store.
        definition: definition of the pairs.
        shard: number of the shard.
        longest: length that lists of reflections are padded to; 0 if the pairs are boxes.
        arrays: names of the pair arrays that are written.

    Returns:
        {key of a file: its entry in the manifest}.
    """
    written = {}
    shapes = definition.sample_shapes(longest)
    for name, samples in zip(PAIR_ARRAYS, _samples(crystals, definition), strict=True):
        if name in arrays:
            content = encode_shard((_padded(sample, shapes[name]) for sample in samples), min(PAIRS_A_SHARD, count))
            key = shard_key(name, shard, len(shapes[name]))
            storage.write(key, content)
            written[key] = Entry.of(content)
    return written


def _samples(crystals: Sequence[Crystal], definition: PairDefinition) -> Iterable[Iterable[np.ndarray]]:
    if definition.layout == "sphere":
        return zip(*(compute_lists(crystal, definition) for crystal in crystals), strict=True)
    return compute_pairs(crystals, definition)


def _padded(sample: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a sample with zeros behind it, so that it has a shape."""
    if sample.shape == shape:
        return sample
    padded = np.zeros(shape, np.float32)
    padded[: len(sample)] = sample
    return padded


def compute_pairs(crystals: Sequence[Crystal], definition: PairDefinition) -> tuple[np.ndarray, np.ndarray]:
    """Return the intensities and densities (k, N, N, N) of crystals, float32; the layout is not `sphere`."""
    shape = (len(crystals), *definition.box())
    intensity, density = np.empty(shape, np.float32), np.empty(shape, np.float32)
    # Crystals of similar size share a batch, so that little of it is padding. Gaussians at the voxels need no padding,
    # and are faster the more atoms are spread at once.
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
