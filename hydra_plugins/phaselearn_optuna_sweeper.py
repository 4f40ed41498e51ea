"""The sweeper of `sweep=optuna`; Hydra takes sweepers from this namespace package only.

Every start of Hydra imports this file, so it imports everything else only when a search begins.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.plugins.sweeper import Sweeper

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


class OptunaSweeper(Sweeper):
    """A search by Optuna; the same command continues a search that was stopped or killed.

    Args:
        n_trials: the number of trials in all, those of earlier commands included.
        n_jobs: the number of trials that the launcher gets at a time; the next ones wait for all of them.
        storage: the URL of the study's database; None for study.db in the sweep's folder.
        sampler: the configuration of an Optuna sampler, without its seed.
        pruner: the configuration of an Optuna pruner; None for no pruning.
        seed: the sampler's seed.
        params: {key: values, written as on the command line}, searched beside those of the command line.
    """

    hydra_context: HydraContext
    config: DictConfig
    launcher: Launcher

    def __init__(
        self,
        n_trials: int,
        n_jobs: int,
        storage: str | None,
        sampler: DictConfig,
        pruner: DictConfig | None,
        seed: int,
        params: DictConfig,
    ) -> None:
        self.n_trials = n_trials
        self.n_jobs = n_jobs
        self.storage = storage
        self.sampler = sampler
        self.pruner = pruner
        self.seed = seed
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives to every sweeper, and make the launcher."""
        from hydra.core.plugins import Plugins

        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Carry out trials until there are `n_trials`, and return what the jobs returned, launch by launch.

        Raises:
            UserError: Optuna is missing, nothing is searched, or the folder holds another search.
        """
        from hydra.core.override_parser.overrides_parser import OverridesParser
        from omegaconf import OmegaConf

        from phaselearn.quoting import setting
        from phaselearn.tracking.packages import require

        require("optuna", "4.0", "sweep=optuna", "sweep")
        from optuna.trial import TrialState

        from phaselearn.search.space import as_overrides, split_overrides
        from phaselearn.search.study import alone, next_trials, open_study, storage_of

        loader = self.hydra_context.config_loader
        given = [*as_overrides(self.params or {}), *arguments]
        fixed, space = split_overrides(OverridesParser.create(config_loader=loader).parse_overrides(given))
        self._check(fixed, space)
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        # The folder of the sweep may depend on the values that are searched.
        here = setting("hydra.sweep.dir", folder)
        meaning = {
            "metric": f"{self.config.optimize} ({self.config.direction})",
            "settings": sorted(fixed),
            "space": {key: str(distribution) for key, distribution in space.items()},
        }
        returned = []
        with alone(folder):
            study = open_study(storage_of(self.storage, folder), folder.name, self.config.direction, meaning)
            OmegaConf.save(self.config, folder / "multirun.yaml")
            while trials := next_trials(study, space, self.n_trials, self.n_jobs, self.sampler, self.seed):
                # Hydra gives the jobs of a launch consecutive numbers.
                for _, row in groupby(enumerate(trials), key=lambda pair: pair[1].number - pair[0]):
                    chosen = [trial for _, trial in row]
                    jobs = [[*fixed, *as_overrides(trial.params), here] for trial in chosen]
                    results = self.launcher.launch(jobs, initial_job_idx=chosen[0].number)
                    returned.append([result.return_value for result in results])
                    for trial in chosen:
                        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        return returned

    def _check(self, fixed: list[str], space: dict[str, Any]) -> None:
        """Compose the configuration of every choice once, so that a mistake shows before there is a study."""
        for key, distribution in space.items():
            for value in getattr(distribution, "choices", [getattr(distribution, "low", None)]):
                self.hydra_context.config_loader.load_sweep_config(self.config, [*fixed, f"{key}={value}"])
