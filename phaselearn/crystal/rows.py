"""Records of a batch of crystals: the one place where rows are selected, replaced, joined and padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Rows:
    """A dataclass whose tensors, and whose fields of type `Rows`, have one row for each crystal.

    All other fields, such as the shape of a grid, hold for every row.
    """

    def __len__(self) -> int:
        return len(next(iter(self._batched().values())))

    def __getitem__(self, rows: Tensor | slice) -> Self:
        """Return some rows, in the order and as often as `rows` names them: (K,) numbers, (B,) bool, or a slice."""
        return replace(self, **{name: value[rows] for name, value in self._batched().items()})

    def with_rows(self, rows: Tensor, part: Self) -> Self:
        """Return the same record with the rows of these numbers (K,) replaced by the K rows of `part`."""
        return replace(
            self, **{name: _with_rows(value, rows, getattr(part, name)) for name, value in self._batched().items()}
        )

    @classmethod
    def where(cls, chosen: Tensor, first: Self, second: Self) -> Self:
        """Return the rows of the first record where `chosen` (B,) is True, and those of the second elsewhere."""
        return second.with_rows(chosen.nonzero()[:, 0], first[chosen])

    @classmethod
    def gathered(cls, parts: Sequence[Self], rows: Sequence[Tensor]) -> Self:
        """Join records that hold a batch in parts, in the order of the batch.

        Args:
            parts: records of some rows each.
            rows: the numbers (K,) in the batch of the rows of each part.
        """
        return cls.joined(parts)[torch.cat(list(rows)).argsort()]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several records one after the other; what holds for every row is taken from the first."""
        columns = {name: [getattr(part, name) for part in parts] for name in parts[0]._batched()}
        return replace(
            parts[0],
            **{
                name: torch.cat(column) if isinstance(column[0], Tensor) else column[0].joined(column)
                for name, column in columns.items()
            },
        )

    def _batched(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor | Rows)}


@dataclass(frozen=True)
class PaddedRows(Rows):
    """Rows with lists, such as a crystal's atoms, padded with zeros to the longest: tensors (B, L, …) of one length L.

    Records with lists of different lengths can be joined, and take each other's rows.

    Attributes:
        lists: names of the tensors that hold lists.
    """

    lists: ClassVar[tuple[str, ...]]

    @property
    def length(self) -> int:
        """Length L of the lists, padding included."""
        return int(getattr(self, self.lists[0]).shape[1])

    def resized(self, length: int) -> Self:
        """Return the same with lists of another length: their ends are cut off, or zeros added."""
        return replace(self, **{name: padded(getattr(self, name)[:, :length], length) for name in self.lists})

    def with_rows(self, rows: Tensor, part: Self) -> Self:
        """Return the same record with the rows of these numbers (K,) replaced by the K rows of `part`."""
        length = max(self.length, part.length)
        return super(PaddedRows, self.resized(length)).with_rows(rows, part.resized(length))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several records one after the other; what holds for every row is taken from the first."""
        length = max(part.length for part in parts)
        return super().joined([part.resized(length) for part in parts])


def padded(lists: Tensor, length: int) -> Tensor:
    """Return lists (B, L, …) with zeros behind them, (B, length, …)."""
    return functional.pad(lists, (0, 0) * (lists.ndim - 2) + (0, length - lists.shape[1]))


def _with_rows(value: Any, rows: Tensor, part: Any) -> Any:
    return value.index_copy(0, rows, part) if isinstance(value, Tensor) else value.with_rows(rows, part)
