"""`phaselearn config`: what a command would run, and why."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from phaselearn.commands.config import main
from phaselearn.commands.overrides import path_as_written, value_of
from tests.cli.folders import PHASELEARN, command


def test_config_says_what_would_run_and_why(tmp_path: Path) -> None:
    asked = ("experiment=report_mlp10_150", "loss=l1", "optim.optimizer.lr=0.01")
    printed = command(tmp_path, *PHASELEARN, "config", "--weights", *asked).stdout
    rows = [" ".join(line.split()) for line in printed.splitlines()]
    # In the order: given on the command line, by the experiment, by default; then single values.
    for start in ("loss l1 given", "data hkl10 experiment", "source prototypes default"):
        assert any(row.startswith(start) for row in rows), start
    assert "optim.optimizer.lr 0.01 0.001 given" in rows
    assert "data.train_size 150 None experiment" in rows
    assert "model: MultilayerPerceptron, 201,100 weights to train" in rows  # 1,000 · 100 + 100 + 100 · 1,000 + 1,000
    assert list(tmp_path.iterdir()) == []
    failed = command(tmp_path, *PHASELEARN, "config", "model=mlpp", succeeds=False)
    assert failed.returncode == 2
    assert "did you mean mlp" in failed.stderr


def test_config_names_the_command_that_counts_weights(tmp_path: Path) -> None:
    [line] = [
        line
        for line in command(tmp_path, *PHASELEARN, "config", "loss=l1").stdout.splitlines()
        if line.startswith("model:")
    ]
    assert line == "model:  MultilayerPerceptron, `phaselearn config --weights loss=l1` counts its weights to train"
    counted = command(tmp_path, *PHASELEARN, *shlex.split(line.split("`")[1])[1:]).stdout
    assert "MultilayerPerceptron, " in counted
    assert "counts" not in counted


@pytest.mark.parametrize(
    "asked",
    [
        ["source=materials_project", "source.filters.elements=[Si,O]", "data.store=s3://bucket/pairs.zarr"],
        ["source=file", "source.path=it's huge?.jsonl"],
    ],
    ids=["fetched", "hashed"],
)
def test_config_builds_hashes_fetches_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: list[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("config may only look")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "it's huge?.jsonl").write_text("{}\n")
    for name in (
        "sources.file.File.fingerprint",
        "sources.materials_project.source.fetch",
        "store.bucket.BucketStorage.__init__",
    ):
        monkeypatch.setattr(f"phaselearn.data.{name}", never)
    monkeypatch.setattr("sys.argv", ["phaselearn config", *asked])
    main()
    printed = capsys.readouterr().out
    [again] = [line for line in printed.splitlines() if line.startswith("run it: ")]
    words = shlex.split(again.removeprefix("run it: "))
    assert words[:2] == ["phaselearn", "train"]
    assert [value_of(word) for word in words[2:]] == [value_of(path_as_written(word)) for word in asked]
    assert [path.name for path in tmp_path.iterdir()] == ["it's huge?.jsonl"]
