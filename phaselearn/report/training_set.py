"""The crystals that a network has learned from: kept beside its weights, so that later tests tell seen from unseen."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn.data.split import split_of
from phaselearn.errors import UserError
from phaselearn.files import write_whole
from phaselearn.report.run_files import TRAINING_SET_FILE

if TYPE_CHECKING:
    from phaselearn.data.datamodule import PairDataModule


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """The crystals that a network has seen in training.

    Attributes:
        formulas: their reduced formulas.
        prototypes: their structure types.
        endless: whether crystals were made on the fly, whose formulas may be any of the training split.
        unrecorded: names of the weights that training began with, if what these had seen is not recorded.
        fingerprint: fingerprint of the source that training goes on with.
    """

    formulas: frozenset[str]
    prototypes: frozenset[str]
    endless: bool = False
    unrecorded: frozenset[str] = frozenset()
    fingerprint: str | None = None

    @classmethod
    def of(cls, data: PairDataModule) -> TrainingSet:
        """Return the training crystals of a data module, whose store is there."""
        store, rows = data.store(), data.rows("train")
        return cls(
            formulas=frozenset(store.formulas()[rows].tolist()),
            prototypes=frozenset(store.prototypes()[rows].tolist()),
            endless=data.endless is not None,
            fingerprint=data.configured_store.fingerprint(),
        )

    @classmethod
    def read(cls, folder: Path) -> TrainingSet:
        """Return what is recorded in a run folder.

        Raises:
            UserError: the file is missing or cannot be read.
        """
        path = folder / TRAINING_SET_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            names = {key: frozenset(map(str, content[key])) for key in ("formulas", "prototypes", "unrecorded")}
            fingerprint = None if content["fingerprint"] is None else str(content["fingerprint"])
            return cls(**names, endless=bool(content["endless"]), fingerprint=fingerprint)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"{path} cannot be read ({type(error).__name__}): it says what the run was trained on, and the run "
                f"writes it again with `phaselearn train resume={folder}`"
            ) from error

    def write(self, folder: Path) -> None:
        """Write it into a run folder, in one step."""
        content = {
            "formulas": sorted(self.formulas),
            "prototypes": sorted(self.prototypes),
            "endless": self.endless,
            "unrecorded": sorted(self.unrecorded),
            "fingerprint": self.fingerprint,
        }
        write_whole(folder / TRAINING_SET_FILE, json.dumps(content).encode())

    def after(self, earlier: TrainingSet) -> TrainingSet:
        """Return this training set with all that the network had seen before it."""
        return replace(
            self,
            formulas=self.formulas | earlier.formulas,
            prototypes=self.prototypes | earlier.prototypes,
            endless=self.endless or earlier.endless,
            unrecorded=self.unrecorded | earlier.unrecorded,
        )

    def has_seen(self, formula: str) -> bool:
        """Whether the network has seen a crystal of this reduced formula, or may have."""
        return formula in self.formulas or (self.endless and split_of(formula) == "train")

    def facts(self) -> dict[str, str]:
        """Return what a page has to say of it beside the table; nothing if all is recorded."""
        if not self.unrecorded:
            return {}
        names = ", ".join(sorted(self.unrecorded))
        return {
            "began with": f"{names}, whose training set is not recorded: structure types that it saw may count as not "
            "seen"
        }


NOTHING_SEEN = TrainingSet(formulas=frozenset(), prototypes=frozenset())
