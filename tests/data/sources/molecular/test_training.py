"""The configuration that trains on molecules, and the crystals that test it."""

from __future__ import annotations

import numpy as np
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate

from phaselearn.commands.session import build_data, build_model
from phaselearn.data.build.store_build import build_store
from phaselearn.data.sources.molecular.source import Molecular
from phaselearn.testing.options import composed
from tests.conftest import FULL

SMALL = (
    *("model.network.width=4", "model.network.hidden=4", "model.network.cycles=1"),
    *("source.count=12", "data.batch_size=2", "weights=null", "data.build.workers=1"),
)


def test_the_network_trains_on_molecules_in_cells_of_any_shape(tmp_path) -> None:
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


def test_a_store_keeps_the_displacements(tmp_path) -> None:
    """U of each atom comes back from a store as it was made, alone and padded."""
    source = Molecular(4, 0, "primitive", (6, 12), hydrogen=True)
    store = build_store(source, FULL, tmp_path / "s.zarr", 60.0, {}, workers=1)
    assert len(store) == 4
    for row in range(4):
        expected = source.crystal(int(store.ids()[row].rpartition("-")[2]))
        np.testing.assert_array_equal(store.crystal(row).u_iso, expected.u_iso)
    padded = store.displacements(np.arange(4))
    assert padded.shape == store.atoms(np.arange(4))[0].shape
    assert not np.isnan(padded).any()
