"""The figure to turn about shows the crystal as it is, not its mirror image."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest
from report_samples import density_of, lattice_of, shown

from phaselearn.report.content import ShownCrystal
from phaselearn.report.interactive import comparison_figure

LATTICE = lattice_of(4.6, 5.3, 7.1, 78, 104, 112)
# Four different atoms about a point: their triple product tells a hand from the other.
NUMBERS = [8, 15, 20, 30]
POSITIONS = [[0.2, 0.2, 0.2], [0.7, 0.25, 0.2], [0.2, 0.75, 0.3], [0.3, 0.3, 0.7]]


def _hand(places: np.ndarray) -> float:
    return float(np.linalg.det(places[1:] - places[0]))


def _drawn_atoms(figure: go.Figure, scene: str) -> np.ndarray:
    symbols = ("O", "P", "Ca", "Zn")
    traces = {trace.name: trace for trace in figure.data if trace.scene == scene and trace.name in symbols}
    return np.array([[traces[symbol][axis][0] for axis in "xyz"] for symbol in symbols])


@pytest.fixture(scope="module")
def chiral() -> ShownCrystal:
    return shown("OPCaZn", 1, LATTICE, NUMBERS, POSITIONS, 0.0)


@pytest.mark.parametrize("scene", ["scene", "scene2"])
def test_atoms_stand_where_the_lattice_puts_them_in_a_right_handed_frame(chiral: ShownCrystal, scene: str) -> None:
    figure = comparison_figure(chiral)
    drawn = _drawn_atoms(figure, scene)
    expected = np.array(POSITIONS) @ LATTICE
    np.testing.assert_allclose(drawn, expected, atol=1e-3)
    assert _hand(drawn) * _hand(expected) > 0
    # The frame of plotly is right-handed unless an axis is reversed or has a range of its own.
    for axis in ("xaxis", "yaxis", "zaxis"):
        assert figure.layout[scene][axis].autorange is None
        assert figure.layout[scene][axis].range is None
    assert figure.layout[scene].aspectmode == "data"


def test_surfaces_are_those_of_the_maps(chiral: ShownCrystal) -> None:
    """Each lies about its atom: the truth's about the heaviest, the prediction's about the one that it shows."""
    lightest = density_of(LATTICE, np.array([8]), np.array(POSITIONS[:1]), 0.45)
    figure = comparison_figure(ShownCrystal(**{**chiral.__dict__, "prediction": lightest}))
    for trace, atom in zip([trace for trace in figure.data if trace.type == "mesh3d"], (3, 0), strict=True):
        vertices = np.array([trace.x, trace.y, trace.z]).T
        assert np.linalg.norm(vertices.mean(0) - np.array(POSITIONS[atom]) @ LATTICE) < 0.1


def test_coordinates_are_plain_numbers_that_every_viewer_reads(chiral: ShownCrystal) -> None:
    text = comparison_figure(chiral).to_json()
    assert "bdata" not in text
    assert "NaN" not in text


def test_a_map_without_a_surface_is_drawn_without_one(chiral: ShownCrystal) -> None:
    empty = ShownCrystal(**{**chiral.__dict__, "prediction": np.full_like(chiral.truth, np.nan)})
    figure = comparison_figure(empty)
    assert [len(trace.i) > 0 for trace in figure.data if trace.type == "mesh3d"] == [True, False]
