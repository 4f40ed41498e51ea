"""Build the objects of a run from its configuration, and load its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from phaselearn.commands.options import config_directory, option_file, options_of
from phaselearn.commands.plain_config import plain_values, read_config
from phaselearn.errors import UserError, unknown
from phaselearn.quoting import command, setting

if TYPE_CHECKING:
    from phaselearn.data.datamodule import PairDataModule
    from phaselearn.data.pairs import PairDefinition
    from phaselearn.models.base import DensityModel

_TRAINING = {"callbacks", "loops", "lr_schedulers", "optimizer_states"}  # what Lightning goes on from


def build_data(
    config: DictConfig, seen: frozenset[str] | None = None, seen_before: frozenset[str] = frozenset()
) -> PairDataModule:
    """Return the data module; its store need not exist yet.

    Args:
        config: the configuration. Keys at the top of `data` are handed to its nodes here.
        seen: structure types that count as seen in training; None for those of the training crystals.
        seen_before: structure types that count as seen beside these.
    """
    from hydra.utils import instantiate

    from phaselearn.data.datamodule import PairDataModule
    from phaselearn.data.preparation.augmentation import Augmentation
    from phaselearn.data.preparation.observation import Observation

    data = config.data
    definition = instantiate(data.definition)
    observation = instantiate(config.observation) if "observation" in config else Observation()
    prepared = {"input_transform": data.input_transform, "layout": definition.layout, "seed": data.seed}
    return PairDataModule(
        store=_build(
            data.build,
            definition=definition,
            source=instantiate(config.source),
            source_config=plain_values(config.source),
            place=None if data.store is None else str(data.store),
            name=str(data.name),
        ),
        preparation=_build(data.preparation, observation=observation, augmentation=Augmentation(), **prepared),
        training=_build(
            data.preparation,
            observation=instantiate(config.get("training_observation")) or observation,
            augmentation=instantiate(data.augmentation),
            **prepared,
        ),
        loading=_build(data.loading, batch_size=data.batch_size, batching=data.batching),
        train_size=data.train_size,
        endless=data.endless,
        seen=seen,
        seen_before=seen_before,
    )


def _build(node: DictConfig, **handed: Any) -> Any:
    """Build a node of the configuration from its own keys and the arguments that are handed to it.

    Raises:
        UserError: the node has a key for an argument that is handed to it.
    """
    from hydra.utils import instantiate

    for key in handed:
        if key in node:
            raise UserError(
                f"{key}={node[key]} is set within a node of {node._target_}, which gets it from another key: leave it "
                "out, and see `phaselearn train --cfg job`"
            )
    # They are passed as ordinary arguments: Hydra would turn a dataclass among them into a configuration.
    return instantiate(node, _partial_=True)(**handed)


def build_model(config: DictConfig, definition: PairDefinition) -> DensityModel:
    """Return the model with its loss and optimiser, and with new weights.

    Args:
        config: the configuration of a training run.
        definition: definition of the pairs that the model reads.
    """
    from hydra.utils import instantiate

    optim = instantiate(config.optim)
    _check_optimizer(optim["optimizer"])
    if not (optim["schedule"] is None or callable(optim["schedule"])):
        raise UserError(
            f"optim.schedule={optim['schedule']}: a function of the share of the training that is done is needed, such "
            "as that of `phaselearn train optim=adamw`, or null for a constant rate"
        )
    return _build(
        config.model,
        loss=instantiate(config.loss),
        definition=definition,
        optimizer=optim["optimizer"],
        schedule=optim["schedule"],
    )


def check_trains(option: str | None, model: DensityModel) -> None:
    """Refuse to train a model without parameters.

    Args:
        option: the option of conf/model that was chosen; None in a resumed run, which chooses none.
        model: the model.

    Raises:
        UserError: the model has no parameter to train; the message says how to judge it instead.
    """
    if any(parameter.requires_grad for parameter in model.parameters()):
        return
    if option is None:
        raise UserError(
            f"{type(model).__name__}, the model of this run, has nothing to train: train another in a new run, e.g. "
            "`phaselearn train model=cnn`"
        )
    judged = command("phaselearn benchmark", f"models=[{option}]")
    beside = command("phaselearn train", f"evaluation.methods=[{option}]")
    raise UserError(
        f"model={option} has nothing to train: judge it by `{judged}`, or beside a trained network by `{beside}`"
    )


def _check_optimizer(optimizer: Callable[..., Any]) -> None:
    """Try the optimiser's settings on one weight before the data are built, which may take long."""
    import torch

    try:
        built = optimizer([torch.nn.Parameter(torch.zeros(1))])
        rate = float(built.param_groups[0].get("lr", 0.0))
        if not math.isfinite(rate):
            raise ValueError(f"the learning rate is {rate}")
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"optim.optimizer cannot be built ({error}): see `phaselearn train --cfg job -p optim`, "
            "or e.g. optim.optimizer.lr=1e-3"
        ) from error


