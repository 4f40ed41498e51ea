"""Commands in this process: `train …`, `prepare …`, `evaluate …`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from phaselearn.progress import show_progress

_composed_mode = Hydra.get_mode


def _mode(hydra: Hydra, config_name: str | None, overrides: list[str]) -> RunMode | None:
    """Return the mode that a configuration sets, as Hydra does: for most commands, without composing one for it."""
    if any("experiment" in override or "hydra.mode" in override for override in overrides):
        return _composed_mode(hydra, config_name, overrides)
    return None


def call(*arguments: str) -> int:
    """Run a command and return its exit code."""
    GlobalHydra.instance().clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["phaselearn", *arguments])
        patch.setattr(Hydra, "get_mode", _mode)
        try:
            import_module("phaselearn.commands.main").main()
        except SystemExit as stopped:
            return int(stopped.code or 0)
        finally:
            # A process of its own begins without these: `--cfg` leaves two behind, `quiet=true` the third.
            GlobalHydra.instance().clear()
            HydraConfig.instance().cfg = None
            show_progress(True)
    return 0


@contextmanager
def new_folder(factory: pytest.TempPathFactory, **files: str) -> Iterator[Path]:
    """Work in a new folder that holds Python files, given by their names without the ending."""
    folder = factory.mktemp("workplace")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    with chdir(folder):
        yield folder
