"""Training curves from Lightning's metrics.csv, in which each row fills only some of the columns."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from phaselearn.errors import UserError
from phaselearn.quoting import command, setting

_ENDLESS = 1 << 31  # epochs


@dataclass(frozen=True)
class Series:
    """The values of one quantity, at most one for each epoch.

    Attributes:
        epochs: numbers (n,) of the epochs, from 1, ascending.
        values: values (n,); NaN where training had diverged.
    """

    epochs: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Curves:
    """The curves of a training run.

    Attributes:
        series: series by Lightning's names, such as `train/loss`, `val/loss`, `val/median_cc`, `val/floor`.
    """

    series: Mapping[str, Series]

    def __getitem__(self, name: str) -> Series:
        """Return a series, empty if it was not logged."""
        return self.series.get(name, Series(np.empty(0, dtype=int), np.empty(0)))


def read_curves(path: Path) -> Curves:
    """Read metrics.csv.

    Args:
        path: metrics.csv as Lightning's CSVLogger writes it: columns `epoch` (from 0), `step` and one for each
            quantity. A cell without a value is empty.

    Returns:
        Every quantity epoch by epoch; if an epoch has several values, the last counts.

    Raises:
        UserError: the file cannot be read as such a table.
    """
    values: dict[str, dict[int, float]] = {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                epoch = int(float(row["epoch"])) + 1 if row["epoch"] else None
                if epoch is not None and not 0 < epoch < _ENDLESS:
                    raise ValueError(f"epoch {row['epoch']}")
                for name, cell in row.items():
                    if name not in ("epoch", "step") and cell and epoch is not None:
                        values.setdefault(name, {})[epoch] = float(cell)
    except (OSError, KeyError, ValueError, TypeError, OverflowError, csv.Error) as error:
        raise UserError(
            f"{path} is not a table of metrics with the column 'epoch' ({error}): train again, e.g. "
            f"`{command('phaselearn train', setting('resume', Path(path).parent))}`"
        ) from error
    return Curves(
        {
            name: Series(np.array(sorted(found)), np.array([found[epoch] for epoch in sorted(found)]))
            for name, found in values.items()
        }
    )
