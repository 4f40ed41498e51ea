"""The search for a learning rate ends with a message where it cannot search."""

import pytest
import pytorch_lightning as pl
from pytorch_lightning.demos.boring_classes import BoringModel

from phaselearn.callbacks.learning_rate_finder import RateFinder
from phaselearn.errors import UserError


def test_a_run_of_one_step_has_no_steps_to_search_in(tmp_path):
    trainer = pl.Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        fast_dev_run=True,
        callbacks=[RateFinder(1e-6, 1.0, 100)],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with pytest.raises(UserError, match=r"trainer\.fast_dev_run=false"):
        trainer.fit(BoringModel())
