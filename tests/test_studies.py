"""The studies of one-shot networks: what they run, their tables and plots, and one of them from end to end."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from matplotlib.image import imread
from omegaconf import OmegaConf

from phaselearn.commands.options import config_directory
from phaselearn.commands.settings import check
from phaselearn.testing.options import composed, options
from tests.cli.folders import REPO

sys.path.insert(0, str(REPO / "benchmarks"))
import studies


def write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list({key: None for row in rows for key in row}))
        writer.writeheader()
        writer.writerows(rows)


def finished(run: studies.Run, loss: float, gain: float) -> studies.Run:
    """Make the folder of a run whose median gain of hard crystals is `gain`, and its least validation loss `loss`."""
    curve = [
        {"epoch": epoch, "step": 10 * epoch + 9, "train/loss": loss / 2, "val/loss": value, "train/peak_memory": 2048}
        for epoch, value in ((9, 2.0), (29, loss), (99, 1.5 * loss), (299, 1.9))
    ]
    judged = [
        {
            "correlation": correlation,
            "floor": 0.5,
            "gain": value,
            "atoms_found": 1.0,
            "strict": 1.0,
            "hard": hard,
            "counted": counted,
        }
        for value, correlation, hard, counted in (
            (gain, 0.95, True, True),
            (gain + 0.1, 0.85, True, True),
            (gain - 0.1, 0.95, True, True),
            (9.0, 0.95, False, True),
            (9.0, 0.95, True, False),
        )
    ]
    write(run.training.folder / "metrics.csv", curve)
    write(run.training.folder / "crystals.csv", judged)
    write(run.training.folder / "results.csv", [{"method": "network"}])
    (run.training.folder / "processor_seconds.txt").write_text("30.0\n")
    return run


def rows_of(table: str) -> list[dict[str, str]]:
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_every_study_of_the_configuration_can_be_run() -> None:
    files = {name.removeprefix("study_") for name in options("experiment") if name.startswith("study_")}
    assert files == set(studies.STUDIES)


@pytest.mark.parametrize("study", studies.STUDIES)
@pytest.mark.parametrize("changes", [(), ("seed=1,2", "data.train_size=56")])
def test_the_runs_are_those_of_hydras_multirun(study: str, changes: tuple[str, ...]) -> None:
    params = OmegaConf.load(config_directory() / "experiment" / f"study_{study}.yaml").hydra.sweeper.params
    given = [*(f"{key}={values}" for key, values in params.items()), *changes]
    [jobs] = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(given), None)
    ours = [[f"{key}={value}" for key, value in point.items()] for point in studies.points(study, changes)]
    assert ours == jobs


@pytest.mark.slow
@pytest.mark.parametrize("study", studies.STUDIES)
def test_every_choice_of_a_study_composes(study: str, tmp_path: Path) -> None:
    seen: set[tuple[str, str]] = set()
    folders = set()
    for run in studies.study_runs(study, tmp_path, (), ("source=prototypes",)):
        folders.add(run.training.folder)
        if not seen.issuperset(run.point.items()):
            seen.update(run.point.items())
            check(composed(*run.training.overrides), "train")
    assert len(folders) == len(studies.points(study, ()))


def test_the_table_holds_the_hard_crystals_and_what_was_spent(tmp_path: Path) -> None:
    changes = ("model=mlp,cnn", "data.train_size=56,150")
    runs = studies.study_runs("crystals", tmp_path, changes, ())
    done = [finished(run, 0.5 + 0.1 * place, 0.1 * place) for place, run in enumerate(runs)]
    table = studies.table("crystals", done)
    rows = rows_of(table)
    assert [(row["data.train_size"], row["model"]) for row in rows] == [
        ("56", "mlp"),
        ("56", "cnn"),
        ("150", "mlp"),
        ("150", "cnn"),
    ]
    # Three gains: the bootstrap's interval reaches from the least to the greatest.
    assert [row["gain"] for row in rows] == [
        "0.000 [-0.100, 0.100]",
        "0.100 [0.000, 0.200]",
        "0.200 [0.100, 0.300]",
        "0.300 [0.200, 0.400]",
    ]
    assert {row["CC ≥ 0.9, %"] for row in rows} == {"66.7 [20.8, 93.9]"}
    assert [float(row["validation loss"]) for row in rows] == pytest.approx([0.5, 0.6, 0.7, 0.8])
    assert {row["crystals"] for row in rows} == {"3"}
    assert {row["steps"] for row in rows} == {"3000"}
    assert table.endswith("4 runs, 2.0 minutes of the processor")


@pytest.mark.parametrize("study", studies.STUDIES)
def test_every_study_has_its_plot(study: str, tmp_path: Path) -> None:
    done = [finished(run, 0.8, 0.1) for run in studies.study_runs(study, tmp_path, (), ())]
    studies.draw(study, done, tmp_path / "plot.png")
    picture = imread(tmp_path / "plot.png")
    assert picture.shape[0] > 400
    assert len({tuple(colour) for colour in picture[::3, ::3, :3].reshape(-1, 3).tolist()}) > 10


@pytest.mark.slow
def test_a_study_is_run_once_and_collected_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # the script changes it
    small = ("source.count=100", "trainer.max_steps=4", "trainer.val_check_interval=2", "evaluation.crystals=4")
    changes = (*small, "data.train_size=20", "model.width=2", "model.blocks=1", f"data.build.folder={tmp_path}")

    def run(jobs: str) -> str:
        given = ("--study", "crystals", "--folder", str(tmp_path / "runs"), "--jobs", jobs, *changes)
        monkeypatch.setattr("sys.argv", ["studies.py", *given])
        with pytest.raises(SystemExit) as left:
            studies.main()
        printed = capsys.readouterr().out
        assert left.value.code == 0, printed
        return printed

    first, second = run("1"), run("0")
    assert first.endswith(second)
    [row] = rows_of(second)
    assert row["steps"] == "4"
    assert float(row["validation loss"]) > 0
    assert float(row["processor, s"]) > 0
    assert (tmp_path / "runs" / "crystals.png").exists()
