"""The Lightning trainer of a run, and how the model is compiled for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn.commands.plain_config import plain_values
from phaselearn.errors import UserError, choose

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from pytorch_lightning import Callback, Trainer
    from pytorch_lightning.loggers import Logger

    from phaselearn.models.base import DensityModel


def build_trainer(config: DictConfig, folder: Path, callbacks: list[Callback], loggers: list[Logger]) -> Trainer:
    """Return the trainer, which keeps everything that it writes in the run folder."""
    from hydra.utils import instantiate
    from pytorch_lightning.callbacks import ModelCheckpoint, ModelSummary, ProgressBar

    from phaselearn.callbacks.progress_lines import ProgressLines
    from phaselearn.callbacks.time_limit import TimeLimit
    from phaselearn.checkpoints import WholeCheckpoints
    from phaselearn.progress import is_watched

    if config.trainer.get("max_time") is not None:
        callbacks = [*callbacks, TimeLimit(plain_values(config.trainer)["max_time"])]
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            callback.dirpath = str(folder)
    summary, progress = (
        config.trainer.get(switch, True) and not config.get("quiet", False)
        for switch in ("enable_model_summary", "enable_progress_bar")
    )
    bar = progress and is_watched()
    # Lightning refuses a callback whose switch is off, or lets it print nevertheless.
    off = tuple(
        kind for kind, shown in ((ModelSummary, summary), (ProgressLines, progress), (ProgressBar, bar)) if not shown
    )
    trainer: Trainer = instantiate(
        config.trainer,
        max_time=None,
        callbacks=[callback for callback in callbacks if not isinstance(callback, off)],
        logger=loggers or False,
        default_root_dir=str(folder),
        plugins=[WholeCheckpoints(), *instantiate(config.trainer.get("plugins") or [])],
        enable_model_summary=summary,
        enable_progress_bar=bar,
    )
    profiler = getattr(trainer, "profiler", None)  # Lightning sets it where no type checker sees it
    if profiler is not None and getattr(profiler, "dirpath", folder) is None:
        profiler.dirpath = folder
    return trainer


def compile_forward(model: DensityModel, backend: str) -> None:
    """Let `torch.compile` compile the model's forward pass at its first call; weights and their names stay.

    Raises:
        UserError: there is no such backend, or the compiler that it needs is missing.
    """
    import torch

    allowed = torch.compiler.list_backends(exclude_tags=("experimental",))
    choose("compile", backend, allowed, command="phaselearn train")
    compilers = [os.environ["CXX"]] if "CXX" in os.environ else ["g++", "clang++", "c++"]
    if backend == "inductor" and not any(map(shutil.which, compilers)):
        raise UserError(
            f"compile=inductor needs a C++ compiler and finds none of {', '.join(compilers)}: install one, name it by "
            "CXX=PATH, or leave compile out"
        )
    model.compile(backend=backend)
