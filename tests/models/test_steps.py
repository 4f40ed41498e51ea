"""Values that the steps shared by all models log."""

import pytorch_lightning as pl
import torch

from phaselearn.losses.mse import MeanSquaredError
from phaselearn.models.mlp import MultilayerPerceptron
from tests.conftest import OCTANT
from tests.data.test_datamodule import datamodule


def fitted(data, checkpoint=None, callbacks=(), **options):
    torch.manual_seed(0)
    model = MultilayerPerceptron(
        [8],
        False,
        loss=MeanSquaredError(),
        definition=OCTANT,
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.0),
    )
    seen = []

    class Watch(pl.Callback):
        def on_train_epoch_end(self, trainer, module):
            seen.append(trainer.callback_metrics.get("train/loss"))

    trainer = pl.Trainer(
        accelerator="cpu",
        callbacks=[Watch(), *callbacks],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **{"limit_val_batches": 0, **options},
    )
    trainer.fit(model, datamodule=data, ckpt_path=checkpoint)
    return model, trainer, seen


def test_the_training_loss_of_an_epoch_is_the_mean_over_its_crystals(tiny_store):
    data = datamodule(tiny_store, cache="ram", target_scaling="deviation")
    model, trainer, seen = fitted(data, max_epochs=2)
    everything = data.dataset("train")
    batch = everything.__getitems__([(place, 0) for place in range(len(everything))])
    assert len(everything) % data.loading.batch_size
    with torch.no_grad():
        expected = model.training_losses(batch).mean()
    torch.testing.assert_close(trainer.callback_metrics["train/loss"], expected, rtol=1e-5, atol=0)
    # Callbacks, early stopping for one, find it at the end of the epoch.
    torch.testing.assert_close(torch.stack(seen), expected.expand(2), rtol=1e-5, atol=0)


def test_an_epoch_that_is_cut_short_has_a_training_loss(tiny_store):
    _, trainer, _ = fitted(datamodule(tiny_store, cache="ram"), max_steps=3)
    assert torch.isfinite(trainer.callback_metrics["train/loss"])


def test_a_run_goes_on_from_a_checkpoint_within_an_epoch(tiny_store, tmp_path):
    class Save(pl.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_index):
            if batch_index == 2:
                trainer.save_checkpoint(tmp_path / "within.ckpt")

    data = datamodule(tiny_store, cache="ram", target_scaling="deviation")
    _, whole, _ = fitted(data, callbacks=[Save()], max_epochs=1)
    _, resumed, _ = fitted(data, tmp_path / "within.ckpt", max_epochs=1)
    assert resumed.global_step == whole.global_step == whole.num_training_batches > 3
    assert torch.isfinite(resumed.callback_metrics["train/loss"])


def test_a_training_batch_holds_what_the_model_and_its_loss_read_and_a_validation_batch_everything(tiny_store):
    parts = {"train": set(), "validation": set()}

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_index):
            parts["train"].add(frozenset(batch))

        def on_validation_batch_start(self, trainer, module, batch, batch_index, dataloader_idx=0):
            parts["validation"].add(frozenset(batch))

    data = datamodule(tiny_store, cache="ram")
    model, _, _ = fitted(data, callbacks=[Watch()], max_epochs=1, limit_val_batches=1)
    assert parts["train"] == {frozenset({"input", "density"})} == {model.training_needs}
    assert parts["validation"] == {frozenset(next(iter(data.val_dataloader())))}
