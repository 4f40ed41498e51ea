"""Trained networks by what a user names: a run folder, or a checkpoint that was taken out of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from phaselearn.commands import session
from phaselearn.commands.settings import check
from phaselearn.commands.strangers import CONFIG_FILE, Stranger, checked_config, read_run_config
from phaselearn.errors import UserError

if TYPE_CHECKING:
    from phaselearn.models.base import DensityModel


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, not built yet.

    Attributes:
        config: the configuration of its training, checked.
        weights: the checkpoint of its weights.
    """

    config: DictConfig
    weights: Path

    def build(self) -> DensityModel:
        """Return the network with its weights, ready to predict.

        Raises:
            UserError: the checkpoint cannot be read, or holds other weights.
        """
        from hydra.utils import instantiate

        model = session.build_model(self.config, instantiate(self.config.data.definition))
        session.load_weights(model, self.weights)
        return model.eval()


def find_network(named: str | Path, checkpoint: str, trusted: bool, trusting: str) -> TrainedNetwork:
    """Return the network of a run folder or of a checkpoint.

    Args:
        named: a run folder, or a checkpoint that a run wrote.
        checkpoint: `best` or `last`, for a run folder.
        trusted: whether it may name classes that no option names.
        trusting: the command or argument by which a user trusts it, for the error.

    Raises:
        UserError: it is neither, its configuration is refused, or the checkpoint is missing.
    """
    path = Path(named)
    if not path.is_file():
        return TrainedNetwork(run_config(path, trusted, trusting), session.checkpoint_path(path, checkpoint))
    settings = session.read_checkpoint(path)["settings"]
    if settings is None:
        raise UserError(
            f"{path} holds weights without the settings of their network: name the run folder that it is from, e.g. "
            f"{path.parent}, if that has a {CONFIG_FILE}"
        )
    config = checked_config(settings, Stranger(str(path), trusting), trusted)
    check(config, "train")
    return TrainedNetwork(config, path)


def run_config(run: Path, trusted: bool, trusting: str) -> DictConfig:
    """Return the configuration of a run folder; the arguments are those of `find_network`.

    Raises:
        UserError: it is not a run folder, or its configuration is refused.
    """
    if not (run / CONFIG_FILE).is_file():
        raise UserError(f"{run} is not a run folder (it has no {CONFIG_FILE}): name one, e.g. outputs/FOLDER")
    config = read_run_config(run, Stranger(str(run / CONFIG_FILE), trusting), trusted, without=("logger",))
    check(config, "train")
    return config
