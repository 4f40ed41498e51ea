"""Trained networks by what a user names: a run folder, a checkpoint taken out of one, or weights of the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from phaselearn.commands import session
from phaselearn.commands.composition import composed
from phaselearn.commands.settings import check
from phaselearn.commands.strangers import Stranger, checked_config, read_run_config
from phaselearn.errors import UserError
from phaselearn.models.model_card import cards
from phaselearn.report.run_files import CONFIG_FILE
from phaselearn.report.training_set import TrainingSet

if TYPE_CHECKING:
    from phaselearn.data.preparation.observation import ObservationModel
    from phaselearn.models.base import DensityModel
    from phaselearn.prediction.predictor import Predictor


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, not built yet.

    Attributes:
        config: the configuration of its training, checked.
        weights: the checkpoint of its weights.
        training: the crystals that it was trained on; None if they are not recorded beside it.
    """

    config: DictConfig
    weights: Path
    training: TrainingSet | None = None

    def model(self) -> DensityModel:
        """Return the network with its weights, ready to predict.

        Raises:
            UserError: the checkpoint cannot be read, or holds other weights.
        """
        from hydra.utils import instantiate

        model = session.build_model(self.config, instantiate(self.config.data.definition))
        session.load_weights(model, self.weights)
        return model.eval()

    def predictor(self, observation: ObservationModel | None, seed: int, batch_size: int, device: str) -> Predictor:
        """Return the network with all that it takes to apply it to crystals.

        Args:
            observation: the measurement of the crystals; None for that of its training.
            seed: seed of noise, missing reflections and starting phases.
            batch_size: number of crystals that are predicted together.
            device: device that it runs on, such as `cpu`.

        Raises:
            UserError: the checkpoint cannot be read, or holds other weights.
        """
        from hydra.utils import instantiate

        from phaselearn.benchmark.regimes import InputPreparation, Regime
        from phaselearn.prediction.predictor import Predictor

        model = self.model()
        data = self.config.data
        measured = observation or instantiate(self.config.observation)
        return Predictor(
            model=model,
            regime=Regime("prediction", model.definition, measured),
            preparation=InputPreparation(data.input_transform, data.preparation.input_scaling),
            seed=seed,
            batch_size=batch_size,
            device=device,
        )


def names_network(named: str | Path) -> bool:
    """Whether there is a run folder, a checkpoint or a network of the package of this name; none is read."""
    return str(named) in cards() or Path(named).is_file() or (Path(named) / CONFIG_FILE).is_file()


def find_network(named: str | Path, checkpoint: str, trusted: bool, trusting: str) -> TrainedNetwork:
    """Return the network of a run folder, of a checkpoint, or of the package.

    Args:
        named: a run folder, a checkpoint that a run wrote, or a name that `phaselearn weights` lists.
        checkpoint: `best` or `last`, for a run folder.
        trusted: whether it may name classes that no option names.
        trusting: the command or argument by which a user trusts it, for the error.

    Raises:
        UserError: it is none of these, its configuration is refused, or the checkpoint is missing.
    """
    card = cards().get(str(named))
    if card is not None:
        return TrainedNetwork(composed("train", *card.choices), card.path)
    path = Path(named)
    if path.is_file():
        return _of_checkpoint(path, trusted, trusting)
    config = run_config(path, trusted, trusting)
    return TrainedNetwork(config, session.checkpoint_path(path, checkpoint), TrainingSet.read(path))


def _of_checkpoint(path: Path, trusted: bool, trusting: str) -> TrainedNetwork:
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
        raise UserError(
            f"{run} is not a run folder (it has no {CONFIG_FILE}): name one, e.g. outputs/FOLDER, or weights of the "
            f"package: {', '.join(cards())}"
        )
    config = read_run_config(run, Stranger(str(run / CONFIG_FILE), trusting), trusted, without=("logger",))
    check(config, "train")
    return config
