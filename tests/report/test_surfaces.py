"""Surfaces lie where the geometry says, in any cell, and are closed where they meet its faces."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from report_samples import density_of, lattice_of

from phaselearn.report.surfaces import (
    Surface,
    atoms_in_cell,
    cell_edges,
    drawing_shape,
    interpolate,
    isosurface,
    plane_basis,
)

LATTICE = lattice_of(4.6, 5.3, 7.1, 78, 104, 112)
SIGMA = 0.5


def blob(position: list[float], lattice: np.ndarray = LATTICE) -> np.ndarray:
    density = density_of(lattice, np.array([8]), np.array([position]), SIGMA)
    return interpolate(density, drawing_shape(density.shape, lattice))


def edge_counts(surface: Surface) -> Counter:
    """How many triangles each edge belongs to; vertices at one place are one vertex."""
    _, merged = np.unique(surface.vertices.round(5), axis=0, return_inverse=True)
    faces = merged.reshape(-1)[surface.faces]
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return Counter(map(tuple, edges[edges[:, 0] != edges[:, 1]]))


def signed_volume(surface: Surface) -> float:
    corners = surface.vertices[surface.faces]
    return float(np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)


@pytest.mark.parametrize("share", [0.2, 0.7, 0.9])
@pytest.mark.parametrize("lattice", [LATTICE, -LATTICE], ids=["right-handed", "left-handed"])
def test_surface_of_a_gaussian_is_a_sphere_about_the_atom(share: float, lattice: np.ndarray) -> None:
    position = [0.45, 0.55, 0.5]
    surface = isosurface(blob(position, lattice), lattice, share)
    radius = SIGMA * np.sqrt(2 * np.log(1 / share))
    distance = np.linalg.norm(surface.vertices - np.array(position) @ lattice, axis=1)
    assert np.abs(distance - radius).max() < 0.02
    assert signed_volume(surface) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.12)


@pytest.mark.parametrize("position", [[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.98, 0.3, 0.01]])
def test_surfaces_are_closed_and_whole_however_the_cell_cuts_them(position: list[float]) -> None:
    share = 0.5
    surface = isosurface(blob(position), LATTICE, share)
    assert {count % 2 for count in edge_counts(surface).values()} == {0}
    radius = SIGMA * np.sqrt(2 * np.log(1 / share))
    assert signed_volume(surface) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.05)
    fractional = surface.vertices @ np.linalg.inv(LATTICE)
    assert fractional.min() >= -1e-9
    assert fractional.max() <= 1 + 1e-9


def test_interpolation_keeps_the_voxels_and_finds_the_gaussian_between_them() -> None:
    density = density_of(LATTICE, np.array([8]), np.array([[0.31, 0.42, 0.53]]), SIGMA)
    finer = interpolate(density, (40, 40, 40))
    np.testing.assert_allclose(finer[::2, ::2, ::2], density, atol=1e-5 * density.max())
    expected = density_of(LATTICE, np.array([8]), np.array([[0.31, 0.42, 0.53]]), SIGMA, size=40)
    np.testing.assert_allclose(finer, expected, atol=2e-3 * density.max())


def test_odd_sizes_are_interpolated_too() -> None:
    axis = np.arange(9) / 9
    wave = np.cos(2 * np.pi * (2 * axis[:, None, None] + axis[:, None] - 3 * axis))
    finer = interpolate(wave, (20, 20, 20))
    axis = np.arange(20) / 20
    expected = np.cos(2 * np.pi * (2 * axis[:, None, None] + axis[:, None] - 3 * axis))
    np.testing.assert_allclose(finer, expected, atol=1e-12)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_a_map_without_positive_density_has_no_surface(value: float) -> None:
    assert len(isosurface(np.full((6, 6, 6), value), LATTICE).faces) == 0


def test_drawing_shape_follows_the_edges_within_limits() -> None:
    assert drawing_shape((20, 20, 20), np.diag([1.0, 5.0, 30.0])) == (20, 50, 64)


def test_atoms_on_faces_edges_and_corners_are_drawn_with_their_images() -> None:
    positions = np.array([[0.0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 1.0], [0.3, 0.4, 0.5], [0.99999, 0.5, 0.5]])
    numbers, places = atoms_in_cell(np.array([1, 2, 3, 4, 5]), positions)
    assert Counter(numbers.tolist()) == {1: 8, 2: 4, 3: 2, 4: 1, 5: 2}
    assert places.min() >= 0
    assert places.max() <= 1


def test_a_cell_has_four_edges_of_each_length() -> None:
    lengths = Counter(round(float(np.linalg.norm(edge[1] - edge[0])), 6) for edge in cell_edges(LATTICE))
    assert lengths == {4.6: 4, 5.3: 4, 7.1: 4}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_plane_basis_keeps_lengths_and_angle(axis: int) -> None:
    first, second = LATTICE[(axis + 1) % 3], LATTICE[(axis + 2) % 3]
    flat = plane_basis(LATTICE, axis)
    np.testing.assert_allclose(flat @ flat.T, [[first @ first, first @ second], [first @ second, second @ second]])
