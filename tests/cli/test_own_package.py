"""The template of a package with a model and a loss of its own: found, checked by the contracts, trained."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.folders import PHASELEARN, SMALL, command

TEMPLATE = Path(__file__).parents[2] / "examples" / "own_model"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template, copied and found as an installed package is: by its entry point."""
    folder = tmp_path_factory.mktemp("own") / "copy"
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    installed = folder / "my_phasing-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my_phasing\nVersion: 0.1.0\n")
    (installed / "entry_points.txt").write_text("[phaselearn.conf]\nmy_phasing = my_phasing.conf\n")
    return folder


def test_its_contracts_hold(package: Path) -> None:
    done = command(package, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert passed > 20
    assert "failed" not in done.stdout


@pytest.mark.slow
def test_it_is_trained_and_evaluated_like_any_other(package: Path) -> None:
    command(
        package,
        *PHASELEARN,
        "train",
        *SMALL,
        "data=hkl10",
        "model=mine",
        "loss=mine",
        "trainer.max_epochs=2",
        "run=run",
    )
    assert "my_phasing.model.Bottleneck" in (package / "run" / "config.yaml").read_text()
    assert "\nmine,all," in (package / "run" / "results.csv").read_text()
    # Its options are installed, so what a run's configuration names of them is known.
    command(package, *PHASELEARN, "evaluate", "run=run")
    assert "\nmine,all," in next((package / "run" / "evaluations").glob("*/results.csv")).read_text()


def test_a_typing_mistake_is_told_its_options(package: Path) -> None:
    done = command(package, *PHASELEARN, "train", "model=mien", succeeds=False)
    assert done.returncode == 2
    assert "did you mean mine" in done.stderr
