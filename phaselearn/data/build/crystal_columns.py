"""Write the crystals of a store, as columns, a block at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import zarr

from phaselearn.data.build.blocks import Block
from phaselearn.data.store.files import LEFT_OUT
from phaselearn.data.store.storage import Storage

_ROWS_A_CHUNK = 65536
_CODECS = (zarr.codecs.ZstdCodec(level=1), zarr.codecs.Crc32cCodec())


class _Column:
    """An array that grows chunk by chunk."""

    def __init__(self, group: zarr.Group, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self._rows = min(shape[0], _ROWS_A_CHUNK)
        self._array = group.create_array(
            name, shape=shape, dtype=dtype, chunks=(self._rows, *shape[1:]), compressors=_CODECS
        )
        self._dtype = object if dtype is str else dtype
        self._waiting: list[np.ndarray] = []
        self._count = 0
        self._written = 0

    def extend(self, values: Sequence[Any] | np.ndarray) -> None:
        """Add rows; those of full chunks are written."""
        self._waiting.append(np.asarray(values, dtype=self._dtype))
        self._count += len(values)
        if self._count >= self._rows:
            self._write(self._count - self._count % self._rows)

    def finish(self) -> None:
        """Write what is left."""
        if self._count:
            self._write(self._count)

    def _write(self, count: int) -> None:
        values = np.concatenate(self._waiting)
        for start in range(0, count, self._rows):
            chunk = values[start : min(start + self._rows, count)]
            self._array[self._written : self._written + len(chunk)] = chunk
            self._written += len(chunk)
        self._waiting = [values[count:]]
        self._count -= count


def create_columns(group: zarr.Group, crystals: int, atoms: int) -> dict[str, _Column]:
    """Create the empty arrays of the crystals.

    Args:
        group: of the store.
        crystals: how many.
        atoms: in all of them.
    """
    shapes = {
        "lattice": ((crystals, 3, 3), np.float64),
        "atom_offset": ((crystals + 1,), np.int64),
        "atom_number": ((atoms,), np.int64),
        "atom_position": ((atoms, 3), np.float64),
        "space_group": ((crystals,), np.int64),
        "id": ((crystals,), str),
        "formula": ((crystals,), str),
        "prototype": ((crystals,), str),
    }
    return {name: _Column(group, name, shape, dtype) for name, (shape, dtype) in shapes.items()}


def write_columns(storage: Storage, group: zarr.Group, blocks: Iterable[Block], crystals: int, atoms: int) -> None:
    """Write everything but the pairs: the crystals' arrays and the list of what was left out.

    Args:
        storage: of the store.
        group: its group.
        blocks: all of them, in order; one is in memory at a time.
        crystals: in all blocks.
        atoms: in all crystals.
    """
    columns = create_columns(group, crystals, atoms)
    left_out = io.StringIO()
    writer = csv.writer(left_out, lineterminator="\n")
    writer.writerow(("id", "reason"))
    columns["atom_offset"].extend([0])
    end = 0
    for block in blocks:
        writer.writerows((entry.id, entry.reason) for entry in block.left_out)
        if not block.crystals:
            continue
        ends = end + np.cumsum([len(crystal.numbers) for crystal in block.crystals])
        end = int(ends[-1])
        columns["atom_offset"].extend(ends)
        columns["atom_number"].extend(np.concatenate([crystal.numbers for crystal in block.crystals]))
        columns["atom_position"].extend(np.concatenate([crystal.positions for crystal in block.crystals]))
        for name in ("lattice", "space_group", "id", "formula", "prototype"):
            columns[name].extend([getattr(crystal, name) for crystal in block.crystals])
    for column in columns.values():
        column.finish()
    storage.write(LEFT_OUT, left_out.getvalue().encode())
