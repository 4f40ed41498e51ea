"""Weighted sums of losses and their schedules."""

import pytest
import torch

from phaselearn.errors import UserError
from phaselearn.losses.aligned import Aligned
from phaselearn.losses.combined import Combined
from phaselearn.losses.l1 import MeanAbsoluteError
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.losses.patterson import Patterson
from tests.losses.samples import random_maps


@pytest.fixture
def maps():
    return random_maps(2, 6), random_maps(2, 6, 1)


def test_weights_follow_their_schedules(maps):
    loss = Combined(
        {
            "mse": {"loss": MeanSquaredError(), "weight": {10: 0.0, 0: 1.0}},
            "l1": {"loss": MeanAbsoluteError(), "weight": 2.0},
        }
    )
    square, absolute = MeanSquaredError()(*maps, {}), MeanAbsoluteError()(*maps, {})
    for epoch, share in ((0, 1.0), (3, 0.7), (10, 0.0), (99, 0.0)):
        loss.set_epoch(epoch)
        torch.testing.assert_close(loss(*maps, {}), share * square + 2 * absolute)


def test_losses_inside_losses_hear_of_the_epoch(maps):
    inner = Combined({"l1": {"loss": MeanAbsoluteError(), "weight": {0: 0.0, 4: 1.0}}})
    outer = Combined({"aligned": {"loss": Aligned(inner), "weight": 1.0}})
    outer.set_epoch(2)
    assert inner.weights == {"l1": 0.5}


def test_needs_what_its_terms_need():
    blind = Patterson("amplitude", "full", "fractional", 0.3)
    assert not Combined({"a": {"loss": blind, "weight": 1.0}}).needs_target
    both = Combined({"a": {"loss": blind, "weight": 1.0}, "b": {"loss": MeanSquaredError(), "weight": 1.0}})
    assert both.needs_target
    assert both.invariances == frozenset()


@pytest.mark.parametrize("weight", [-1.0, {0: -1.0}, {"first": 1.0}, {}, float("nan"), "much"])
def test_nonsense_is_refused(weight):
    with pytest.raises(UserError, match=r"loss\.terms\.mse\.weight"):
        Combined({"mse": {"loss": MeanSquaredError(), "weight": weight}})
