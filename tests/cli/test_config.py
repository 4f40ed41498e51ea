"""`phaselearn config`: what a command would run, and why."""

from __future__ import annotations

from pathlib import Path

from tests.cli.folders import PHASELEARN, command


def test_config_says_what_would_run_and_why(tmp_path: Path) -> None:
    asked = ("experiment=report_mlp10_150", "loss=l1", "optim.optimizer.lr=0.01")
    rows = [" ".join(line.split()) for line in command(tmp_path, *PHASELEARN, "config", *asked).stdout.splitlines()]
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
