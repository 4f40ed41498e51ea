"""Completion by the shell: what Hydra knows of train.py, and the commands of phaselearn with their keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from phaselearn.testing.options import options
from tests.cli.folders import PHASELEARN, TRAIN, command


def _completed(folder: Path, monkeypatch: pytest.MonkeyPatch, program: tuple[str, ...], line: str) -> list[str]:
    monkeypatch.setenv("COMP_LINE", line)
    return command(folder, *program, "-sc", "query=bash").stdout.split()


def test_options_of_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _completed(tmp_path, monkeypatch, TRAIN, "python train.py model=")
    assert set(found) >= {f"model={option}" for option in options("model")}


def test_commands_and_their_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _completed(tmp_path, monkeypatch, PHASELEARN, "phaselearn ev") == ["evaluate"]
    assert "loss=sinkhorn" in _completed(tmp_path, monkeypatch, PHASELEARN, "phaselearn train loss=s")
