"""The store: one zarr v3 group with the pairs and the crystals that they came from.

    intensity, density   (n, N, N, N) float32    one pair a chunk, sharded, blosc-lz4 + crc32c
    lattice              (n, 3, 3) float64       rows are the cell vectors in Å
    atom_offset          (n + 1,) int64          atoms of row i are atom_offset[i] … atom_offset[i + 1]
    atom_number          (m,) int64
    atom_position        (m, 3) float64          fractional
    id, formula, prototype (n,) str; space_group (n,) int64

The attributes hold the recipe (schema, definition of the pairs, provenance) and how many entries were left out and why.
Beside the group lie `left_out.csv` with each of those entries, `README.md`, the dataset card, and `manifest.json` with
the length and SHA-256 of every file.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from phaselearn.data.pairs import PairDefinition
from phaselearn.data.store.damage import (
    check_schema,
    check_version,
    damaged,
    first_line,
    repair_command,
    wrong_size,
)
from phaselearn.data.store.encodings import open_group
from phaselearn.data.store.files import METADATA, PAIR_ARRAYS, shard_key
from phaselearn.data.store.location import open_storage
from phaselearn.data.store.manifest import MANIFEST, DamagedManifest, Entry, Manifest, read_manifest
from phaselearn.data.store.pair_reader import ShardReader
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError

_FILES_AT_ONCE = 8


class PairStore:
    """A finished store, opened for reading.

    Safe to send to worker processes: arrays are opened on first use in each. On opening, the lengths of all files and
    the metadata are compared with the manifest; the arrays carry checksums of their own, which reading them checks.

    Args:
        path: the group: a folder, or `s3://BUCKET/FOLDER`.
        check: compare it with the manifest.

    Raises:
        UserError: nothing there, half built, of another schema, or damaged.
    """

    def __init__(self, path: str | Path, check: bool = True) -> None:
        self.storage = open_storage(path)
        if check:
            self.manifest = self._check()
        self.attributes: dict[str, Any] = json.loads(self.storage.read(METADATA))["attributes"]

    def __getstate__(self) -> dict[str, Any]:
        # The manifest of a large store is large, and only opening needs it.
        return {"storage": self.storage, "attributes": self.attributes}

    @property
    def path(self) -> Path | str:
        """Where the store is."""
        return self.storage.path

    @property
    def is_remote(self) -> bool:
        """Whether it lies in a bucket, whose client does not survive a fork."""
        return "://" in str(self.path)

    def _check(self) -> Manifest:
        storage = self.storage
        try:
            manifest = read_manifest(storage)
        except DamagedManifest as error:
            check_schema(storage)
            raise damaged(storage, MANIFEST, str(error)) from error
        if manifest is None:
            check_schema(storage)
            raise damaged(storage, MANIFEST, "it is missing")
        check_version(storage, manifest.recipe)
        sizes = storage.sizes()
        for key, entry in manifest.files.items():
            if sizes.get(key) != entry.size:
                raise damaged(storage, key, wrong_size(sizes.get(key), entry.size))
        metadata = [key for key in manifest.files if key.endswith(METADATA)]
        with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            for key, content in zip(metadata, pool.map(storage.read, metadata), strict=True):
                if Entry.of(content) != manifest.files[key]:
                    raise damaged(storage, key, "its checksum does not match")
        return manifest

    @cached_property
    def group(self) -> zarr.Group:
        """The zarr group, whose metadata say nothing but what this package writes."""
        return open_group(self.storage)

    @cached_property
    def _pair_arrays(self) -> dict[str, zarr.Array]:
        return {name: self.group[name] for name in PAIR_ARRAYS}

    @property
    def pairs_a_shard(self) -> int:
        """How many pairs lie in one shard."""
        return self._pair_arrays[PAIR_ARRAYS[0]].shards[0]

    @cached_property
    def definition(self) -> PairDefinition:
        """What the pairs are."""
        return PairDefinition(**self.attributes["definition"])

    def __len__(self) -> int:
        return len(self.lattice)

    def read_pairs(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Return one of the pair arrays at rows (k,) as float32 (k, N, N, N).

        Raises:
            UserError: a chunk is damaged; names it and the command that rebuilds it.
        """
        return self.reader(name, np.unique(rows), len(rows)).read(rows)

    def reader(self, name: str, wanted: np.ndarray, held: int) -> ShardReader:
        """Return a reader of one of the pair arrays; see `ShardReader`."""
        return ShardReader(self._pair_arrays[name], wanted, held, partial(self._damage, name))

    def _damage(self, name: str, row: int, error: Exception) -> UserError:
        shard = shard_key(name, row // self._pair_arrays[name].shards[0])
        return self.storage.not_damage(error) or UserError(
            f"chunk {row} of array '{name}' in {self.path} (shard {shard}) is damaged ({first_line(error)}): "
            f"rebuild it with `{repair_command(self.storage)}`"
        )

    def _column(self, name: str) -> np.ndarray:
        group = self.group
        try:
            return group[name][:]
        except Exception as error:
            told = self.storage.not_damage(error)
            raise told or damaged(self.storage, f"{name}/", first_line(error)) from error

    @cached_property
    def lattice(self) -> np.ndarray:
        """(n, 3, 3) float64 in Å."""
        return self._column("lattice")

    @cached_property
    def ids(self) -> np.ndarray:
        """(n,) identifiers."""
        return self._column("id")

    @cached_property
    def formulas(self) -> np.ndarray:
        """(n,) reduced formulas."""
        return self._column("formula")

    @cached_property
    def prototypes(self) -> np.ndarray:
        """(n,) structure types."""
        return self._column("prototype")

    @cached_property
    def space_groups(self) -> np.ndarray:
        """(n,) space-group numbers."""
        return self._column("space_group")

    @cached_property
    def _atom_offset(self) -> np.ndarray:
        return self._column("atom_offset")

    @cached_property
    def _atoms(self) -> tuple[np.ndarray, np.ndarray]:
        return self._column("atom_number"), self._column("atom_position")

    def crystal(self, row: int) -> Crystal:
        """Return the crystal of a row."""
        numbers, positions = self._atoms
        atoms = slice(self._atom_offset[row], self._atom_offset[row + 1])
        return Crystal(
            id=str(self.ids[row]),
            lattice=self.lattice[row],
            numbers=numbers[atoms],
            positions=positions[atoms],
            prototype=str(self.prototypes[row]),
            space_group=int(self.space_groups[row]),
        )

    def atom_counts(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of atoms of each of rows (k,)."""
        return self._atom_offset[rows + 1] - self._atom_offset[rows]

    def atoms(self, rows: np.ndarray, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return numbers (k, A), padded with 0, and fractional positions (k, A, 3) of rows; A is `width`, if given."""
        all_numbers, all_positions = self._atoms
        counts = self.atom_counts(rows)
        slot = np.arange(counts.max(initial=0) if width is None else width)
        present = slot < counts[:, None]
        source = (self._atom_offset[rows, None] + slot)[present]
        numbers = np.zeros(present.shape, dtype=np.int64)
        positions = np.zeros((*present.shape, 3))
        numbers[present], positions[present] = all_numbers[source], all_positions[source]
        return numbers, positions

    def bytes_a_pair(self) -> int:
        """Return how many bytes one uncompressed pair takes in memory."""
        return 2 * 4 * self.definition.size**3


def check_definition(store: PairStore, wanted: PairDefinition) -> None:
    """Refuse a store whose pairs are not what the configuration asks for.

    Raises:
        UserError: names each difference and the two ways out.
    """
    difference = store.definition.difference(wanted)
    if difference:
        told = ", ".join(f"{name}: store {have}, asked {want}" for name, (have, want) in difference.items())
        keys = " ".join(f"data.{name}={have}" for name, (have, _) in difference.items())
        raise UserError(
            f"{store.path} holds other pairs than data asks for ({told}): give another data.store, "
            f"`phaselearn prepare data.store=PATH`, or ask for what it holds: {keys}"
        )
