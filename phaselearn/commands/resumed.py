"""A resumed run keeps its network, the class of its optimiser, and the weights that it began with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from phaselearn.commands.session import misfit, read_checkpoint
from phaselearn.errors import UserError
from phaselearn.plain_yaml import read_plain
from phaselearn.quoting import command, setting
from phaselearn.report.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from phaselearn.models.base import DensityModel


def state_to_resume(folder: Path, config: DictConfig, model: DensityModel) -> dict[str, Any]:
    """Return `last.ckpt` of a run, as `session.read_checkpoint` does, if a configuration can go on from it.

    Args:
        folder: the run's folder, with its last configuration.
        config: the configuration to go on with.
        model: the model of that configuration.

    Raises:
        UserError: the checkpoint cannot be read, or the configuration is of another network, optimiser or beginning.
    """
    path = folder / "last.ckpt"
    checkpoint = read_checkpoint(path)
    there = read_plain(folder / CONFIG_FILE)
    again = ("run=outputs/NAME", setting("weights", path))
    if not checkpoint["is_resumable"]:
        raise UserError(
            f"{path} lacks the state that training goes on from: begin a run with its weights, "
            f"`{command('phaselearn train', *again)}`"
        )
    wrong = misfit(model, checkpoint["state_dict"])
    if wrong is not None:
        raise _not_the_same(path, f"is of another model or grid ({wrong})", "run=outputs/NAME")
    before, now = _optimizer(there), _optimizer(config)
    if before != now:
        raise _not_the_same(path, f"holds the state of {before}, and optim.optimizer is {now}", *again)
    if there.get("weights") != config.get("weights"):
        what = f"goes on from its own weights, so weights={config.get('weights')} has no use"
        raise _not_the_same(path, what, "run=outputs/NAME", setting("weights", config.get("weights")))
    return checkpoint


def _optimizer(config: Any) -> str:
    """Return the class of the optimiser in a configuration; a file may hold anything in its place."""
    for key in ("optim", "optimizer", "_target_"):
        config = config.get(key) if hasattr(config, "get") else None
    return str(config)


def _not_the_same(path: Path, what: str, *words: str) -> UserError:
    go_on = command("phaselearn train", setting("resume", path.parent))
    return UserError(
        f"{path} {what}; nothing was changed: leave that out, `{go_on}`, or train in a new folder, "
        f"`{command('phaselearn train', *words)}`"
    )
