"""A training whose loss or weights are not finite ends, and says what may be the cause."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from phaselearn.callbacks.finite_loss import Diverged, FiniteLoss


def test_the_error_names_the_check_of_the_data(tmp_path: Path) -> None:
    """Pairs that are not finite in a store end a training at any learning rate."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    trainer: Any = SimpleNamespace(
        default_root_dir=str(tmp_path),
        optimizers=[optimizer],
        current_epoch=0,
        global_step=1,
        datamodule=SimpleNamespace(configured_store=SimpleNamespace(path=lambda: Path("my pairs.zarr"))),
    )
    callback = FiniteLoss(every=1)
    module: Any = torch.nn.Linear(1, 1)
    callback.on_train_batch_end(trainer, module, {"loss": torch.tensor(1.0)}, None, 0)
    with pytest.raises(Diverged) as error:
        callback.on_train_batch_end(trainer, module, {"loss": torch.tensor(float("nan"))}, None, 1)
    assert str(error.value).endswith("`phaselearn prepare verify=true 'data.store=\"my pairs.zarr\"'`")
