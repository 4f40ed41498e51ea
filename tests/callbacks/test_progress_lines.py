"""Lines of progress where there is no terminal."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from phaselearn.callbacks import progress_lines
from phaselearn.callbacks.progress_lines import ProgressLines


def test_a_long_epoch_has_lines_of_its_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Steps of 10 s, an epoch of 5: lines after 30 s, and at the validation 30 s later."""
    clock = [100.0]
    monkeypatch.setattr(progress_lines.time, "monotonic", lambda: clock[0])
    trainer = SimpleNamespace(
        state=SimpleNamespace(fn="fit"), is_global_zero=True, max_epochs=2, current_epoch=0, global_step=0
    )
    trainer.callback_metrics = {}
    lines = ProgressLines("val/median_cc", 30.0)
    lines.on_train_start(trainer, None)
    for step in range(1, 6):
        clock[0] += 10
        trainer.global_step = step
        lines.on_train_batch_end(trainer)
    clock[0] += 10
    trainer.callback_metrics = {"val/median_cc": torch.tensor(0.75)}
    lines.on_validation_end(trainer, None)
    told = capsys.readouterr().err.splitlines()
    assert told == ["epoch 1 of 2, step 3, 30 s", "epoch 1 of 2, step 5, val/median_cc 0.750, 60 s"]
