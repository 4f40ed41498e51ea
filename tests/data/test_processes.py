"""Two processes that train together: real ones, over gloo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from phaselearn.data.store.pair_store import PairStore
from tests.cli.folders import environment
from tests.data.test_datamodule import datamodule

SCRIPT = """
import json, sys
import pytorch_lightning as pl
import torch
from phaselearn.data.store.pair_store import PairStore
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.models.mlp import MultilayerPerceptron
from tests.conftest import OCTANT
from tests.data.test_datamodule import datamodule

class Perceptron(MultilayerPerceptron):
    needs = None

class Rows(pl.Callback):
    def __init__(self):
        self.train, self.validation = [], []
    def on_train_batch_start(self, trainer, module, batch, batch_index):
        self.train.append((trainer.current_epoch, batch["row"].tolist()))
    def on_validation_batch_end(self, trainer, module, outputs, batch, batch_index):
        self.validation.append(batch["row"].tolist())

def main():
    path, folder, workers, batching, cache = sys.argv[1:]
    data = datamodule(
        PairStore(path), num_workers=int(workers), batching=batching, cache=cache, shuffle_buffer=64,
        input_scaling="deviation", target_scaling="deviation",
    )
    torch.manual_seed(0)
    model = Perceptron([8], False, loss=MeanSquaredError(), definition=OCTANT, optimizer=torch.optim.Adam)
    rows = Rows()
    trainer = pl.Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, callbacks=[rows], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, num_sanity_val_steps=0,
    )
    trainer.fit(model, datamodule=data)
    alone = [row for batch in data.evaluation_loader("test", None) for row in batch["row"].tolist()]
    told = {
        "train": rows.train, "validation": rows.validation, "alone": alone,
        "loss": float(trainer.callback_metrics["train/loss"]),
    }
    with open(f"{folder}/{trainer.global_rank}.json", "w") as file:
        json.dump(told, file)

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "batching", "cache"), [(0, "random", "ram"), (2, "cell", "none")])
def test_two_processes_see_everything_once(
    tiny_store: PairStore, tmp_path: Path, workers: int, batching: str, cache: str
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, script, tiny_store.path, tmp_path, str(workers), batching, cache]
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    data = datamodule(tiny_store)
    for epoch in range(2):
        shares = [[rows for number, rows in each["train"] if number == epoch] for each in told]
        assert len(shares[0]) == len(shares[1])
        assert sorted(row for share in shares for rows in share for row in rows) == data.rows("train").tolist()
    validated = [row for each in told for rows in each["validation"] for row in rows]
    assert sorted(validated) == sorted(2 * data.rows("validation").tolist())  # once an epoch
    assert told[0]["loss"] == told[1]["loss"]
    # The evaluation afterwards is one process's alone.
    assert told[0]["alone"] == data.rows("test").tolist()
