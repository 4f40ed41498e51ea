"""What must hold of every loss: `LossContract` runs on each option of conf/loss, and on your own.

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

from phaselearn.data.pairs import make_pairs
from phaselearn.losses.base import Loss
from phaselearn.testing.models import DEFINITION
from phaselearn.testing.options import composed

# Changes of the prediction that a loss may be blind to, each by a name that it declares in `invariances`.
CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "origin": lambda maps: maps.roll((1, 3, 2), (1, 2, 3)),
    "inversion": lambda maps: maps.flip(1, 2, 3).roll((1, 1, 1), (1, 2, 3)),
    "scale": lambda maps: 1.7 * maps,
    "offset": lambda maps: maps + 0.3 * maps.amax(),
}


def triclinic_batch() -> dict[str, Tensor]:
    """Return three small random triclinic crystals, in the full layout at 10³, as `PairDataModule` gives them."""
    generator = torch.Generator().manual_seed(0)
    skew = torch.rand(3, 3, 3, generator=generator, dtype=torch.float64) - 0.5
    lattice = torch.diag_embed(torch.tensor([[4.0, 5.0, 6.0], [5.0, 5.5, 4.5], [6.5, 4.0, 5.0]]).double()) + 2 * skew
    numbers = torch.randint(5, 40, (3, 4), generator=generator)
    positions = torch.rand(3, 4, 3, generator=generator, dtype=torch.float64)
    intensity, density = make_pairs(lattice, numbers, positions, DEFINITION)
    return {
        "intensity": intensity,
        "observed": intensity > 0,
        "density": density,
        "lattice": lattice,
        "numbers": numbers,
        "positions": positions,
    }


class LossContract:
    """Subclass it and say how the loss is built; pytest collects the rest."""

    def loss(self) -> Loss:
        """Return the loss under test, for 10³ pairs in the full layout."""
        raise NotImplementedError("a contract needs a loss: override `loss`")

    @pytest.fixture
    def batch(self) -> dict[str, Tensor]:
        """Three triclinic crystals with their target densities, float64."""
        return triclinic_batch()

    @pytest.fixture
    def prediction(self, batch: dict[str, Tensor]) -> Tensor:
        """A prediction that is neither right nor noise."""
        noise = torch.randn(batch["density"].shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        return batch["density"] + 0.2 * batch["density"].std() * noise

    def value(self, prediction: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of a prediction."""
        return self.loss()(prediction, batch["density"], batch)

    def test_is_periodic_where_it_is_blind_to_origin_or_hand(self) -> None:
        loss = self.loss()
        assert loss.periodic or not loss.invariances & {"origin", "inversion"}

    def test_gives_one_value_a_sample_that_is_least_at_equality(self, prediction, batch):
        value, equal = self.value(prediction, batch), self.value(batch["density"], batch)
        minimum = self.loss().minimum
        assert value.shape == (3,)
        assert (value > equal).all()
        assert (value > (minimum or 0)).all()
        if minimum is None:
            assert (equal >= 0).all()
        else:
            torch.testing.assert_close(equal, torch.full_like(equal, minimum), rtol=0, atol=1e-9 * value.max().item())

    def test_does_without_a_target_where_it_says_so(self, prediction, batch):
        if not self.loss().needs_target:
            assert torch.equal(self.loss()(prediction, None, batch), self.value(prediction, batch))

    def test_reads_of_the_batch_what_it_needs(self, prediction, batch):
        needs = self.loss().needs
        if needs is not None:
            needed = {name: batch[name] for name in needs}
            assert torch.equal(self.loss()(prediction, batch["density"], needed), self.value(prediction, batch))

    @pytest.mark.parametrize("change", sorted(CHANGES))
    def test_is_blind_to_what_it_declares_and_to_nothing_else(self, prediction, batch, change):
        before, after = self.value(prediction, batch), self.value(CHANGES[change](prediction), batch)
        blind = torch.allclose(before, after, rtol=1e-6)
        assert blind == (change in self.loss().invariances)

    def test_is_periodic(self, prediction, batch):
        def shifted(maps: Tensor) -> Tensor:
            return maps.roll((4, 7, 1), (1, 2, 3))

        both = batch | {"density": shifted(batch["density"])}
        torch.testing.assert_close(self.value(shifted(prediction), both), self.value(prediction, batch))

    def test_a_sample_does_not_depend_on_its_batch(self, prediction, batch):
        alone = {name: values[1:2] for name, values in batch.items()}
        torch.testing.assert_close(self.value(prediction, batch)[1:2], self.value(prediction[1:2], alone))

    def test_float32_gives_the_value_of_float64(self, prediction, batch):
        single = {name: values.float() if values.is_floating_point() else values for name, values in batch.items()}
        value = self.value(prediction.float(), single)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), self.value(prediction, batch), rtol=1e-3, atol=1e-6)

    def test_computes_in_float32_under_bfloat16_autocast(self, prediction, batch):
        single = prediction.float()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = self.value(single, batch)
            # What a network puts out there.
            half = self.value(single.bfloat16(), batch)
        assert inside.dtype == half.dtype == torch.float32
        torch.testing.assert_close(inside, self.value(single, batch))
        torch.testing.assert_close(half, self.value(single.bfloat16().float(), batch))

    @pytest.mark.parametrize("kind", ["empty", "one voxel", "equal"])
    def test_gradients_are_finite_everywhere(self, batch, kind):
        prediction = torch.zeros_like(batch["density"])
        if kind == "one voxel":
            prediction[:, 2, 3, 4] = 1.0
        if kind == "equal":
            prediction = batch["density"].clone()
        prediction.requires_grad_()
        value = self.value(prediction, batch)
        value.sum().backward()
        assert torch.isfinite(value).all()
        assert torch.isfinite(prediction.grad).all()

    def test_gradient_agrees_with_finite_differences(self, prediction, batch):
        direction = torch.randn(prediction.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        step = 1e-5 * prediction.std()
        leaf = prediction.clone().requires_grad_()
        self.value(leaf, batch).sum().backward()
        along = (leaf.grad * direction).sum()
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
