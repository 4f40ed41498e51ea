"""Contenders by name: parameter-free options of conf/model, run folders, outside programs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from phaselearn.benchmark.regimes import InputPreparation, Regime
from phaselearn.benchmark.runner import ModelContender
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.preparation.observation import ObservationModel
from phaselearn.errors import UserError, choose
from phaselearn.models.weights import weights_path
from phaselearn.plain_yaml import read_plain
from phaselearn.precision import register_precision
from phaselearn.report.training_set import TrainingSet

# Returns a model for `SimpleNamespace(definition=…)`, which stands for the data module.
Builder = Callable[[Any], Any]


def regime_from(folder: Path, name: str, meanings: Mapping[str, Mapping[str, str]]) -> Regime:
    """Return a regime from the options of conf/data and conf/observation that it names.

    Args:
        folder: folder conf/.
        name: name of the regime.
        meanings: {name: {group: option}}, with the groups `data` and `observation`. Without `data`, the reflections
            fill a sphere to the resolution of the observation.

    Raises:
        UserError: there is no such regime, or it names an option that does not exist.
    """
    meaning = meanings[choose("regimes", name, meanings, command="phaselearn benchmark", listed=True)]
    if not isinstance(meaning, Mapping) or "observation" not in meaning:
        raise UserError(
            f"regime.{name}={meaning}: an option of conf/observation is needed, and one of conf/data unless the "
            f"reflections are to fill a sphere, e.g. 'regime.{name}={{data: hkl20_full, observation: ideal}}'"
        )
    paths = {group: folder / group / f"{meaning[group]}.yaml" for group in ("data", "observation") if group in meaning}
    for group, path in paths.items():
        if not path.exists() or path.name.startswith("_"):
            raise UserError(
                f"regime.{name}.{group}={meaning[group]} is not an option of conf/{group}: "
                "see `phaselearn benchmark --help`"
            )
    observation = _observation(folder, meaning["observation"])
    base = read_plain(folder / "data" / "_base.yaml")["definition"]
    if "data" in paths:
        chosen = read_plain(paths["data"])["definition"]
        return Regime(name, PairDefinition(**_arguments(base | chosen)), observation)
    if observation.finest is None:
        raise UserError(
            f"regime.{name}={meaning}: observation={meaning['observation']} has no resolution to which reflections "
            f"could fill a sphere; name a box, e.g. 'regime.{name}={{data: hkl20_full, observation: ideal}}'"
        )
    chosen = read_plain(folder / "data" / "hkl20_full.yaml")["definition"]  # its form factors, sigma and frame
    return Regime(name, PairDefinition(**_arguments(base | chosen)), observation, observation.finest)


def _observation(folder: Path, option: str) -> ObservationModel:
    """Return the observation of an option of conf/observation."""
    return instantiate(composed_option(folder, "observation", option))


def composed_option(folder: Path, group: str, option: str, *changes: str) -> DictConfig:
    """Return an option of conf/GROUP as Hydra composes it, since options build on each other.

    Args:
        folder: folder conf/.
        group: the group, such as `observation`.
        option: the option.
        changes: further overrides, such as `starts.trust=true`.
    """
    register_precision()
    # Within a command, Hydra knows the folder already and cannot be initialised twice.
    begun = GlobalHydra.instance().is_initialized()
    with nullcontext() if begun else initialize_config_dir(str(folder), version_base="1.3"):
        composed: DictConfig = compose(overrides=[f"+{group}={option}", *changes])[group]
    return composed


def parameter_free(name: str, config: DictConfig, build: Builder, device: str) -> ModelContender:
    """Return a contender that can read any regime.

    Args:
        name: option of conf/model.
        config: configuration of the model, which is part of the key of its results.
        build: returns the model for `SimpleNamespace(definition=…)`.
        device: device that it runs on.
    """
    content = OmegaConf.to_container(config, resolve=True)
    identity = json.dumps(content, sort_keys=True)
    for path in _weights(content):
        identity += hashlib.sha256(path.read_bytes()).hexdigest()
    return ModelContender(
        name,
        lambda definition: build(SimpleNamespace(definition=definition)),
        definition=None,
        preparation=InputPreparation(),
        training=None,
        identity=identity,
        device=device,
    )


def _weights(node: Any) -> Iterator[Path]:
    """Yield the files of weights that a configuration names."""
    if isinstance(node, Mapping):
        given = node.get("weights")
        if isinstance(given, str) and weights_path(given).is_file():
            yield weights_path(given)
        for value in node.values():
            yield from _weights(value)


def trained(
    folder: Path,
    config: DictConfig,
    training: TrainingSet,
    checkpoint: Path,
    build: Builder,
    device: str,
) -> ModelContender:
    """Return the network of a run folder as a contender.

    Args:
        folder: run folder.
        config: configuration of the run.
        training: the crystals that it was trained on.
        checkpoint: file of the weights.
        build: returns the network with its weights.
        device: device that it runs on.
    """
    data = config.data
    definition = PairDefinition(**_arguments(data.definition))
    return ModelContender(
        folder.name,
        lambda definition: build(SimpleNamespace(definition=definition)),
        definition=definition,
        preparation=InputPreparation(data.input_transform, data.preparation.input_scaling),
        training=training,
        identity=hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        device=device,
    )


def _arguments(node: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the arguments of a node of the configuration; those that begin with an underscore are Hydra's."""
    return {str(key): value for key, value in node.items() if not str(key).startswith("_")}
