"""`phaselearn dashboard`: the W&B workspace that shows the runs of a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn.commands.application import run_application

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    """Run the command."""
    run_application("dashboard", _dashboard)


def _dashboard(config: DictConfig) -> None:
    from phaselearn.commands.settings import check
    from phaselearn.tracking.dashboard import send, workspace, write_layout

    check(config, "dashboard")
    if config.file is None:
        print(send(config.entity, config.project, config.name, config.crystals))
        return
    write_layout(workspace(config.entity or "", config.project, config.name, config.crystals), Path(config.file))
    print(config.file)
