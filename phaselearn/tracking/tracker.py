"""What a training tells its loggers beside Lightning's metrics."""

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
        attributes: of the group: definition of the pairs, provenance, what was left out.
        crystals: how many it holds, and how many of them each split has.
    """

    location: str
    attributes: Mapping[str, Any]
    crystals: Mapping[str, int]

    @property
    def summary(self) -> dict[str, Any]:
        """Return what tells stores apart, without the lists of what was left out."""
        wanted = ("schema", "schema_version", "definition", "longest_edge", "source", "config_hash", "versions")
        return {
            "location": self.location,
            "crystals": dict(self.crystals),
            **{name: self.attributes[name] for name in wanted if name in self.attributes},
        }


class Tracker(Logger):
    """A Lightning logger that shows more of a run than its metrics; each method is for it to override.

    Attributes:
        shows_crystals: whether `log_crystals` has something to do, so that drawing is worth its time.
    """

    shows_crystals = False

    def start(self) -> None:
        """Begin, before anything is built, so that a mistake in the set-up shows at once.

        Raises:
            UserError: it cannot begin, with the reason.
        """

    def rewind(self, epoch: int, step: int) -> None:
        """Forget what was logged from an epoch and from an optimiser step on, both from 0: they come again."""

    def log_run(self, config: Mapping[str, Any], store: StoreFacts) -> None:
        """Note the configuration (plain and resolved, with the commit) and the store."""

    def begin_epoch(self) -> None:
        """Learn that all of the epoch before has been logged."""

    def log_crystals(self, crystals: Sequence[ShownCrystal], step: int) -> None:
        """Show crystals as they are predicted after a step."""

    def log_results(self, folder: Path, rows: Sequence[ResultRow], step: int) -> None:
        """Note the results of the test and what else the run folder holds in the end."""

    def close(self, succeeded: bool) -> None:
        """End, so that the next run of the process is one of its own."""


def trackers(loggers: Sequence[Logger]) -> list[Tracker]:
    """Return those of the loggers that take more than metrics."""
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
    """Tells the trackers when an epoch begins; when one ends, Lightning has yet to log its means."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell them."""
        for tracker in trackers(trainer.loggers):
            tracker.begin_epoch()
