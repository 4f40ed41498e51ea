"""The peaks of dual-space recycling, and the amplitudes that they are found from."""

from dataclasses import replace

import numpy as np
import torch

from phaselearn.phasing.dual_space import highest_peaks
from phaselearn.phasing.measurement import Measurement
from tests.conftest import random_crystals
from tests.phasing.test_phasing import METHODS, SIZE, observe


def test_peaks_are_the_highest_voxels_of_their_surroundings():
    """Beside loops over all voxels; maps wrap around."""
    density = torch.randn(2, 8, 10, 6, generator=torch.Generator().manual_seed(0))
    found = highest_peaks(density, torch.tensor([3, 2]), None)
    for row, count in ((0, 3), (1, 2)):
        around = range(-2, 3)
        heights = {}
        for place in np.ndindex(8, 10, 6):
            near = [
                density[row, (place[0] + i) % 8, (place[1] + j) % 10, (place[2] + k) % 6]
                for i in around
                for j in around
                for k in around
            ]
            if density[row][place] == max(near) > 0:
                heights[place] = density[row][place].item()
        highest = dict(sorted(heights.items(), key=lambda peak: -peak[1])[:count])
        assert {tuple(place) for place in found[row].nonzero().tolist()} == set(highest)
        for place, height in highest.items():
            assert found[row][place] == height
    kept = torch.zeros(8, 10, 6, dtype=torch.bool)
    assert not highest_peaks(density, torch.tensor([3, 2]), kept).any()


def test_it_reads_the_normalised_amplitudes_of_point_atoms():
    """|F| of point atoms, without the blur, has a mean square of 1; a peak for each 20 Å³."""
    crystals = random_crystals(4, 6, seed=3, edges=(4.0, 6.0))
    lattice, measurement = crystals[0], Measurement.of(observe(crystals))
    method = METHODS["dual_space"]
    constraint = replace(method, least_e=0.0).constraint(measurement)
    amplitude = observe(crystals).amplitude[..., : SIZE // 2 + 1]
    mean = amplitude.square().sum((1, 2, 3)) / measurement.measured.sum((1, 2, 3))
    normalised = amplitude / mean.sqrt()[:, None, None, None]
    torch.testing.assert_close(constraint.strong, normalised[..., : SIZE // 2 + 1], rtol=1e-3, atol=1e-3)
    assert constraint.peaks.tolist() == (lattice.det().abs() / 20).round().int().tolist()
    strong = method.constraint(measurement).strong
    assert ((strong == 0) | (strong >= 1)).all()
