"""Check the settings of a command before anything is built: combinations and ranges that no signature shows."""

from __future__ import annotations

from omegaconf import DictConfig, ListConfig

from phaselearn.commands.checks import check_config
from phaselearn.commands.options import config_directory, evaluation_defaults, options_of
from phaselearn.commands.plain_config import plain_values, read_config
from phaselearn.commands.processes import check_processes
from phaselearn.commands.suggestions import name_of
from phaselearn.errors import UserError, check_whole, choose


def check(config: DictConfig, name: str) -> None:
    """Check a configuration before anything is built; no file that it names is read.

    Args:
        config: the configuration.
        name: name of the file in conf/ with the defaults, such as `train`.

    Raises:
        UserError: a class, an argument or a value is not allowed.
    """
    defaults = read_config(config_directory() / f"{name}.yaml")
    if "_target_" in (config.get("logger") or {}):
        raise UserError(
            "logger is one logger here, but a set of named ones is needed, e.g. +logger.mine._target_=CLASS. A run of "
            "an older version has a single one: evaluate it, or start anew with `phaselearn train`"
        )
    plain = plain_values(defaults, resolve=False)
    check_config(config, {key: plain[key] for key in plain if key not in ("defaults", "hydra")}, name_of(name))
    if "float32_matmul_precision" in config:
        choose(
            "float32_matmul_precision",
            config.float32_matmul_precision,
            ("highest", "high", "medium"),
            command="phaselearn train",
        )
    if "evaluation" in config:
        _check_evaluation(config.evaluation, read_config(evaluation_defaults()))
    _check_training_observation(config)
    if "optimize" in config:
        _check_objective(config.optimize, config.direction)
    if not 0 <= config.get("seed", 0) < 2**32:
        raise UserError(f"seed={config.seed}: a whole number from 0 to {2**32 - 1} is needed, e.g. seed=1")
    if name == "train":
        _check_patience(config)
        _check_clipping(config)
        _check_batches(config.trainer)
        check_processes(config.trainer)


def _check_training_observation(config: DictConfig) -> None:
    """Refuse the name of an observation where its settings belong."""
    given = config.get("training_observation")
    if given is not None and not isinstance(given, DictConfig):
        raise UserError(
            f"training_observation={given}: an option of conf/observation is chosen by its group, e.g. "
            "+observation@training_observation=lab1.2, without + in an experiment that chooses one itself"
        )


def _check_objective(metric: str, direction: str) -> None:
    choose("direction", direction, ("max", "min"), command="phaselearn train")
    if direction == "max" and metric.endswith(("loss", "error")):
        raise UserError(f"optimize={metric} direction=max looks for the worst run: add direction=min")


def _check_patience(config: DictConfig) -> None:
    """Refuse a patience below 0, which Lightning takes for 0."""
    for name, node in (config.get("callbacks") or {}).items():
        patience = node.get("patience") if isinstance(node, DictConfig) else None
        if isinstance(patience, int) and patience < 0:
            key = f"callbacks.{name}.patience"
            raise UserError(f"{key}={patience}: at least 0 is needed, e.g. {key}=10")


def _check_clipping(config: DictConfig) -> None:
    """Refuse to turn gradients round, and to clip those that a fused optimiser unscales later.

    Lightning would refuse the latter only at the first step.
    """
    clips = config.trainer.get("gradient_clip_val")
    if clips is not None and clips < 0:
        raise UserError(f"trainer.gradient_clip_val={clips}: at least 0 is needed, e.g. trainer.gradient_clip_val=1.0")
    mixed = str(config.trainer.get("precision", "")).endswith("mixed")
    if clips and mixed and config.optim.optimizer.get("fused"):
        raise UserError(
            f"trainer.gradient_clip_val={clips} with trainer.precision={config.trainer.precision} clips what a fused "
            "optimiser has not unscaled yet: add optim.optimizer.fused=false"
        )


def _check_batches(trainer: DictConfig) -> None:
    """Refuse counts below 1, by which Lightning divides, and to train on no batch or on more than all."""
    for key in ("check_val_every_n_epoch", "accumulate_grad_batches"):
        if trainer.get(key) is not None and trainer[key] < 1:
            raise UserError(f"trainer.{key}={trainer[key]}: at least 1 is needed, e.g. trainer.{key}=1")
    limit = trainer.get("limit_train_batches")
    if limit is not None and not (limit >= 1 if isinstance(limit, int) else 0 < limit <= 1):
        raise UserError(
            f"trainer.limit_train_batches={limit}: a share of at most 1.0 or a whole number of at least 1 is needed, "
            "e.g. trainer.limit_train_batches=0.5"
        )


def _check_evaluation(given: DictConfig, defaults: DictConfig) -> None:
    allowed = {"split": ("train", "validation", "test", "all"), "checkpoint": ("best", "last")}
    if "level" in given:  # a run of an older version has none
        choose("evaluation.level", given.level, options_of("evaluation"), command="phaselearn train")
    for key, options in allowed.items():
        choose(f"evaluation.{key}", given[key], options, command="phaselearn train")
    for key in ("methods", "also_shown"):
        if not isinstance(given.get(key, defaults[key]), ListConfig):
            raise UserError(f"evaluation.{key}={given[key]}: a list is needed, e.g. evaluation.{key}=[{given[key]}]")
    for key in ("crystals", "shown"):
        check_whole(f"evaluation.{key}", given[key], least=int(key == "crystals"), example=defaults[key])


def check_shown(config: DictConfig) -> None:
    """Read the structures of `evaluation.also_shown`, so that a mistake in them shows before training, not after.

    Raises:
        UserError: a structure is missing or cannot be used.
    """
    names = config.evaluation.get("also_shown") or []
    if names:
        from phaselearn.data.sources.named import Named
        from phaselearn.report.named_crystals import cell_of_named

        Named(names, cell_of_named(config.source.get("cell")), config.data.build.longest_edge)
