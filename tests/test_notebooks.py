"""The notebooks of examples/notebooks run from top to bottom and show what their texts say."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from tests.cli.inside import call

NOTEBOOKS = Path(__file__).parents[1] / "examples" / "notebooks"


def code_of(name: str) -> list[str]:
    """Return the cells of code of a notebook."""
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a notebook in an empty folder, and return its variables; a command behind `!` runs in this process, too."""
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")

    def every_cell(name: str) -> dict[str, Any]:
        variables: dict[str, Any] = {"__name__": "__main__"}
        for number, cell in enumerate(code_of(name)):
            if cell.startswith("!"):
                program, *arguments = shlex.split(cell[1:])
                assert program == "phaselearn"
                assert call(*arguments) == 0
            else:
                exec(compile(cell, f"{name}, cell {number}", "exec"), variables)
        return variables

    return every_cell


def test_all_notebooks_are_tested_and_have_no_output() -> None:
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    assert [path.stem for path in paths] == [
        "own_model_and_loss",
        "predict_with_a_run",
        "solve_a_crystal",
        "train_a_network",
    ]
    for path in paths:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content["nbformat"] == 4
        assert content["cells"][0]["source"][0].startswith("# ")
        assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in content["cells"])


def test_solve_a_crystal(run: Any) -> None:
    variables = run("solve_a_crystal")
    assert variables["result"].solved
    assert variables["best"].space_group.symbol == "P 1 21/c 1"
    assert variables["known"].found == 1


def test_train_a_network(run: Any) -> None:
    variables = run("train_a_network")
    assert variables["predicted"].shape == variables["batch"]["density"].shape
    assert 0 < variables["result"]["test/median_cc"] < 1
    assert len(variables["figure"].axes) == 2


def test_own_model_and_loss(run: Any) -> None:
    variables = run("own_model_and_loss")
    assert variables["trained_loss"] > 0
    # FourthPower declares that it is blind to nothing.
    assert all(variables["changed"].values())
    assert variables["FourthPower"].invariances == frozenset()


@pytest.mark.slow
def test_predict_with_a_run(run: Any) -> None:
    variables = run("predict_with_a_run")
    assert variables["density"].shape == variables["batch"]["density"].shape
    assert variables["found"].crystal.formula == "NaCl"
    assert Path("salt.ccp4").exists()
    assert Path("index.html").exists()
