"""A network is trained, resumed, judged and applied on cells of any shape by command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.folders import assert_same_training, table
from tests.cli.inside import call

CHOICES = (
    "model=unrolled",
    "loss=shift_invariant",
    "data=sphere1.0",
    "data.store=s.zarr",
    "source=synthetic",
    "source.count=14",
    "source.atoms=[2,6]",
    "data.batch_size=4",
    "model.network.width=3",
    "model.network.hidden=1",
    "model.network.cycles=2",
    "trainer=cpu",
    "evaluation.methods=[]",
    "evaluation.crystals=2",
    "evaluation.shown=1",
)


def test_a_network_is_trained_judged_and_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("train", *CHOICES, "trainer.max_epochs=1", "run=run", "evaluation=table") == 0
    assert {row["n"] for row in table(Path("run/results.csv")) if row["subset"] == "all"} == {"2"}
    assert call("predict", "run=run", "store=s.zarr", "output=out") == 0
    assert len(table(Path("out/predictions.csv"))) == len(list(Path("out/maps").glob("*.ccp4"))) == 14


@pytest.mark.slow
def test_a_resumed_training_is_one_that_never_stopped_and_has_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("train", *CHOICES, "trainer.max_epochs=2", "run=whole", "evaluation=none") == 0
    assert call("train", *CHOICES, "trainer.max_epochs=1", "run=parts", "evaluation=none") == 0
    assert call("train", "resume=parts", "trainer.max_epochs=2") == 0
    assert_same_training(Path("parts"), Path("whole"))
    assert call("evaluate", "run=parts") == 0
    [page] = Path("parts/evaluations").glob("*/report.html")
    assert "sphere of 1.0 Å" in page.read_text()
