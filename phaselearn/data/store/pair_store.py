"""The store: one zarr v3 group with the pairs and the crystals that they came from.

    intensity, density   (n, N, N, N) float32    one pair per chunk, sharded, blosc + crc32c
    lattice              (n, 3, 3) float64       rows are the cell vectors in Å
    atom_offset          (n + 1,) int64          atoms of row i are atom_offset[i] … atom_offset[i + 1]
    atom_number          (m,) int64
    atom_position        (m, 3) float64          fractional
    atom_u_iso           (m,) float64            U in Å², NaN where none is given; only if some crystal gives it
    id, formula, prototype (n,) str; space_group (n,) int64

In the layout `sphere`, the pairs are lists of the M reflections that the largest crystal has, with zeros behind shorter
ones, in the order of `phaselearn.crystal.sphere.Sphere`:

    intensity            (n, M) float32
    density              (n, M, 2) float32       real and imaginary part of the structure factors of the density

The attributes hold the recipe (schema, definition of the pairs, provenance), and the number of entries that were left
out for each reason. Beside the arrays are `left_out.csv`, which lists these entries, `README.md`, the dataset card, and
`manifest.json` with the length and SHA-256 of every file.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from phaselearn.crystal.sphere import Sphere
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.store.damage import (
    check_schema,
    check_version,
    damaged,
    first_line,
    not_ours,
    repair_command,
    wrong_size,
)
from phaselearn.data.store.encodings import open_group
from phaselearn.data.store.files import DISPLACEMENTS, METADATA, PAIR_ARRAYS, array_of, shard_key, shard_length
from phaselearn.data.store.form import Misshapen, attributes_of, check_shapes, check_values
from phaselearn.data.store.location import open_storage
from phaselearn.data.store.manifest import MANIFEST, DamagedManifest, Entry, Manifest, read_manifest
from phaselearn.data.store.pair_reader import ShardReader
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError

_FILES_AT_ONCE = 8


class PairStore:
    """A finished store, opened for reading.

    It can be sent to worker processes, each of which opens the arrays on first use. When it is opened, the lengths of
    all files and the metadata are compared with the manifest; the arrays have checksums of their own, which are checked
    when they are read.

    Args:
        path: a folder, or `s3://BUCKET/FOLDER`.
        check: whether to compare the files with the manifest.

    Raises:
        UserError: there is no store, or it is half built, of another schema, or damaged.
    """

    def __init__(self, path: str | Path, check: bool = True) -> None:
        self.storage = open_storage(path)
        self._group: zarr.Group | None = None
        self._pair_arrays: dict[str, zarr.Array[Any]] = {}
        self._columns: dict[str, np.ndarray] = {}
        metadata: dict[str, bytes] = {}
        if check:
            self.manifest, metadata = self._check()
        try:
            self.attributes = attributes_of(self.storage.read(METADATA))
            if check:
                self.group()
                check_shapes(self.definition, metadata, self.manifest.files)
        except Misshapen as error:
            raise not_ours(self.storage, error.key, error.what) from error

    def __getstate__(self) -> dict[str, Any]:
        # Without the manifest: that of a large store is large, and is needed only to open it.
        opened: dict[str, Any] = {"_group": None, "_pair_arrays": {}, "_columns": {}}
        return {"storage": self.storage, "attributes": self.attributes, **opened}

    @property
    def path(self) -> Path | str:
        """The path or URL of the store."""
        return self.storage.path

    @property
    def is_remote(self) -> bool:
        """Whether the store is in a bucket, whose client does not survive a fork."""
        return "://" in str(self.path)

    def _check(self) -> tuple[Manifest, dict[str, bytes]]:
        """Return the manifest, and the metadata of group and arrays, which it fits."""
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
        keys = [key for key in manifest.files if key.endswith(METADATA)]
        with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            metadata = dict(zip(keys, pool.map(storage.read, keys), strict=True))
        for key, content in metadata.items():
            if Entry.of(content) != manifest.files[key]:
                raise damaged(storage, key, "its checksum does not match")
        return manifest, metadata

    def group(self) -> zarr.Group:
        """Return the zarr group, opened once; its metadata name no encodings but those that this package writes."""
        if self._group is None:
            self._group = open_group(self.storage)
        return self._group

    def _pair_array(self, name: str) -> zarr.Array[Any]:
        if name not in self._pair_arrays:
            self._pair_arrays[name] = array_of(self.group(), name)
        return self._pair_arrays[name]

    def pairs_a_shard(self) -> int:
        """Return how many pairs lie in one shard."""
        return shard_length(self._pair_array(PAIR_ARRAYS[0]))

    @cached_property
    def definition(self) -> PairDefinition:
        """The definition of the pairs."""
        return PairDefinition.from_dict(self.attributes["definition"])

    def __len__(self) -> int:
        return len(self.lattices())

    def read_pairs(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Return one of the pair arrays at rows (k,), float32: (k, N, N, N), or the lists of a sphere with their zeros.

        Raises:
            UserError: a chunk is damaged; the error names it and the command that rebuilds it.
        """
        return self.reader(name, np.unique(rows), len(rows)).read(rows)

    def reader(self, name: str, wanted: np.ndarray, held: int) -> ShardReader:
        """Return a reader of one of the pair arrays; see `ShardReader`."""
        return ShardReader(self._pair_array(name), wanted, held, partial(self._damage, name))

    def _damage(self, name: str, row: int, error: Exception) -> UserError:
        shard = shard_key(name, row // self.pairs_a_shard(), self._pair_array(name).ndim - 1)
        return self.storage.not_damage(error) or UserError(
            f"chunk {row} of array '{name}' in {self.path} (shard {shard}) is damaged ({first_line(error)}): "
            f"rebuild it with `{repair_command(self.storage)}`"
        )

    def rows(self, name: str, rows: slice) -> np.ndarray:
        """Return rows of one of the crystals' arrays.

        Raises:
            UserError: a chunk is damaged, or holds numbers that no crystal has.
        """
        group = self.group()
        try:
            return check_values(name, np.asarray(array_of(group, name)[rows]))
        except Misshapen as error:
            raise not_ours(self.storage, error.key, error.what) from error
        except Exception as error:
            told = self.storage.not_damage(error)
            raise told or damaged(self.storage, f"{name}/", first_line(error)) from error

    def _column(self, name: str) -> np.ndarray:
        """Return an array of the crystals, read once."""
        if name not in self._columns:
            values = self.rows(name, slice(None))
            if name == "atom_offset" and values[-1] != array_of(self.group(), "atom_number").shape[0]:
                raise not_ours(self.storage, f"{name}/", "it does not end with the last atom")
            self._columns[name] = values
        return self._columns[name]

    def lattices(self) -> np.ndarray:
        """Return the lattices (n, 3, 3), float64 in Å."""
        return self._column("lattice")

    def ids(self) -> np.ndarray:
        """Return the crystals' identifiers (n,)."""
        return self._column("id")

    def formulas(self) -> np.ndarray:
        """Return the reduced formulas (n,)."""
        return self._column("formula")

    def prototypes(self) -> np.ndarray:
        """Return the structure types (n,)."""
        return self._column("prototype")

    def space_groups(self) -> np.ndarray:
        """Return the space-group numbers (n,)."""
        return self._column("space_group")

    def crystal(self, row: int) -> Crystal:
        """Return the crystal of a row."""
        ends = self._column("atom_offset")
        atoms = slice(ends[row], ends[row + 1])
        return Crystal(
            id=str(self.ids()[row]),
            lattice=self.lattices()[row],
            numbers=self._column("atom_number")[atoms],
            positions=self._column("atom_position")[atoms],
            prototype=str(self.prototypes()[row]),
            space_group=int(self.space_groups()[row]),
            u_iso=self._given_displacements(atoms),
        )

    def _given_displacements(self, atoms: slice) -> np.ndarray | None:
        """Return U (n,) in Å² of a crystal's atoms, None if it gives none."""
        if DISPLACEMENTS not in self.group():
            return None
        u_iso = self._column(DISPLACEMENTS)[atoms]
        return None if np.isnan(u_iso).all() else u_iso

    def displacements(self, rows: np.ndarray, width: int | None = None) -> np.ndarray | None:
        """Return U (k, A) in Å² of the atoms of rows (k,), as `atoms` pads them, NaN where a crystal gives none.

        None if no crystal of the store gives any.
        """
        if DISPLACEMENTS not in self.group():
            return None
        present, source = self._slots(rows, width)
        u_iso = np.zeros(present.shape)
        u_iso[present] = self._column(DISPLACEMENTS)[source]
        return u_iso

    def _slots(self, rows: np.ndarray, width: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Return where rows (k,) have atoms, (k, A) bool, and the place of each of these atoms in the columns."""
        counts = self.atom_counts(rows)
        slot = np.arange(counts.max(initial=0) if width is None else width)
        present = slot < counts[:, None]
        return present, (self._column("atom_offset")[rows, None] + slot)[present]

    def atom_counts(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of atoms of each of rows (k,)."""
        ends = self._column("atom_offset")
        return ends[rows + 1] - ends[rows]

    def atoms(self, rows: np.ndarray, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return atomic numbers (k, A), padded with 0, and fractional positions (k, A, 3) of rows (k,).

        A is `width` or, if that is None, the number of atoms of the largest crystal.
        """
        present, source = self._slots(rows, width)
        numbers = np.zeros(present.shape, dtype=np.int64)
        positions = np.zeros((*present.shape, 3))
        numbers[present] = self._column("atom_number")[source]
        positions[present] = self._column("atom_position")[source]
        return numbers, positions

    def longest_list(self) -> int:
        """Return M, the length that the lists of a sphere are padded to."""
        return int(self._pair_array(PAIR_ARRAYS[0]).shape[1])

    def sphere(self, row: int) -> Sphere:
        """Return the reflections of a row that the lists of a sphere hold.

        Raises:
            UserError: there are more than the store has room for.
        """
        lattice = self.lattices()[row]
        room = self.longest_list()
        # Before the list is made: a stranger's cell may be larger than the memory.
        if self.definition.may_list(lattice) and len(sphere := self.definition.sphere(lattice)) <= room:
            return sphere
        raise not_ours(self.storage, "intensity/", f"its lists of {room:,} reflections are too short for row {row}")

    def bytes_of(self, rows: np.ndarray) -> int:
        """Return about how many bytes the pairs of rows (k,) take in memory, uncompressed."""
        if self.definition.size is not None:
            return 2 * 4 * self.definition.size**3 * len(rows)
        # Half of the points of the reciprocal lattice within the sphere; three numbers each, and their place.
        volumes = np.abs(np.linalg.det(self.lattices()[rows]))
        return int((3 * 4 + 8) * 2 * np.pi / 3 * volumes.sum() / self.definition.finest**3)
