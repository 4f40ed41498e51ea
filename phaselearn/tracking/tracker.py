"""Loggers that show more of a run than Lightning's metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from phaselearn.report.content import ResultRow, ShownCrystal


@dataclass(frozen=True)
class StoreFacts:
    """The store that a run reads.

    Attributes:
        location: path or URL of the zarr group.
        attributes: attributes of the group: definition of the pairs, provenance, crystals that were left out.
        crystals: number of crystals in the store, and in each split.
    """

    location: str
    attributes: Mapping[str, Any]
    crystals: Mapping[str, int]

    @property
    def summary(self) -> dict[str, Any]:
        """Return the facts that tell stores apart, without the lists of crystals that were left out."""
        wanted = ("schema", "schema_version", "definition", "longest_edge", "source", "config_hash", "versions")
        return {
            "location": self.location,
            "crystals": dict(self.crystals),
            **{name: self.attributes[name] for name in wanted if name in self.attributes},
        }


class Tracker(Logger):
    """A Lightning logger that shows more of a run than its metrics; it overrides the methods that it has a use for.

    Attributes:
        shows_crystals: whether `log_crystals` shows anything, so that drawing is worth its time.
    """

    shows_crystals = False

    def start(self) -> None:
        """Begin the run, before anything is built, so that a mistake in the set-up shows at once.

        Raises:
            UserError: the logger cannot begin, with the reason.
        """

    def rewind(self, epoch: int, step: int) -> None:
        """Forget the values from an epoch and an optimiser step on, both from 0: they will be logged again."""

    def log_run(self, config: Mapping[str, Any], store: StoreFacts) -> None:
        """Log the configuration (plain and resolved, with the commit) and the store."""

    def begin_epoch(self) -> None:
        """Take note that an epoch begins, so the one before has been logged completely."""

    def log_crystals(self, crystals: Sequence[ShownCrystal], step: int) -> None:
        """Show crystals as they are predicted after an optimiser step."""

    def log_results(self, folder: Path, rows: Sequence[ResultRow], step: int) -> None:
        """Log the results of the test and the files that the run folder holds at the end."""

    def close(self, succeeded: bool) -> None:
        """End the run, so that the next one of this process begins anew."""


def trackers(loggers: Sequence[Logger]) -> list[Tracker]:
    """Return the loggers that take more than metrics."""
    return [logger for logger in loggers if isinstance(logger, Tracker)]


@contextmanager
def tracked(loggers: Sequence[Logger]) -> Iterator[None]:
    """Start the loggers, and close them, however the run ends."""
    succeeded = False
    try:
        for logger in trackers(loggers):
            logger.start()
        yield
        succeeded = True
    finally:
        for logger in trackers(loggers):
            logger.close(succeeded)


class EpochStarts(pl.Callback):
    """Tells the trackers when an epoch begins; at its end, Lightning has not logged its means yet."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the trackers."""
        for tracker in trackers(trainer.loggers):
            tracker.begin_epoch()
