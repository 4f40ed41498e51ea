"""The weights that a run begins with: those of the package, of a run folder, of a checkpoint.

With a learning rate of zero, a run ends with the weights that it began with.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from phaselearn.models.model_card import cards
from tests.cli.folders import weights
from tests.cli.inside import call, new_folder
from tests.thinned import thinned

SHORT = (
    *("data=hkl10", "source.count=40", "data.store=octant.zarr", "model.hidden_sizes=[5]"),
    *("trainer.max_epochs=1", "evaluation=none", "quiet=true"),
)
STILL = "optim.optimizer.lr=0.0"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, in which all following commands work."""
    with new_folder(tmp_path_factory) as folder:
        assert call("train", *SHORT, "run=first") == 0
        yield folder


@pytest.mark.parametrize("given", ["first", "first/best.ckpt"])
def test_a_training_begins_with_the_weights_of_a_run(workplace, given):
    run = workplace / f"from_{Path(given).name}"
    assert call("train", *SHORT, STILL, "seed=1", f"weights={given}", f"run={run.name}") == 0
    assert_same(weights(run), weights(workplace / "first", "best"))
    assert OmegaConf.load(run / "config.yaml").weights == given


def test_new_weights_differ(workplace):
    assert call("train", *SHORT, STILL, "seed=1", "run=new") == 0
    first = weights(workplace / "first", "best")
    assert not all(torch.equal(values, first[name]) for name, values in weights(workplace / "new").items())


def test_a_resumed_run_goes_on_with_its_own_weights_without_the_file_that_it_began_with(workplace):
    shutil.copytree(workplace / "first", workplace / "gone")
    assert call("train", *SHORT, STILL, "weights=gone", "run=resumed") == 0
    shutil.rmtree(workplace / "gone")
    before = weights(workplace / "resumed")
    assert call("train", "resume=resumed", "trainer.max_epochs=2", "quiet=true") == 0
    assert_same(weights(workplace / "resumed"), before)


@pytest.mark.parametrize("name", thinned(cards(), {"cnn", "unrolled"}.__contains__))
def test_default_names_the_weights_of_the_chosen_model(workplace, name):
    """The folder of the run says which, so that it can be resumed, where no model is chosen."""
    changes = [f"model={name}", *(choice for choice in cards()[name].choices if choice.startswith("data="))]
    changes += ["source.count=20", "data.batch_size=4", "trainer.limit_train_batches=1", "trainer.max_epochs=1"]
    changes += ["evaluation=none", "quiet=true", STILL]
    if name == "unrolled":
        changes.append("model.training.flipping=null")
    assert call("train", *changes, "weights=default", f"run=refined_{name}") == 0
    assert OmegaConf.load(workplace / f"refined_{name}" / "config.yaml").weights == name
    package = torch.load(cards()[name].path, weights_only=True)["state_dict"]
    assert_same(weights(workplace / f"refined_{name}"), package)


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    """Both hold the same numbers under the same names."""
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name
