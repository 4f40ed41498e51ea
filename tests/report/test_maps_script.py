"""The page's own mathematics (maps.js), run by Node.js: the same answers as Python and geometry give."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from report_samples import density_of, lattice_of

from phaselearn.report.page import _packed
from phaselearn.report.surfaces import interpolate

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")

LATTICE = lattice_of(4.6, 5.3, 7.1, 78, 104, 112)
SIGMA = 0.5
SHAPE = (46, 53, 60)


def evaluate(expression: str, **given: Any) -> Any:
    """Evaluate an expression in which `Maps` and the given names are known."""
    script = files("phaselearn.report").joinpath("maps.js").read_text()
    names = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items())
    program = f"{script}\n{names}console.log(JSON.stringify({expression}));"
    done = subprocess.run([NODE, "-"], input=program, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def mesh_of(position: list[float], share: float, lattice: np.ndarray = LATTICE) -> tuple[np.ndarray, np.ndarray]:
    density = density_of(lattice, np.array([8]), np.array([position]), SIGMA)
    mesh = evaluate(
        "(() => { const map = Maps.interpolate(Maps.decode(packed), shape);"
        " return Maps.isosurface(map, lattice, share * Maps.maximum(map)); })()",
        packed=_packed(density),
        shape=SHAPE,
        lattice=lattice.tolist(),
        share=share,
    )
    return np.array([mesh[name] for name in "xyz"]).T, np.array([mesh[name] for name in "ijk"]).T


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    corners = vertices[faces]
    return float(np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)


def test_decoding_and_interpolation_agree_with_scipy() -> None:
    density = density_of(LATTICE, np.array([8]), np.array([[0.31, 0.42, 0.53]]), SIGMA)
    got = evaluate("[...Maps.interpolate(Maps.decode(packed), shape).values]", packed=_packed(density), shape=SHAPE)
    np.testing.assert_allclose(
        np.reshape(got, SHAPE), interpolate(density, SHAPE), atol=5e-5 * float(density.max()), rtol=0
    )


def test_interpolation_of_odd_sizes_agrees_with_scipy() -> None:
    density = np.random.default_rng(0).normal(size=(5, 6, 7))
    got = evaluate("[...Maps.interpolate(Maps.decode(packed), [8, 6, 15]).values]", packed=_packed(density))
    np.testing.assert_allclose(np.reshape(got, (8, 6, 15)), interpolate(density, (8, 6, 15)), atol=5e-4)


@pytest.mark.parametrize("share", [0.2, 0.7])
@pytest.mark.parametrize("lattice", [LATTICE, -LATTICE], ids=["right-handed", "left-handed"])
def test_surface_of_a_gaussian_is_a_sphere_about_the_atom(share: float, lattice: np.ndarray) -> None:
    position = [0.45, 0.55, 0.5]
    vertices, faces = mesh_of(position, share, lattice)
    radius = SIGMA * np.sqrt(2 * np.log(1 / share))
    distance = np.linalg.norm(vertices[np.unique(faces)] - np.array(position) @ lattice, axis=1)
    assert np.abs(distance - radius).max() < 0.03
    assert signed_volume(vertices, faces) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.06)


@pytest.mark.parametrize("position", [[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.98, 0.3, 0.01]])
def test_surfaces_are_closed_and_whole_however_the_cell_cuts_them(position: list[float]) -> None:
    share = 0.5
    vertices, faces = mesh_of(position, share)
    _, merged = np.unique(vertices.round(6), axis=0, return_inverse=True)
    faces = merged.reshape(-1)[faces]
    directed = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    # Closed and consistently turned: each edge is walked as often one way as the other.
    forth, times = np.unique(directed, axis=0, return_counts=True)
    back, times_back = np.unique(directed[:, ::-1], axis=0, return_counts=True)
    np.testing.assert_array_equal(forth, back)
    np.testing.assert_array_equal(times, times_back)
    radius = SIGMA * np.sqrt(2 * np.log(1 / share))
    places = np.zeros((merged.max() + 1, 3))
    places[merged.reshape(-1)] = vertices
    assert signed_volume(places, faces) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.05)
    fractional = vertices @ np.linalg.inv(LATTICE)
    assert fractional.min() >= -1e-9
    assert fractional.max() <= 1 + 1e-9


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_shows_the_gaussian_in_its_true_shape(axis: int) -> None:
    position = np.array([0.45, 0.55, 0.5])
    density = density_of(LATTICE, np.array([8]), position[None], SIGMA)
    cut, basis = evaluate(
        "[Maps.slice(Maps.interpolate(Maps.decode(packed), shape), lattice, axis, at), Maps.planeBasis(lattice, axis)]",
        packed=_packed(density),
        shape=SHAPE,
        lattice=LATTICE.tolist(),
        axis=axis,
        at=position[axis],
    )
    centre = position[(axis + 1) % 3] * np.array(basis[0]) + position[(axis + 2) % 3] * np.array(basis[1])
    x, y = np.meshgrid(cut["x"], cut["y"])
    values = np.array(cut["z"], dtype=float)
    inside = np.isfinite(values)
    distance = np.hypot(x - centre[0], y - centre[1])
    near = inside & (distance < 1.2)
    expected = values[near].max() * np.exp(-(distance**2) / (2 * SIGMA**2))
    assert near.sum() > 500
    np.testing.assert_allclose(values[near], expected[near], atol=0.02 * values[near].max())
    area = abs(np.linalg.det(basis))
    pixel = (cut["x"][1] - cut["x"][0]) * (cut["y"][1] - cut["y"][0])
    assert inside.sum() * pixel == pytest.approx(area, rel=0.02)
