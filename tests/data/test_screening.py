"""Overlaps against brute force over images, in any cell."""

from itertools import product

import numpy as np
import torch

from phaselearn.data.screening import overlaps


def shortest(lattice, positions):
    """The shortest distance over all images that can matter, found by brute force."""
    reach = np.ceil(0.6 * np.linalg.norm(np.linalg.inv(lattice), axis=0) + 1).astype(int)
    images = np.array(list(product(*(range(-n, n + 1) for n in reach))))
    found = np.inf
    for i, j in product(range(len(positions)), repeat=2):
        length = np.linalg.norm((positions[j] - positions[i] + images) @ lattice, axis=1)
        if i == j:
            length = length[np.abs(images).sum(1) > 0]
        found = min(found, length.min())
    return found


def test_overlaps_are_found_in_thin_and_skewed_cells():
    generator = np.random.default_rng(0)
    verdicts = []
    while len(verdicts) < 600:
        lattice = generator.normal(size=(3, 3)) * generator.uniform(0.3, 2.5)
        if generator.random() < 0.3:
            lattice[2] = 0.3 * lattice[2] + generator.uniform(0.2, 0.95) * lattice[0]
        if abs(np.linalg.det(lattice)) < 0.1:
            continue
        positions = generator.random((generator.integers(1, 4), 3))
        distance = shortest(lattice, positions)
        if abs(distance - 0.5) < 1e-4:
            continue
        numbers = torch.ones(1, len(positions), dtype=torch.long)
        near = overlaps(torch.from_numpy(lattice)[None], numbers, torch.from_numpy(positions)[None], 0.5)
        assert bool(near[0]) == (distance < 0.5)
        verdicts.append(bool(near[0]))
    assert 50 < sum(verdicts) < 550


def test_padding_is_no_atom():
    lattice = 5 * torch.eye(3, dtype=torch.float64)[None]
    positions = torch.zeros(1, 3, 3, dtype=torch.float64)
    assert not overlaps(lattice, torch.tensor([[11, 0, 0]]), positions, 0.5).any()
    assert overlaps(lattice, torch.tensor([[11, 11, 0]]), positions, 0.5).all()
