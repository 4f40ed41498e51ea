"""Losses against their closed forms."""

import numpy as np
import pytest
import torch

from phaselearn.losses.correlation import Correlation
from phaselearn.losses.mse import MeanSquaredError


@pytest.fixture
def maps():
    return torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_mse_is_numpys(maps):
    expected = ((maps[0] - maps[1]).numpy() ** 2).mean((1, 2, 3))
    assert MeanSquaredError()(maps[0], maps[1], {}).numpy() == pytest.approx(expected)


def test_correlation_is_numpys(maps):
    pairs = zip(*maps.flatten(2).numpy(), strict=True)
    expected = [1 - np.corrcoef(first, second)[0, 1] for first, second in pairs]
    assert Correlation()(maps[0], maps[1], {}).numpy() == pytest.approx(expected)


def test_a_flat_map_correlates_with_nothing(maps):
    flat = torch.full_like(maps[0], 3.7).requires_grad_()
    value = Correlation()(flat, maps[1], {})
    assert value.tolist() == [1.0, 1.0, 1.0]
    value.sum().backward()
    assert (flat.grad == 0).all()
