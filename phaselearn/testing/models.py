"""The contract of a model: `ModelContract` runs on each option of conf/model, and on your own class.

class TestMine(ModelContract):
    def model(self, definition):
        return MyModel(width=4, loss=MeanSquaredError(), definition=definition, optimizer=torch.optim.Adam)
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from phaselearn.data.batch import Batch, map_batch, select
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.preparation.observation import Observation
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.models.base import DensityModel
from phaselearn.testing.batches import DEFINITION, small_batch
from phaselearn.testing.options import composed


class ModelContract:
    """Tests of a model. A subclass builds the model, and pytest collects the tests."""

    def model(self, definition: PairDefinition) -> DensityModel:
        """Return the model under test for 10³ pairs in the full layout."""
        raise NotImplementedError("a contract needs a model: override `model`")

    @pytest.fixture
    def built(self) -> DensityModel:
        """The model, with reproducible weights."""
        torch.manual_seed(0)
        return self.model(DEFINITION).eval()

    def test_predicts_one_finite_map_a_crystal(self, built: DensityModel) -> None:
        batch = small_batch()
        with torch.no_grad():
            prediction = built(batch)
        assert prediction.shape == batch["density"].shape
        assert torch.isfinite(prediction).all()

    def test_never_reads_the_truth(self, built: DensityModel) -> None:
        batch = small_batch()
        scrambled = batch | Batch(
            density=torch.randn_like(batch["density"]),
            # A model that is told the composition still knows no order of the atoms, and no positions.
            numbers=batch["numbers"].flip(1 if "numbers" in built.told else 0),
            positions=torch.rand_like(batch["positions"]),
        )
        with torch.no_grad():
            assert torch.equal(built(batch), built(scrambled))

    def test_a_crystal_does_not_depend_on_its_batch(self, built: DensityModel) -> None:
        if built.chaotic:
            pytest.skip("rounding, which depends on the batch, grows in this model")
        batch = small_batch()
        alone = map_batch(batch, lambda values: values[1:2])
        with torch.no_grad():
            torch.testing.assert_close(built(batch)[1:2], built(alone), rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("factor", [0.0, -1.0, torch.nan], ids=["zero", "negative", "NaN"])
    def test_a_crystal_without_data_changes_no_other(self, built: DensityModel, factor: float) -> None:
        batch = small_batch()
        intensity = batch["intensity"].clone()
        intensity[1] *= factor
        given = Observation().apply(batch | Batch(intensity=intensity), DEFINITION.layout, [0, 1, 2])
        empty = given | Batch(input=batch["input"] * (given["intensity"] > 0))
        with torch.no_grad():
            whole, damaged = built(batch), built(empty)
        assert torch.isfinite(damaged).all()
        torch.testing.assert_close(damaged[[0, 2]], whole[[0, 2]], rtol=1e-3, atol=1e-3)

    def test_state_holds_plain_tensors(self, built: DensityModel, tmp_path: Path) -> None:
        torch.save(built.state_dict(), tmp_path / "weights.pt")
        built.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))

    def test_trained_weights_all_get_finite_gradients(self, built: DensityModel) -> None:
        trained = [parameter for parameter in built.parameters() if parameter.requires_grad]
        if not trained:
            pytest.skip("a model without weights")
        batch = small_batch()
        built.train()
        built.training_losses(batch).mean().backward()
        assert all(parameter.grad is not None and torch.isfinite(parameter.grad).all() for parameter in trained)

    def test_trains_on_what_it_needs(self, built: DensityModel) -> None:
        if built.needs is None:
            pytest.skip("a model that may read all of a batch")
        batch = small_batch()
        needed = select(batch, built.needs | {"input", "density"})
        with torch.no_grad():
            assert torch.equal(built.training_losses(needed), built.training_losses(batch))

    def test_learns_one_batch(self, built: DensityModel) -> None:
        if not any(parameter.requires_grad for parameter in built.parameters()):
            pytest.skip("a model without weights")
        batch = small_batch()
        batch["density"] = batch["density"] / batch["density"].std()
        optimizer = torch.optim.Adam(built.parameters(), lr=1e-3)
        built.train()
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = built.training_losses(batch).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert min(losses[-3:]) < 0.95 * losses[0]

    def test_runs_under_bfloat16_autocast(self, built: DensityModel) -> None:
        batch = small_batch()
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            prediction = built(batch)
            assert torch.isfinite(built.loss(prediction, batch["density"], batch)).all()


def from_option(option: str, *overrides: str) -> type[ModelContract]:
    """Return the contract of an option of conf/model."""

    @cache
    def config() -> DictConfig:
        return composed(f"model={option}", *overrides).model

    class Contract(ModelContract):
        def model(self, definition: PairDefinition) -> DensityModel:
            return instantiate(config(), _partial_=True)(
                loss=MeanSquaredError(), definition=definition, optimizer=partial(torch.optim.Adam, lr=1e-3)
            )

    return Contract
