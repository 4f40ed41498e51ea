"""Commands in this process: `train …`, `prepare …`, `evaluate …`."""

from __future__ import annotations

import sys
from importlib import import_module

from hydra.core.global_hydra import GlobalHydra


def call(*arguments: str) -> int:
    """Run a command and return its exit code."""
    GlobalHydra.instance().clear()
    before, sys.argv = sys.argv, ["phaselearn", *arguments]
    try:
        import_module("phaselearn.commands.main").main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    finally:
        sys.argv = before
        GlobalHydra.instance().clear()
    return 0
