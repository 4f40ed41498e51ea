"""The template of a package with a model and a loss of its own: found, checked by the contracts, trained."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.folders import PHASELEARN, SMALL, command

TEMPLATE = Path(__file__).parents[2] / "examples" / "own_model"

BROKEN = """
import torch
from phaselearn.models.base import DensityModel

class Model(DensityModel):
    def __init__(self, fails_at, **more):
        super().__init__(**more)
        self.layer = torch.nn.Linear(7, 7)
        if fails_at == "built":
            raise ValueError("too deep,\\nor not")

    def forward(self, batch):
        return self.layer(batch["input"])

class Loss(torch.nn.Module):
    def forward(self):
        return 0.0
"""


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


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("model=broken", "+model.fails_at=built"), "ValueError: too deep, or not, at line 10 of "),
        (("model=broken", "+model.fails_at=forward"), "RuntimeError: mat1 and mat2 shapes cannot be multiplied ("),
        (("loss._target_=broken.Loss",), "AttributeError: 'Loss' object has no attribute 'periodic'; "),
    ],
    ids=["built", "forward", "called"],
)
def test_an_error_of_ones_own_class_is_one_line_with_its_place(
    tmp_path: Path, given: tuple[str, ...], told: str
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "broken.yaml").write_text("_target_: broken.Model\n")
    words = (*PHASELEARN[1:], "train", "--config-dir", "conf", "data=hkl10", "source.count=40", *given)
    words = (*words, "trainer.max_epochs=1", "evaluation=none", "run=run")
    done = command(tmp_path, sys.executable, *words, succeeds=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"error: {told}")
    assert "`PYTHONDEVMODE=1 phaselearn train …`" in line
    if "+model.fails_at=forward" in given:
        assert f", at line 13 of {tmp_path / 'broken.py'} in forward" in line