def method_config(name: str, key: str = "evaluation.methods", command: str = "phaselearn train") -> DictConfig:
    """Return the configuration of a parameter-free model of conf/model.

    Args:
        name: the option.
        key: the key by which the user named it, for the error.
        command: the command that has this key, for the error.

    Raises:
        UserError: there is no such option, or its model has weights.
    """
    from phaselearn.benchmark.contenders import composed_option

    path = option_file("model", name)
    if path is None:
        raise unknown(key, name, options_of("model"), command=command, listed=True)
    if "model" in read_config(path):  # a network's option sets more than the model, such as its loss
        raise UserError(
            f"{key}=[{name}]: {name} has no trained weights; train it and name its run folder, or take models without "
            f"weights, e.g. {key}=[phase_zero,charge_flipping]"
        )
    return composed_option(config_directory(), "model", name)


def build_method(name: str, data: PairDataModule) -> DensityModel:
    """Return a parameter-free model of conf/model; see `method_config`."""
    return method_of(method_config(name), data)


def method_of(node: DictConfig, data: PairDataModule) -> DensityModel:
    """Return a parameter-free model from its configuration."""
    from phaselearn.losses.mse import MeanSquaredError

    return _build(node, loss=MeanSquaredError(), definition=data.definition)


def checkpoint_path(folder: Path, which: str) -> Path:
    """Return best.ckpt or last.ckpt of a run folder.

    Raises:
        UserError: the folder has no such checkpoint.
    """
    path = folder / f"{which}.ckpt"
    if not path.exists():
        go_on = f"continue with `{command('phaselearn train', setting('resume', folder))}`"
        if (folder / "last.ckpt").exists():
            last = command("phaselearn evaluate", setting("run", folder), "evaluation.checkpoint=last")
            go_on += f", or take the last weights, `{last}`"
        raise UserError(f"{folder} has no {which}.ckpt: its first validation was not finished; {go_on}")
    return path


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the weights, epoch, step and settings of a checkpoint, and whether a run can go on from it.

    No code in it is run. The settings are None in a checkpoint that no command wrote.

    Raises:
        UserError: the file is not a readable checkpoint.
    """
    from phaselearn.callbacks.hyperparameters import KEY
    from phaselearn.models.weights import fault_of, load_plain, plain_weights

    try:
        checkpoint = load_plain(path)
        return {
            "state_dict": plain_weights(checkpoint["state_dict"]),
            "epoch": int(checkpoint["epoch"]),
            "step": int(checkpoint["global_step"]),
            "settings": checkpoint.get(KEY),
            "is_resumable": checkpoint.keys() >= _TRAINING and "fit_loop" in checkpoint["loops"],
        }
    except Exception as error:
        other = path.with_name("last.ckpt" if path.name == "best.ckpt" else "best.ckpt")
        take = f"take the other one with `{command('cp', other, path)}`, or " if other.is_file() else ""
        raise UserError(
            f"{path} is not a readable checkpoint ({fault_of(error)}): {take}train again with `phaselearn train`"
        ) from error


def load_weights(model: DensityModel, path: Path) -> None:
    """Load a checkpoint's weights.

    Raises:
        UserError: the file is unreadable, or its weights are those of another model or grid.
    """
    state = read_checkpoint(path)["state_dict"]
    wrong = misfit(model, state)
    if wrong is not None:
        raise UserError(
            f"{path} is of another model or grid ({wrong}): evaluate with the data it was trained on, e.g. "
            f"`{command('phaselearn evaluate', setting('run', path.parent))}`"
        )
    model.load_state_dict(state)


def misfit(model: DensityModel, state: Mapping[str, Any]) -> str | None:
    """Return the first of the weights that a model lacks or has in another shape, in words; None if all fit."""
    own = model.state_dict()
    for name in sorted(own.keys() | state.keys()):
        have = tuple(state[name].shape) if name in state else "missing"
        want = tuple(own[name].shape) if name in own else "not there"
        if have != want:
            return f"{name}: {have} in the file, {want} in this model of {model.definition.extent}"
    return None
