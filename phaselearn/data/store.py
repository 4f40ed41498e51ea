"""The store: one zarr v3 group with the pairs and the crystals that they came from.

    intensity, density   (n, N, N, N) float32    one pair a chunk, sharded, zstd + crc32c
    lattice              (n, 3, 3) float64       rows are the cell vectors in Å
    atom_offset          (n + 1,) int64          atoms of row i are atom_offset[i] … atom_offset[i + 1]
    atom_number          (m,) int64
    atom_position        (m, 3) float64          fractional
    id, formula, prototype (n,) str; space_group (n,) int64

The attributes hold the schema, the definition of the pairs, the full provenance and what was left out and why.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from phaselearn.data.pairs import PairDefinition
from phaselearn.data.reader import ShardReader
from phaselearn.data.shards import ZSTD_LEVEL, write_shard
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError

SCHEMA = "phaselearn.pairs"
SCHEMA_VERSION = 1
PAIR_ARRAYS = ("intensity", "density")


class PairStore:
    """A finished store, opened for reading.

    Safe to send to worker processes: arrays are opened on first use in each.

    Args:
        path: the group.
        check_shards: refuse a store of which a shard is missing.

    Raises:
        UserError: nothing there, half built, of another schema, or damaged.
    """

    def __init__(self, path: str | Path, check_shards: bool = True) -> None:
        self.path = Path(path)
        self.attributes = self._check()
        if check_shards:
            self._check_shards()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "attributes": self.attributes}

    def _check(self) -> dict[str, Any]:
        quoted = shlex.quote(str(self.path))
        if not self.path.exists():
            raise UserError(f"no store at {self.path}: build one with `phaselearn prepare data.store={quoted}`")
        try:
            attributes = dict(zarr.open_group(self.path, mode="r").attrs)
        except Exception as error:
            raise UserError(
                f"{self.path} is not a readable zarr v3 group ({_first_line(error)}): give a store that "
                f"`phaselearn prepare data.store=PATH` has built"
            ) from error
        schema, version = attributes.get("schema"), attributes.get("schema_version")
        if (schema, version) != (SCHEMA, SCHEMA_VERSION):
            raise UserError(
                f"{self.path} has schema {schema} version {version}, this version reads {SCHEMA} version "
                f"{SCHEMA_VERSION}: rebuild it with `phaselearn prepare data.store={quoted} overwrite=true`"
            )
        if not attributes.get("complete"):
            raise UserError(
                f"{self.path} is half built: finish it with `phaselearn prepare data.store={quoted} overwrite=true`"
            )
        return attributes

    def _check_shards(self) -> None:
        quoted = shlex.quote(str(self.path))
        # zarr reads a missing shard as zeros without a word.
        group = zarr.open_group(self.path, mode="r")
        for name in PAIR_ARRAYS:
            if name not in group:
                raise UserError(
                    f"{self.path} has no array '{name}': rebuild it with "
                    f"`phaselearn prepare data.store={quoted} overwrite=true`"
                )
            for shard in range(-(-group[name].shape[0] // group[name].shards[0])):
                if not shard_file(self.path, name, shard).exists():
                    raise UserError(
                        f"{self.path} misses the shard {shard_file(Path(), name, shard)}: rebuild it with "
                        f"`phaselearn prepare data.store={quoted} repair=true`"
                    )

    @cached_property
    def group(self) -> zarr.Group:
        """The zarr group."""
        return zarr.open_group(self.path, mode="r")

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

    def _damage(self, name: str, row: int, reason: str) -> UserError:
        shard = shard_file(Path(), name, row // self._pair_arrays[name].shards[0])
        return UserError(
            f"chunk {row} of array '{name}' in {self.path} (shard {shard}) is damaged ({reason}): rebuild it with "
            f"`phaselearn prepare data.store={shlex.quote(str(self.path))} repair=true`"
        )

    def _column(self, name: str) -> np.ndarray:
        try:
            return self.group[name][:]
        except Exception as error:
            raise UserError(
                f"array '{name}' of {self.path} is damaged or missing ({_first_line(error)}): rebuild the store with "
                f"`phaselearn prepare data.store={shlex.quote(str(self.path))} overwrite=true`"
            ) from error

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
            formula=str(self.formulas[row]),
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


def shard_file(path: Path, array: str, shard: int) -> Path:
    """Return the file that holds a shard of one of the pair arrays."""
    return path / array / "c" / str(shard) / "0" / "0" / "0"


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


def write_crystals(group: zarr.Group, crystals: Sequence[Crystal]) -> None:
    """Write everything but the pairs."""
    counts = [len(crystal.numbers) for crystal in crystals]
    columns = {
        "lattice": np.stack([crystal.lattice for crystal in crystals]).astype(np.float64),
        "atom_offset": np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        "atom_number": np.concatenate([crystal.numbers for crystal in crystals]).astype(np.int64),
        "atom_position": np.concatenate([crystal.positions for crystal in crystals]).astype(np.float64),
        "space_group": np.array([crystal.space_group for crystal in crystals], dtype=np.int64),
    }
    for name, values in columns.items():
        group.create_array(
            name, data=values, chunks=(min(len(values), 65536), *values.shape[1:]), compressors=_compressors()
        )
    for name in ("id", "formula", "prototype"):
        values = np.array([getattr(crystal, name) for crystal in crystals], dtype=object)
        array = group.create_array(
            name, shape=values.shape, dtype=str, chunks=(min(len(values), 65536),), compressors=_compressors()
        )
        array[:] = values


def create_pair_arrays(group: zarr.Group, count: int, size: int, pairs_a_shard: int) -> None:
    """Create the empty arrays of the pairs."""
    for name in PAIR_ARRAYS:
        group.create_array(
            name,
            shape=(count, size, size, size),
            dtype="float32",
            chunks=(1, size, size, size),
            shards=(min(pairs_a_shard, count), size, size, size),
            compressors=_compressors(),
        )


def write_pairs(path: Path, group: zarr.Group, name: str, shard: int, values: np.ndarray) -> None:
    """Write a whole shard of one of the pair arrays of the group at `path`; values (k, N, N, N) float32."""
    write_shard(shard_file(path, name, shard), values, group[name].shards[0])


def _compressors() -> list[zarr.abc.codec.BytesBytesCodec]:
    return [zarr.codecs.ZstdCodec(level=ZSTD_LEVEL), zarr.codecs.Crc32cCodec()]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
