"""Layouts: which reflections lie where."""

import pytest
import torch

from phaselearn.crystal.layout import (
    friedel_mate,
    held_reflections,
    inside_nyquist,
    miller_box,
    miller_indices,
    to_full_box,
)
from phaselearn.crystal.structure_factors import structure_factors
from tests.conftest import random_crystals


@pytest.mark.parametrize("shape", [(8, 8, 8), (6, 8, 12)])
@pytest.mark.parametrize("layout", ["octant", "full"])
def test_the_full_box_holds_each_reflection_at_its_place(layout, shape):
    lattice, numbers, positions = random_crystals(2, 5, seed=1)
    indices = tuple(miller_indices(layout, size) for size in shape)
    held = structure_factors(lattice, numbers, positions, indices).abs()
    full = structure_factors(lattice, numbers, positions, miller_box(shape)).abs()
    box = to_full_box(held * held_reflections(layout, shape), layout)
    present = to_full_box(held_reflections(layout, shape).expand_as(held), layout)
    torch.testing.assert_close(box[present], full[present])
    assert (box[~present] == 0).all()
    h, k, l = torch.meshgrid(*miller_box(shape), indexing="ij")  # noqa: E741
    inside = (h.abs() < shape[0] // 2) & (k.abs() < shape[1] // 2) & (l.abs() < shape[2] // 2)
    one_sign = ((h >= 0) & (k >= 0) & (l >= 0)) | ((h <= 0) & (k <= 0) & (l <= 0))
    assert torch.equal(present[0], inside & one_sign if layout == "octant" else inside)


def test_friedel_mates_of_a_real_map_are_conjugate():
    density = torch.randn(2, 6, 6, 6, dtype=torch.float64)
    factors = torch.fft.ifftn(density, dim=(1, 2, 3))
    torch.testing.assert_close(friedel_mate(factors), factors.conj())


def test_nyquist_planes_are_empty():
    mask = inside_nyquist(8)
    assert not mask[4].any()
    assert not mask[:, 4].any()
    assert not mask[:, :, 4].any()
    assert mask.sum() == 7**3


def test_unknown_layout_is_refused():
    with pytest.raises(ValueError, match="octant, full"):
        miller_indices("half", 8)
