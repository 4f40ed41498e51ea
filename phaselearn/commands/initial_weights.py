"""The weights that a run begins with: those of the package, of a run folder or of a checkpoint."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn.commands.session import checkpoint_path, load_weights
from phaselearn.commands.strangers import CONFIG_FILE
from phaselearn.errors import UserError
from phaselearn.models.model_card import cards
from phaselearn.report.run_files import TRAINING_SET_FILE

if TYPE_CHECKING:
    from phaselearn.models.base import DensityModel
    from phaselearn.report.training_set import TrainingSet


def begin_with(model: DensityModel, weights: str, option: str | None) -> str:
    """Load the weights that a run begins with, and return what names them in every later run.

    Args:
        model: the model, with new weights.
        weights: `default` for the package's weights of the chosen model, a name that `phaselearn weights` lists, a run
            folder, or a checkpoint.
        option: the option of conf/model that was chosen; None in a resumed run.

    Raises:
        UserError: there are no such weights, or they are those of another model or grid.
    """
    known = cards()
    name = option if weights == "default" else weights
    if name in known:
        load_weights(model, known[name].path)
        return str(name)
    path = Path(weights)
    if (path / CONFIG_FILE).is_file():
        path = checkpoint_path(path, "best")
    if weights == "default" or not path.is_file():
        raise UserError(
            f"weights={weights}: neither weights of the package for model={option} nor a run folder or a checkpoint; "
            f"the package has {', '.join(known)}, e.g. `phaselearn train model={next(iter(known))} weights=default`"
        )
    load_weights(model, path)
    return weights


def seen_before(folder: Path, weights: str | None, option: str | None) -> TrainingSet:
    """Return what the weights that a run goes on from were trained on, as far as it is recorded.

    Args:
        folder: the run's folder. A resumed run has a record in it; one that cannot be read is written anew.
        weights: the weights that a new run begins with, as in `begin_with`; None for random ones.
        option: the option of conf/model that was chosen; None in a resumed run.
    """
    from phaselearn.report.training_set import NOTHING_SEEN, TrainingSet

    with suppress(UserError):
        return TrainingSet.read(folder)
    if weights is None:
        return NOTHING_SEEN
    path = Path(weights)
    beside = path if path.is_dir() else path.parent
    if weights != "default" and weights not in cards() and (beside / TRAINING_SET_FILE).is_file():
        with suppress(UserError):
            return TrainingSet.read(beside)
    return replace(NOTHING_SEEN, unrecorded=frozenset({str(option) if weights == "default" else weights}))
