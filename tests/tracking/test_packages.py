"""A missing or old package is one line that names what installs it, whatever else is wrong with it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from phaselearn.errors import UserError
from phaselearn.tracking import packages
from phaselearn.tracking.tensorboard_logger import RunFolderTensorBoardLogger
from phaselearn.tracking.wandb_logger import RunFolderWandbLogger


def _missing(package: str) -> str:
    raise PackageNotFoundError(package)


@pytest.mark.parametrize(
    ("build", "package"),
    [
        (lambda folder: RunFolderWandbLogger(str(folder), "phaselearn"), "wandb"),
        (lambda folder: RunFolderTensorBoardLogger(str(folder)), "tensorboard"),
    ],
    ids=["wandb", "tensorboard"],
)
@pytest.mark.parametrize("installed", [None, "0.1"])
def test_a_logger_without_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build: object, package: str, installed: str | None
) -> None:
    monkeypatch.setattr(packages, "version", _missing if installed is None else lambda _: installed)
    with pytest.raises(UserError, match=rf"logger={package} .*pip install 'phaselearn\[{package}\]'") as raised:
        build(tmp_path)
    assert ("not installed" if installed is None else installed) in str(raised.value)
    assert not list(tmp_path.iterdir())
