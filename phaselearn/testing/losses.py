"""The contract of a loss: `LossContract` runs on each option of conf/loss, and on your own class.

class TestMine(LossContract):
    def loss(self):
        return MyLoss(weight=2.0)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from phaselearn.data.batch import Batch, map_batch, select
from phaselearn.losses.base import Loss
from phaselearn.testing.batches import triclinic_batch
from phaselearn.testing.options import composed

# Changes of the prediction that a loss may ignore, by the names under which it declares them in `invariances`.
CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "origin": lambda maps: maps.roll((1, 3, 2), (1, 2, 3)),
    "inversion": lambda maps: maps.flip(1, 2, 3).roll((1, 1, 1), (1, 2, 3)),
    "scale": lambda maps: 1.7 * maps,
    "offset": lambda maps: maps + 0.3 * maps.amax(),
}


class LossContract:
    """Tests of a loss. A subclass builds the loss, and pytest collects the tests."""

    def loss(self) -> Loss:
        """Return the loss under test, for pairs in the full layout, on boxes of unequal edges."""
        raise NotImplementedError("a contract needs a loss: override `loss`")

    @pytest.fixture
    def batch(self) -> Batch:
        """Three triclinic crystals with their target densities, float64."""
        return triclinic_batch()

    @pytest.fixture
    def prediction(self, batch: Batch) -> Tensor:
        """A prediction that is neither right nor noise."""
        noise = torch.randn(batch["density"].shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        return batch["density"] + 0.2 * batch["density"].std() * noise

    def value(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Return the loss of a prediction."""
        return self.loss()(prediction, batch["density"], batch)

    def test_is_periodic_where_it_is_blind_to_origin_or_hand(self) -> None:
        loss = self.loss()
        assert loss.periodic or not loss.invariances & {"origin", "inversion"}

    def test_gives_one_value_a_sample_that_is_least_at_equality(self, prediction: Tensor, batch: Batch) -> None:
        value, equal = self.value(prediction, batch), self.value(batch["density"], batch)
        minimum = self.loss().minimum
        assert value.shape == (3,)
        assert (value > equal).all()
        assert (value > (minimum or 0)).all()
        if minimum is None:
            assert (equal >= 0).all()
        else:
            torch.testing.assert_close(equal, torch.full_like(equal, minimum), rtol=0, atol=1e-9 * value.max().item())

    def test_needs_a_target_exactly_where_it_says_so(self, prediction: Tensor, batch: Batch) -> None:
        if self.loss().needs_target:
            with pytest.raises(ValueError, match="target"):
                self.loss()(prediction, None, batch)
        else:
            assert torch.equal(self.loss()(prediction, None, batch), self.value(prediction, batch))

    def test_reads_of_the_batch_what_it_needs(self, prediction: Tensor, batch: Batch) -> None:
        needs = self.loss().needs
        if needs is not None:
            needed = select(batch, needs)
            assert torch.equal(self.loss()(prediction, batch["density"], needed), self.value(prediction, batch))

    @pytest.mark.parametrize("change", sorted(CHANGES))
    def test_is_blind_to_what_it_declares_and_to_nothing_else(
        self, prediction: Tensor, batch: Batch, change: str
    ) -> None:
        before, after = self.value(prediction, batch), self.value(CHANGES[change](prediction), batch)
        blind = torch.allclose(before, after, rtol=1e-6)
        assert blind == (change in self.loss().invariances)

    def test_is_periodic(self, prediction: Tensor, batch: Batch) -> None:
        def shifted(maps: Tensor) -> Tensor:
            return maps.roll((4, 7, 1), (1, 2, 3))

        both = batch | Batch(density=shifted(batch["density"]))
        torch.testing.assert_close(self.value(shifted(prediction), both), self.value(prediction, batch))

    def test_a_sample_does_not_depend_on_its_batch(self, prediction: Tensor, batch: Batch) -> None:
        alone = map_batch(batch, lambda values: values[1:2])
        torch.testing.assert_close(self.value(prediction, batch)[1:2], self.value(prediction[1:2], alone))

    def test_float32_gives_the_value_of_float64(self, prediction: Tensor, batch: Batch) -> None:
        single = map_batch(batch, lambda values: values.float() if values.is_floating_point() else values)
        value = self.value(prediction.float(), single)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), self.value(prediction, batch), rtol=1e-3, atol=1e-6)

    def test_computes_in_float32_under_bfloat16_autocast(self, prediction: Tensor, batch: Batch) -> None:
        single = prediction.float()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = self.value(single, batch)
            # A network's output has this precision under autocast.
            half = self.value(single.bfloat16(), batch)
        assert inside.dtype == half.dtype == torch.float32
        torch.testing.assert_close(inside, self.value(single, batch))
        torch.testing.assert_close(half, self.value(single.bfloat16().float(), batch))

    @pytest.mark.parametrize("kind", ["empty", "one voxel", "equal"])
    def test_gradients_are_finite_everywhere(self, batch: Batch, kind: str) -> None:
        prediction = torch.zeros_like(batch["density"])
        if kind == "one voxel":
            prediction[:, 2, 3, 4] = 1.0
        if kind == "equal":
            prediction = batch["density"].clone()
        value = self.value(prediction.requires_grad_(), batch)
        [gradient] = torch.autograd.grad(value.sum(), prediction)
        assert torch.isfinite(value).all()
        assert torch.isfinite(gradient).all()

    def test_gradient_agrees_with_finite_differences(self, prediction: Tensor, batch: Batch) -> None:
        direction = torch.randn(prediction.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        step = 1e-6 * prediction.std()
        leaf = prediction.clone().requires_grad_()
        [gradient] = torch.autograd.grad(self.value(leaf, batch).sum(), leaf)
        along = (gradient * direction).sum()
        ahead = self.value(prediction + step * direction, batch).sum()
        behind = self.value(prediction - step * direction, batch).sum()
        torch.testing.assert_close(along, (ahead - behind) / (2 * step), rtol=1e-4, atol=1e-9)


def from_option(option: str) -> type[LossContract]:
    """Return the contract of an option of conf/loss."""

    @cache
    def config() -> DictConfig:
        return composed(f"loss={option}", "data=hkl10_full").loss

    class Contract(LossContract):
        def loss(self) -> Loss:
            return instantiate(config())

    return Contract
