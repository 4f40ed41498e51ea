"""The study of a search in its storage, which keeps trials and results even when processes are killed."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from phaselearn.errors import UserError
from phaselearn.locks import LockFile, held_alone

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from optuna import Study
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

    from phaselearn.search.space import Space

_MEANING = "search"  # attribute of the study that holds its metric, settings and space


def alone(folder: Path) -> AbstractContextManager[None]:
    """Let only one process at a time continue the search in a folder.

    Raises:
        UserError: another process is continuing it.
    """
    advice = "wait for it, or search in another folder with `hydra.sweep.dir=outputs/NAME`"
    return held_alone(LockFile(folder / "search.lock", f"continues the search in {folder}"), advice)


def storage_of(given: str | None, folder: Path) -> RDBStorage | str:
    """Return the storage of a study: the given one, or study.db in the folder of the search.

    The file is opened by its path: in a database URL, a `?` would end the name and a `%` would change it.

    Args:
        given: URL of a database, as SQLAlchemy reads it; None for study.db.
        folder: folder of the search.
    """
    if given is not None:
        return given
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import QueuePool

    opened = partial(sqlite3.connect, folder / "study.db", check_same_thread=False)
    return RDBStorage("sqlite://", engine_kwargs={"creator": opened, "poolclass": QueuePool})


def open_study(storage: RDBStorage | str, name: str, direction: str, meaning: dict[str, Any]) -> Study:
    """Return the study of this name; a new one if there is none.

    Args:
        storage: the storage of the study, from `storage_of`.
        name: name of the study in the storage.
        direction: `max` or `min`.
        meaning: metric, settings and space of the search; only a study with the same ones is continued.

    Raises:
        UserError: the study belongs to another search.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions: dict[str, Literal["maximize", "minimize"]] = {"max": "maximize", "min": "minimize"}
    known = name in optuna.get_all_study_names(storage)
    if not known:
        study = optuna.create_study(storage=storage, study_name=name, direction=directions[direction])
        study.set_user_attr(_MEANING, meaning)
        return study
    study = optuna.load_study(storage=storage, study_name=name)
    earlier = study.user_attrs.get(_MEANING, {})
    different = next((key for key in meaning if earlier.get(key) != meaning[key]), None)
    if different is not None:
        raise UserError(
            f"{name} holds a search with {different} {earlier.get(different)}, but this one has {meaning[different]}: "
            "repeat the first command to continue that search, or give this one a folder of its own, "
            "`hydra.sweep.dir=outputs/NAME`"
        )
    return study


def next_trials(
    study: Study, space: Space, n_trials: int, n_jobs: int, sampler: DictConfig, seed: int
) -> list[FrozenTrial]:
    """Return the trials to run next: those that a killed process has left, else new ones; none at the end.

    Each trial is drawn with a seed of its own. A search that was killed and continued therefore tries the same values
    as one that never stopped.

    Args:
        study: the study in its storage.
        space: the distribution of each key.
        n_trials: number of trials in all.
        n_jobs: largest number of trials returned.
        sampler: configuration of an Optuna sampler, without its seed.
        seed: seed of the search.
    """
    from hydra.utils import instantiate
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    left = [trial for trial in trials if trial.state == TrialState.RUNNING]
    if left:
        return left[:n_jobs]
    numbers = range(len(trials), min(len(trials) + n_jobs, n_trials))
    for number in numbers:
        study.sampler = instantiate(sampler, seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
        study.ask(space)
    return [trial for trial in study.get_trials(deepcopy=False) if trial.number in numbers]
