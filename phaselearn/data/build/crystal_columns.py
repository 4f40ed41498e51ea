"""Write the crystals of a store as columns, one block at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import zarr

from phaselearn.data.build.blocks import Block, displacements
from phaselearn.data.store.files import DISPLACEMENTS, LEFT_OUT, create_crystal_arrays
from phaselearn.data.store.storage import Storage


class _Column:
    """Rows that are written into an array as soon as they fill a chunk."""

    def __init__(self, array: zarr.Array[Any]) -> None:
        self._array = array
        self._rows = array.chunks[0]
        self._dtype = object if array.dtype.kind == "T" else array.dtype
        self._waiting: list[np.ndarray] = []
        self._count = 0
        self._written = 0

    def extend(self, values: Sequence[Any] | np.ndarray) -> None:
        """Add rows, and write those that fill chunks."""
        self._waiting.append(np.asarray(values, dtype=self._dtype))
        self._count += len(values)
        if self._count >= self._rows:
            self._write(self._count - self._count % self._rows)

    def finish(self) -> None:
        """Write the last chunk."""
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


def write_columns(
    storage: Storage, group: zarr.Group, blocks: Iterable[Block], crystals: int, atoms: int, displaced: bool
) -> None:
    """Write all but the pairs: the arrays of the crystals, and the list of the entries that were left out.

    Args:
        storage: the store's files.
        group: the store's group.
        blocks: all blocks in order; one is in memory at a time.
        crystals: number of crystals in all blocks.
        atoms: number of atoms of all crystals together.
        displaced: whether any crystal gives its displacement parameters.
    """
    arrays = create_crystal_arrays(group, crystals, atoms, displaced)
    columns = {name: _Column(array) for name, array in arrays.items()}
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
        if displaced:
            columns[DISPLACEMENTS].extend(np.concatenate([displacements(crystal) for crystal in block.crystals]))
        for name in ("lattice", "space_group", "id", "formula", "prototype"):
            columns[name].extend([getattr(crystal, name) for crystal in block.crystals])
    for column in columns.values():
        column.finish()
    storage.write(LEFT_OUT, left_out.getvalue().encode())
