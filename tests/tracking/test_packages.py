"""A missing or old package is one line that names what installs it, whatever else is wrong with it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from phaselearn.errors import UserError
from phaselearn.tracking import packages
from phaselearn.tracking.tensorboard_logger import RunFolderTensorBoardLogger


def _missing(package: str) -> str:
    raise PackageNotFoundError(package)


@pytest.mark.parametrize("installed", [None, "0.1"])
def test_a_logger_without_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: str | None) -> None:
    monkeypatch.setattr(packages, "version", _missing if installed is None else lambda _: installed)
    with pytest.raises(UserError, match=r"logger=tensorboard .*pip install 'phaselearn\[tensorboard\]'") as raised:
        RunFolderTensorBoardLogger(str(tmp_path))
    assert ("not installed" if installed is None else installed) in str(raised.value)
    assert not list(tmp_path.iterdir())
