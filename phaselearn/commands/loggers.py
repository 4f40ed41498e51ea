"""The loggers of a run, and the facts that they log about it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from phaselearn.errors import UserError

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

    from phaselearn.data.datamodule import PairDataModule
    from phaselearn.tracking.tracker import StoreFacts


def build_loggers(config: DictConfig, folder: Path) -> list[Logger]:
    """Return the loggers of the configuration, which write into the run folder; none is started yet.

    Raises:
        UserError: a package is missing, or W&B would take the jobs of a multirun for one run.
    """
    from hydra.utils import instantiate

    _group_jobs(config)
    # The logger of metrics.csv comes first: Lightning asks the first logger for the place of the run.
    return [instantiate(config.logger[name], save_dir=str(folder)) for name in sorted(config.logger)]


def _group_jobs(config: DictConfig) -> None:
    """Give the jobs of a multirun one group in W&B: the name of the sweep's folder."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN or "wandb" not in config.logger:
        return
    if "WANDB_RUN_ID" in os.environ:
        raise UserError(
            f"WANDB_RUN_ID={os.environ['WANDB_RUN_ID']} would make all jobs of a multirun one run: "
            "`unset WANDB_RUN_ID` before `phaselearn train -m`"
        )
    if config.logger.wandb.group is None and "WANDB_RUN_GROUP" not in os.environ:
        config.logger.wandb.group = Path(hydra.sweep.dir).name


def run_facts(config: dict[str, Any]) -> dict[str, Any]:
    """Return the resolved configuration with the commit and the chosen options (a resumed run has none)."""
    from hydra.core.hydra_config import HydraConfig

    from phaselearn.report.commit import git_commit

    chosen = {
        group: option
        for group, option in HydraConfig.get().runtime.choices.items()
        if not group.startswith("hydra/") and option is not None
    }
    return {**config, "commit": git_commit(), **({"choices": chosen} if chosen else {})}


def store_facts(data: PairDataModule) -> StoreFacts:
    """Return the facts about the store that a run reads."""
    from phaselearn.data.split import SPLITS
    from phaselearn.tracking.tracker import StoreFacts

    crystals = {"all": len(data.store()), **{split: len(data.rows(split)) for split in SPLITS}}
    return StoreFacts(str(data.configured_store.path()), data.store().attributes, crystals)
