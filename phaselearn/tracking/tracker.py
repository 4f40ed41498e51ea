"""Loggers that show more of a run than Lightning's metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from phaselearn.report.content import ShownCrystal
from phaselearn.report.results import ResultRow


@dataclass(frozen=True)
class StoreFacts:
    """The store that a run reads.

    Attributes:
        location: path or URL of the zarr group.
        attributes: attributes of the group: definition of the pairs, provenance, and the crystals left out.
        crystals: number of crystals in the store, and in each split.
    """

    location: str
    attributes: Mapping[str, Any]
    crystals: Mapping[str, int]

    @property
    def summary(self) -> dict[str, Any]:
        """The facts that identify a store, without the lists of crystals left out."""
        wanted = ("schema", "schema_version", "definition", "longest_edge", "source", "config_hash", "versions")
        return {
            "location": self.location,
            "crystals": dict(self.crystals),
            **{name: self.attributes[name] for name in wanted if name in self.attributes},
        }


class Tracker(Logger):
    """A Lightning logger that shows more of a run than its metrics. Subclasses override the methods that they use.

    Attributes:
        shows_crystals: whether `log_crystals` shows anything; otherwise nothing is drawn for it.
    """

    shows_crystals = False

    def start(self) -> None:
        """Begin the run before anything is built, so that a mistake in the setup shows at once.

        Raises:
            UserError: the logger cannot begin; the message gives the reason.
        """

    def rewind(self, epoch: int, step: int) -> None:
        """Forget the values from this epoch and this optimiser step on, both counted from 0; they are logged again."""

    def log_run(self, config: Mapping[str, Any], store: StoreFacts) -> None:
        """Log the configuration (plain, resolved, with the commit) and the store."""

    def begin_epoch(self) -> None:
        """Note that an epoch begins: the one before has been logged completely."""

    def log_crystals(self, crystals: Sequence[ShownCrystal], step: int) -> None:
        """Show crystals as predicted after an optimiser step."""

    def log_results(self, folder: Path, rows: Sequence[ResultRow], step: int) -> None:
        """Log the results of the test and the files that the run folder holds at the end."""

    def close(self, succeeded: bool) -> None:
        """End the run, so that the next run of this process starts afresh."""


def trackers(loggers: Sequence[Logger]) -> list[Tracker]:
    """Return the loggers that show more than metrics."""
    return [logger for logger in loggers if isinstance(logger, Tracker)]


@contextmanager
def tracked(loggers: Sequence[Logger]) -> Iterator[None]:
    """Start the loggers, and close them however the run ends."""
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
    """Tells the trackers when an epoch begins; at the end of an epoch, Lightning has not yet logged its means."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the trackers."""
        for tracker in trackers(trainer.loggers):
            tracker.begin_epoch()
