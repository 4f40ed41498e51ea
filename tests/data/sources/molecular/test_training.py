"""The configuration that trains on molecules, and the crystals that test it."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate

from phaselearn.commands.session import build_data, build_model
from phaselearn.testing.options import composed

SMALL = (
    *("model.network.width=4", "model.network.hidden=4", "model.network.cycles=1"),
    *("source.count=12", "data.endless=4", "data.batch_size=2", "data.build.workers=1"),
)


def test_the_network_trains_on_new_molecules(tmp_path) -> None:
    """Two steps, without a validation: the weights change, and the losses are numbers."""
    config = composed("experiment=unrolled_molecules", f"data.store={tmp_path / 's.zarr'}", *SMALL)
    data = build_data(config)
    data.prepare_data()
    model = build_model(config, data.definition)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=2, limit_val_batches=0, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(model, datamodule=data)
    assert trainer.global_step == 2
    after = list(model.parameters())
    assert all(torch.isfinite(parameter).all() for parameter in after)
    assert any(not torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_the_crystals_of_the_benchmark_are_not_those_of_training() -> None:
    training, test = (
        instantiate(composed("experiment=unrolled_molecules", f"source={name}").source)
        for name in ("molecular", "molecular_test")
    )
    assert training.seed != test.seed
    assert training.crystal(0).id != test.crystal(0).id
