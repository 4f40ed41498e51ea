"""Layouts: which reflections lie where."""

import pytest
import torch

from phaselearn.crystal.layout import friedel_mate, held_reflections, inside_nyquist, miller_indices, to_full_box
from phaselearn.crystal.structure_factors import structure_factors
from tests.conftest import random_crystals


@pytest.mark.parametrize("layout", ["octant", "full"])
def test_the_full_box_holds_each_reflection_at_its_place(layout):
    lattice, numbers, positions = random_crystals(2, 5, seed=1)
    size = 8
    held = structure_factors(lattice, numbers, positions, miller_indices(layout, size)).abs()
    full = structure_factors(lattice, numbers, positions, miller_indices("full", size)).abs()
    box = to_full_box(held * held_reflections(layout, size), layout)
    present = to_full_box(held_reflections(layout, size).expand_as(held), layout)
    torch.testing.assert_close(box[present], full[present])
    assert (box[~present] == 0).all()
    h = miller_indices("full", size)
    inside = (h.abs() < size // 2)[:, None, None] & (h.abs() < size // 2)[None, :, None] & (h.abs() < size // 2)
    one_sign = ((h >= 0)[:, None, None] & (h >= 0)[None, :, None] & (h >= 0)) | (
        (h <= 0)[:, None, None] & (h <= 0)[None, :, None] & (h <= 0)
    )
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
