"""Records of a batch of crystals: the one place where rows are selected and joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """A dataclass whose tensors, and whose fields that are `Rows` themselves, have a row for each crystal.

    All other fields, such as the shape of a grid, hold for every row.
    """

    def __len__(self) -> int:
        return len(next(iter(self._batched().values())))

    def __getitem__(self, rows: Tensor | slice) -> Self:
        """Return some rows, in the order and as often as `rows` names them: (K,) numbers, (B,) bool, or a slice."""
        return replace(self, **{name: value[rows] for name, value in self._batched().items()})

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
