"""A run folder is resumed where the configuration is the same, and left alone otherwise."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import torch

from phaselearn.locks import LockFile, held
from phaselearn.models.base import DensityModel
from tests.cli.folders import results
from tests.cli.inside import call, new_folder
from tests.data.files import files_of
from tests.thinned import thinned

QUICK = (
    *("source.count=60", "data=hkl10", "data.store=a.zarr", "data.batch_size=16", "trainer.max_epochs=1", "seed=0"),
    *("evaluation=table", "evaluation.crystals=4", "evaluation.methods=[phase_zero]", "~callbacks.pictures"),
)
BENCHMARK = (
    "benchmark",
    "source.count=30",
    "models=[phase_zero]",
    "regimes=[full10]",
    "homometry=null",
    "resamples=10",
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a benchmark."""
    with new_folder(tmp_path_factory) as folder:
        assert call("train", *QUICK, "run=same") == 0
        assert call(*BENCHMARK, "run=compared") == 0
    return folder


@pytest.fixture
def refused(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Any:
    """Run a command that must fail in one line and change no file; return the line."""
    monkeypatch.chdir(workplace)

    def run(*arguments: str) -> str:
        before = files_of(workplace)
        capfd.readouterr()
        assert call(*arguments) == 2
        [line] = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
        assert files_of(workplace) == before
        return line

    return run


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("seed=7",), "seed: 0 there, 7 asked"),
        pytest.param(
            ("loss=l1", "optim.optimizer.lr=0.01"),
            "optim.optimizer.lr: 0.001 there, 0.01 asked",
            marks=pytest.mark.slow,
        ),
        pytest.param(("model=cnn",), "holds another run", marks=pytest.mark.slow),
        (("trainer.max_epochs=2",), "resume it with `phaselearn train resume="),
    ],
)
def test_another_run_is_not_written_over_one(refused: Any, changes: tuple[str, ...], told: str) -> None:
    line = refused("train", *QUICK, "run=same", *changes)
    assert told in line
    assert "run=outputs/NAME" in line


@pytest.mark.parametrize(
    "command",
    [
        (*BENCHMARK, "models=[solver]", "starts=[random]", "search.counts=[2,1]"),
        # Nobody says how many atoms of each element are in the cell.
        ("solve", "crystal.hkl", "starts=random_atoms", "cell=[9.748,8.89,7.566,90,112.74,90]", "elements=[C,H,O]"),
    ],
)
def test_a_command_that_has_done_nothing_leaves_no_folder(refused: Any, command: tuple[str, ...]) -> None:
    shutil.copy(resources.files("phaselearn.measured") / "examples" / "cod_2016452.hkl", "crystal.hkl")
    refused(*command, "run=unused")
    assert not Path("unused").exists()


def test_the_same_run_is_gone_on_with(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    before, judged = files_of(workplace / "same"), results(workplace / "same")
    assert call("train", *QUICK, "run=same") == 0
    after = files_of(workplace / "same")
    assert after.keys() == before.keys()
    for name in ("config.yaml", "command.txt", "last.ckpt", "crystals.csv"):
        assert after[name] == before[name]
    assert results(workplace / "same") == judged


def test_a_run_is_not_written_over_a_benchmark_nor_a_benchmark_over_a_run(refused: Any) -> None:
    assert "holds another run" in refused("train", *QUICK, "run=compared")
    assert "holds another run" in refused(*BENCHMARK, "run=same")
    assert "count: 200 there, 5 asked" in refused(*BENCHMARK, "run=compared", "count=5")


def test_a_benchmark_goes_on(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workplace)
    before = files_of(workplace / "compared")
    assert call(*BENCHMARK, "run=compared") == 0
    assert "crystals; count=200 asked for more." in capsys.readouterr().out
    assert files_of(workplace / "compared")["benchmark.csv"] == before["benchmark.csv"]


@pytest.mark.parametrize(
    "command",
    thinned(
        [("train", *QUICK, "run=same"), ("train", "resume=same"), (*BENCHMARK, "run=compared")],
        lambda command: "run=same" in command,
    ),
)
def test_one_process_at_a_time_writes_a_run_folder(refused: Any, workplace: Path, command: tuple[str, ...]) -> None:
    folder = workplace / command[-1].partition("=")[2]
    with held(LockFile(folder / "run.lock", f"works in {folder.name}")):
        line = refused(*command)
    assert f"works in {folder.name} since" in line
    assert "wait for it" in line


@pytest.mark.parametrize(
    "content", thinned(["a: [", "- 1\n", "name: of another program\n"], "name: of another program\n".__eq__)
)
def test_a_configuration_of_another_program_is_not_written_over(refused: Any, workplace: Path, content: str) -> None:
    (workplace / "foreign").mkdir(exist_ok=True)
    (workplace / "foreign" / "config.yaml").write_text(content)
    assert "run=outputs/NAME" in refused("train", *QUICK, "run=foreign")


def test_checkpoints_of_nobody_knows_what_are_not_gone_on_with(refused: Any, workplace: Path) -> None:
    (workplace / "unknown").mkdir()
    (workplace / "unknown" / "last.ckpt").write_bytes((workplace / "same" / "last.ckpt").read_bytes())
    assert "no config.yaml" in refused("train", *QUICK, "run=unknown")


def test_a_file_is_no_run_folder(refused: Any, workplace: Path) -> None:
    (workplace / "file").write_text("…")
    for run in ("file", "file/inner"):
        assert "cannot be made" in refused("train", *QUICK, f"run={run}")


def test_a_folder_that_cannot_be_written_is_told_in_a_line(refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", "run.lock")

    monkeypatch.setattr("phaselearn.locks.LockFile.take", denied)
    line = refused("train", *QUICK, "run=same")
    assert "Permission denied: run.lock: change its permissions, or name another place" in line


def test_a_run_whose_time_is_over_goes_on(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.chdir(workplace)
    over = []
    monkeypatch.setattr("phaselearn.callbacks.time_limit.TimeLimit.time_elapsed", lambda *_: 61.0 if over else 0.0)
    monkeypatch.setattr(DensityModel, "on_train_batch_start", lambda *_: over.append(1))
    steps = []
    for command in (("train", *QUICK, "run=timed", "trainer.max_time=00:00:01:00"), ("train", "resume=timed")):
        over.clear()
        assert call(*command) == 0
        steps.append(torch.load(workplace / "timed" / "last.ckpt", weights_only=True)["global_step"])
        assert "trainer.max_time is over" in capfd.readouterr().err
    assert steps == [1, 2]


def test_the_newest_run_that_a_mistake_names_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders of `phaselearn solve` and `benchmark` hold a configuration, too."""
    monkeypatch.chdir(tmp_path)
    for name, files in (
        ("trained", ("config.yaml", "training_set.json")),
        ("solved", ("config.yaml", "solution.json")),
    ):
        Path("outputs", name).mkdir(parents=True)
        for file in files:
            Path("outputs", name, file).touch()
    assert call("evaluate", "run=nowhere") == 2
    assert "`phaselearn evaluate run=outputs/trained`" in capsys.readouterr().err
