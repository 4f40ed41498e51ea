"""Crystals on axes that hide their symmetry: the group that they have on their own axes is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phaselearn import solve
from phaselearn.determination.hidden_lattice import in_primitive_axes
from phaselearn.measured.laue import choose_laue_class
from phaselearn.measured.reflection_data import ReflectionData
from phaselearn.structure.geometry import cell_of
from tests.structure.samples import Crystal

ROCK_SALT = Crystal("F m -3 m", (5.64, 5.64, 5.64, 90, 90, 90), ("Na", "Cl"), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]))
WURTZITE = Crystal(
    "P 63 m c", (3.25, 3.25, 5.21, 90, 90, 120), ("Zn", "O"), np.array([[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.38]])
)
TELLURIDE = Crystal(
    "R -3 m", (4.38, 4.38, 30.5, 90, 90, 120), ("Bi", "Te", "Te"), np.array([[0, 0, 0.4], [0, 0, 0], [0, 0, 0.212]])
)
TETRAGONAL = Crystal("I 4/m m m", (3.9, 3.9, 12.6, 90, 90, 90), ("La", "Cu"), np.array([[0, 0, 0.36], [0, 0, 0]]))
# New axes as rows in the old ones.
ON_OTHER_AXES = {
    "rock salt on body-centred axes": (ROCK_SALT, [[0.5, -0.5, 0], [0.5, 0.5, 0], [0, 0, 1]], "F m -3 m"),
    "rock salt on monoclinic axes": (ROCK_SALT, [[-0.5, 0.5, 0], [0.5, 0.5, 1], [0.5, 0.5, 0]], "F m -3 m"),
    "wurtzite on orthohexagonal axes": (WURTZITE, [[1, 0, 0], [1, 2, 0], [0, 0, 1]], "P 63 m c"),
    "a telluride on monoclinic axes": (TELLURIDE, [[1, -1, 0], [1, 1, 0], [2 / 3, 1 / 3, 1 / 3]], "R -3 m"),
}


def measured(crystal: Crystal, axes: np.ndarray, noise: float = 0.03) -> ReflectionData:
    """Return calculated intensities with errors on other axes, which stand as rows in those of the crystal."""
    hkl = crystal.reflections(0.7)
    intensity = np.abs(crystal.factors(hkl)) ** 2
    present = intensity > 1e-6 * intensity.max()
    hkl, intensity = hkl[present], intensity[present]
    sigma = noise * intensity + 0.003 * intensity.mean()
    moved = hkl @ axes.T
    assert np.allclose(moved, np.round(moved))
    share = abs(np.linalg.det(axes))
    experiment = crystal.experiment()
    contents = {element: number * share for element, number in experiment.contents.items()}
    return ReflectionData(
        hkl=np.round(moved).astype(np.int32),
        intensity=intensity + sigma * np.random.default_rng(0).normal(size=len(hkl)),
        sigma=sigma,
        experiment=replace(experiment, cell=cell_of(axes @ crystal.lattice), contents=contents),
        source="calculated",
    )


@pytest.mark.parametrize("name", ON_OTHER_AXES)
def test_the_group_is_that_of_the_lattice(name: str) -> None:
    crystal, axes, symbol = ON_OTHER_AXES[name]
    data = measured(crystal, np.array(axes))
    moved, [note] = in_primitive_axes(data)
    assert "hide symmetry" in note
    own = choose_laue_class(measured(crystal, np.eye(3))).chosen.laue_class.symbol
    assert choose_laue_class(moved).chosen.laue_class.symbol == own
    found = solve(data, seconds=20)
    assert found.best is not None
    assert found.best.space_group.symbol.replace(":H", "") == symbol
    assert found.best.fit.r1 < 0.08
    assert note in found.notes


@pytest.mark.parametrize("crystal", [ROCK_SALT, TELLURIDE, TETRAGONAL], ids=["F", "R", "I"])
def test_data_on_the_axes_of_their_symmetry_stay_as_they_are(crystal: Crystal) -> None:
    data = measured(crystal, np.eye(3))
    assert in_primitive_axes(data) == (data, ())


def test_axes_that_hide_what_the_intensities_do_not_have_stay_as_they_are() -> None:
    """A body-centred tetragonal crystal whose cell happens to be that of a cubic lattice."""
    crystal = Crystal("I 4/m m m", (4.0, 4.0, 5.657, 90, 90, 90), ("La", "Cu"), np.array([[0, 0, 0.31], [0, 0, 0]]))
    data = measured(crystal, np.eye(3))
    assert in_primitive_axes(data) == (data, ())


def test_a_lattice_that_is_not_quite_higher_stays_as_it_is() -> None:
    """A spinel whose cobalt and copper make it rhombohedral: its lattice is 0.16 % longer than a cubic one."""
    cell = (5.864, 5.864, 14.388, 90, 90, 120)
    metal, oxygen = np.array([[0, 0, 0], [0.5, 0, 0.5]]), np.array([[0, 0, 0.2375], [0.174, -0.174, 0.0875]])
    crystal = Crystal("R -3 m", cell, ("Cu", "Co", "O", "O"), np.concatenate((metal, oxygen)))
    data = measured(crystal, np.eye(3))
    assert in_primitive_axes(data) == (data, ())


def test_a_stated_symmetry_keeps_its_axes() -> None:
    data = measured(ROCK_SALT, np.array(ON_OTHER_AXES["rock salt on body-centred axes"][1]))
    stated = replace(data, experiment=replace(data.experiment, operations=("x,y,z", "-x,-y,z")))
    assert in_primitive_axes(stated) == (stated, ())
