"""A trial of a search, from the point of view of its run; run and search share only the storage."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn.files import write_whole
from phaselearn.report.run_folders import PRUNED_FILE
from phaselearn.search.study import storage_of

if TYPE_CHECKING:
    from optuna import Study

SWEEPER = "hydra_plugins.phaselearn_optuna_sweeper.OptunaSweeper"


def current_trial() -> SearchTrial | None:
    """Return the trial that this job of a multirun carries out, under any launcher; None outside a search."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from hydra.utils import instantiate

    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN or hydra.sweeper._target_ != SWEEPER:
        return None
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = Path(hydra.sweep.dir)
    study = optuna.load_study(
        study_name=folder.name,
        storage=storage_of(hydra.sweeper.storage, folder),
        pruner=instantiate(hydra.sweeper.pruner) or optuna.pruners.NopPruner(),
    )
    return SearchTrial(study, int(hydra.job.num), Path(hydra.runtime.output_dir))


class SearchTrial:
    """A trial of a search.

    Args:
        study: the study in its storage.
        number: number of the trial in the study.
        folder: folder of the trial's run.

    Attributes:
        number: number of the trial in the study.
    """

    def __init__(self, study: Study, number: int, folder: Path) -> None:
        from optuna.trial import Trial

        self._study = study
        self.number = number
        self._pruned = folder / PRUNED_FILE
        frozen = study.get_trials(deepcopy=False)[number]
        self._trial = Trial(study, frozen._trial_id)
        self._known = set(frozen.intermediate_values)

    def is_given_up(self) -> bool:
        """Return whether the trial was given up."""
        return self._pruned.exists()

    def is_hopeless(self, value: float, epoch: int) -> bool:
        """Report the value of a validation, and return whether the trial is given up."""
        # An epoch is repeated if the run was killed before its checkpoint was written.
        if epoch not in self._known:
            self._trial.report(value, epoch)
        if not self._trial.should_prune():
            return False
        write_whole(self._pruned, f"given up after epoch {epoch + 1}, at {value:.6g}\n".encode())
        return True

    def carry_out(self, run: Callable[[], float | None]) -> float | None:
        """Run the trial, report the result to the study, and return the score; None if the trial failed.

        A trial that diverges or runs out of memory has failed, and the search continues. A run that is stopped by a
        signal reports nothing, and its trial is run again when the search continues.
        """
        import torch
        from optuna.trial import TrialState

        from phaselearn.callbacks.finite_loss import Diverged

        try:
            score = run()
        except (Diverged, torch.OutOfMemoryError) as error:
            self._study.tell(self.number, state=TrialState.FAIL)
            print(f"trial {self.number} failed: {' '.join(str(error).split())}", file=sys.stderr)
            return None
        except Exception:
            self._study.tell(self.number, state=TrialState.FAIL)
            raise
        if self.is_given_up():
            self._study.tell(self.number, state=TrialState.PRUNED)
        elif score is None or not math.isfinite(score):
            self._study.tell(self.number, state=TrialState.FAIL)
        else:
            self._study.tell(self.number, score)
        return score
