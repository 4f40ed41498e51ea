"""The reflections down to a resolution against brute force, in cells of any shape."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from phaselearn.crystal.layout import friedel_mate
from phaselearn.crystal.sphere import Sphere, sphere_box


def cells(count: int) -> list[np.ndarray]:
    """Return random triclinic cells, some of them long or skew."""
    generator = np.random.default_rng(0)
    return [
        np.diag(generator.uniform(2, 14, 3)) + generator.uniform(-2, 2, (3, 3)) @ np.diag([1, 1, 1.5])
        for _ in range(count)
    ]


@pytest.mark.parametrize("resolution", [0.7, 1.0, 2.5])
def test_the_sphere_holds_every_reflection_of_its_resolution_once(resolution: float) -> None:
    for lattice in cells(6):
        sphere = Sphere.of(lattice, resolution)
        reach = [math.ceil(np.linalg.norm(edge) / resolution) + 1 for edge in lattice]
        hkl = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), -1).reshape(-1, 3)
        inside = hkl[np.linalg.norm(hkl @ np.linalg.inv(lattice).T, axis=1) <= 1 / resolution]
        expected = torch.zeros(sphere.shape, dtype=torch.bool)
        expected[tuple(torch.from_numpy(inside.T % np.array(sphere.shape)[:, None]))] = True
        assert torch.equal(sphere.mask, expected)
        assert 2 * len(sphere) - 1 == len(inside)
        assert sphere.places[0] == 0


def test_reflections_on_its_surface_are_inside() -> None:
    # 1/5 is no binary fraction: 25 · (1/5)² comes out on either side of 1.
    for edge in (5.0, 5.000000001, 4.999999999):
        assert Sphere.of(np.diag([edge, 7.0, 3.0]), 1.0).mask[5, 0, 0]


def test_lists_and_boxes_are_each_others_inverse() -> None:
    generator = torch.Generator().manual_seed(0)
    for lattice in cells(3):
        sphere = Sphere.of(lattice, 1.3)
        values = torch.randn(len(sphere), dtype=torch.complex128, generator=generator)
        values[0] = 3.0
        box = sphere.on_box(values)
        assert torch.equal(friedel_mate(box), box.conj())
        assert torch.equal(sphere.of_half_box(box[..., : sphere.shape[2] // 2]), values)
        assert not box[~sphere.mask].any()


def test_list_and_box_grow_with_the_volume() -> None:
    resolution = 0.8
    for edges in ([5.0, 9.0, 41.0], [12.0, 12.0, 12.0]):
        lattice = np.diag(edges)
        volume, points = math.prod(edges), math.prod(sphere_box(lattice, resolution))
        assert len(Sphere.of(lattice, resolution)) == pytest.approx(2 * math.pi / 3 * volume / resolution**3, rel=0.02)
        assert points < 2 * 8 * volume / resolution**3
    cube = math.prod(sphere_box(np.eye(3) * 41.0, resolution))
    assert cube > 25 * math.prod(sphere_box(np.diag([5.0, 9.0, 41.0]), resolution))
