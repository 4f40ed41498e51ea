"""The launcher of `hydra/launcher=joblib`; Hydra takes launchers from this namespace package only.

Every start of Hydra imports this file, so it imports everything else only when jobs are launched.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.plugins.launcher import Launcher

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

_KILLED = (
    "its process was killed twice, perhaps because the memory was full: run fewer jobs at a time, e.g. "
    "`phaselearn train -m … hydra/launcher=joblib hydra.launcher.n_jobs=1`"
)


class JoblibLauncher(Launcher):
    """Hydra's launcher of joblib, whose other jobs run when the process of one is killed.

    A killed process takes with it all jobs that run or wait. They are launched again, each alone, and continue from
    their checkpoints. A job whose process is killed again has failed, and a note in its folder says so.

    Args:
        options: arguments of `joblib.Parallel`.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives to every launcher.

        Raises:
            UserError: the package of Hydra's launcher is missing.
        """
        from phaselearn.tracking.packages import require

        require("hydra-joblib-launcher", "1.2", "hydra/launcher=joblib", "sweep")
        self._context = hydra_context
        self._task = task_function
        self._config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs and return their results in order; a job whose process was killed returns None."""
        from concurrent.futures import BrokenExecutor
        from tempfile import TemporaryDirectory

        from hydra.core.utils import JobReturn, JobStatus

        with TemporaryDirectory() as folder:
            task = _RememberedTask(self._task, Path(folder))
            try:
                return self._launch(task, job_overrides, initial_job_idx)
            except BrokenExecutor:
                pass
            results = []
            for number, overrides in enumerate(job_overrides, initial_job_idx):
                if not task.is_done(number):
                    try:
                        self._launch(task, [overrides], number)
                    except BrokenExecutor:
                        self._note_killed(overrides, number)
                result = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
                result.return_value = task.value(number)
                results.append(result)
            return results

    def _launch(self, task: TaskFunction, jobs: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher as HydrasLauncher

        launcher = HydrasLauncher(**self._options)
        launcher.setup(hydra_context=self._context, task_function=task, config=self._config)
        return launcher.launch(jobs, first)

    def _note_killed(self, overrides: Sequence[str], number: int) -> None:
        from omegaconf import open_dict

        from phaselearn.failures import note_failure

        config = self._context.config_loader.load_sweep_config(self._config, list(overrides))
        with open_dict(config):
            config.hydra.job.num = number
        folder = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
        note_failure(folder, _KILLED, str(config.hydra.job.config_name), config.hydra.overrides.task)


class _RememberedTask:  # no dataclass: Hydra runs this file before Python knows the module
    """A task whose result outlives the processes of a pool.

    Args:
        task: the task of a job.
        folder: a folder for a file with the result of each job.
    """

    def __init__(self, task: TaskFunction, folder: Path) -> None:
        self._task = task
        self._folder = folder

    def __call__(self, config: DictConfig) -> Any:
        from hydra.core.hydra_config import HydraConfig

        from phaselearn.files import write_whole

        value = self._task(config)
        write_whole(self._file(HydraConfig.get().job.num), json.dumps(value).encode())
        return value

    def is_done(self, number: int) -> bool:
        """Return whether a job has returned."""
        return self._file(number).exists()

    def value(self, number: int) -> Any:
        """Return the result of a job; None if it has not returned."""
        return json.loads(self._file(number).read_text()) if self.is_done(number) else None

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.json"
