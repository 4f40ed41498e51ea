"""A run that is stopped within an epoch and resumed equals one that never stopped, to the last bit."""

from __future__ import annotations

import warnings
from itertools import product
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from phaselearn.callbacks.last_checkpoint import LastCheckpoint
from phaselearn.callbacks.step_seeds import StepSeeds
from phaselearn.data.preparation.augmentation import Augmentation
from phaselearn.data.preparation.observation import Observation
from phaselearn.errors import UserError
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.models.learning_rate import cosine
from phaselearn.models.mlp import MultilayerPerceptron
from tests.conftest import OCTANT
from tests.data.test_datamodule import datamodule


class Perceptron(MultilayerPerceptron):
    needs = None  # so that batches hold their rows


class Dropping(Perceptron):
    """A network that draws random numbers in training."""

    def forward(self, batch):
        return torch.nn.functional.dropout(super().forward(batch), 0.5, self.training)


class Rows(pl.Callback):
    """Notes the rows of each batch, and stops as Ctrl-C does after some."""

    def __init__(self, stop_after=None):
        self.seen = []
        self.stop_after = stop_after

    def on_train_batch_start(self, trainer, module, batch, batch_index):
        self.seen.append((trainer.current_epoch, batch_index, batch["row"].tolist()))
        if len(self.seen) == self.stop_after:
            last = next(callback for callback in trainer.callbacks if isinstance(callback, LastCheckpoint))
            last._note(2, None)


def train(
    folder,
    store,
    stop_after=None,
    resume=False,
    epochs=3,
    validate_every=1,
    schedule=cosine,
    kind=Perceptron,
    **changes,
):
    options = {"observation": Observation(noise=0.2), "augmentation": Augmentation(axes=True)}
    data = datamodule(store, **(options | {"input_scaling": "deviation", "target_scaling": "deviation"} | changes))
    torch.manual_seed(0)
    learning = {"loss": MeanSquaredError(), "optimizer": torch.optim.Adam, "schedule": schedule}
    model = kind([8], False, definition=OCTANT, **learning)
    rows = Rows(stop_after)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        check_val_every_n_epoch=validate_every,
        callbacks=[rows, StepSeeds(1), LastCheckpoint(dirpath=str(folder))],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    try:
        trainer.fit(model, datamodule=data, ckpt_path=folder / "last.ckpt" if resume else None, weights_only=True)
    except SystemExit:
        assert stop_after
    return model.state_dict(), rows.seen, float(trainer.callback_metrics.get("train/loss", torch.nan))


@pytest.mark.parametrize(
    ("workers", "cache", "batching", "stop_after"),
    [
        (0, "none", "random", 3),
        pytest.param(2, "none", "random", 20, marks=pytest.mark.slow),
        pytest.param(2, "ram", "random", 3, marks=pytest.mark.slow),
        pytest.param(2, "none", "cell", 20, marks=pytest.mark.slow),
    ],
)
def test_a_run_stopped_within_an_epoch_goes_on_with_the_next_batch(
    tiny_store, tmp_path, workers, cache, stop_after, batching
):
    changes = {"num_workers": workers, "cache": cache, "shuffle_buffer": 64, "batching": batching}
    weights, seen, loss = train(tmp_path / "whole", tiny_store, **changes)
    _, before, _ = train(tmp_path / "stopped", tiny_store, stop_after=stop_after, **changes)
    assert len(before) == stop_after
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*not resumable.*")
        resumed, after, resumed_loss = train(tmp_path / "stopped", tiny_store, resume=True, **changes)
    assert before + after == seen
    assert all(torch.equal(resumed[name], weights[name]) for name in weights)
    assert resumed_loss == loss


@pytest.mark.parametrize("stop_after", [3, 8])
def test_a_network_that_draws_random_numbers_draws_the_same_ones_after_a_stop(tiny_store, tmp_path, stop_after):
    changes = {"kind": Dropping, "batch_size": 16}
    weights, *_ = train(tmp_path / "whole", tiny_store, **changes)
    again, *_ = train(tmp_path / "again", tiny_store, **changes)
    train(tmp_path / "stopped", tiny_store, stop_after=stop_after, **changes)
    resumed, *_ = train(tmp_path / "stopped", tiny_store, resume=True, **changes)
    assert all(torch.equal(resumed[name], weights[name]) for name in weights)
    assert all(torch.equal(again[name], weights[name]) for name in weights)


def test_the_seeds_of_all_batches_and_processes_differ():
    drawn = set()
    for rank, step, batch in product(range(2), range(3), range(2)):
        place = SimpleNamespace(global_rank=rank, global_step=step)
        for seed in (0, 1):
            StepSeeds(seed).on_train_batch_start(place, None, None, batch)
            drawn.add(torch.rand(1).item())
    assert len(drawn) == 24


def test_the_number_of_workers_may_change(tiny_store, tmp_path):
    _, before, _ = train(tmp_path, tiny_store, stop_after=3, num_workers=2)
    _, after, _ = train(tmp_path, tiny_store, resume=True)
    first = [row for epoch, _, rows in before + after if epoch == 0 for row in rows]
    assert sorted(first) == datamodule(tiny_store).rows("train").tolist()


def test_other_batches_are_refused(tiny_store, tmp_path):
    train(tmp_path, tiny_store, stop_after=3)
    with pytest.raises(UserError, match=r"data\.batch_size"):
        train(tmp_path, tiny_store, resume=True, batch_size=7)


def test_ctrl_c_at_the_last_batch_of_an_epoch_stops_after_its_validation(tiny_store, tmp_path):
    weights, seen, _ = train(tmp_path / "whole", tiny_store)
    batches = len(datamodule(tiny_store).train_dataloader())
    _, before, _ = train(tmp_path / "stopped", tiny_store, stop_after=batches)
    assert len(before) == batches
    resumed, after, _ = train(tmp_path / "stopped", tiny_store, resume=True)
    assert before + after == seen
    assert all(torch.equal(resumed[name], weights[name]) for name in weights)


def test_the_last_epochs_are_kept_although_no_validation_follows_them(tiny_store, tmp_path):
    weights, seen, _ = train(tmp_path / "whole", tiny_store, epochs=4, validate_every=2, schedule=None)
    _, before, _ = train(tmp_path / "short", tiny_store, epochs=3, validate_every=2, schedule=None)
    resumed, after, _ = train(tmp_path / "short", tiny_store, resume=True, epochs=4, validate_every=2, schedule=None)
    assert before + after == seen
    assert all(torch.equal(resumed[name], weights[name]) for name in weights)
