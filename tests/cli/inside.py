"""Commands in this process: `train …`, `prepare …`, `evaluate …`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from importlib import import_module
from pathlib import Path

import pytest
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


@contextmanager
def new_folder(factory: pytest.TempPathFactory, **files: str) -> Iterator[Path]:
    """Work in a new folder that holds Python files, given by their names without the ending."""
    folder = factory.mktemp("workplace")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    with chdir(folder):
        yield folder
