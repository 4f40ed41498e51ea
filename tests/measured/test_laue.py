"""The Laue class of measured reflections."""

from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np
import pytest

from phaselearn.measured.cells import Cell, metric
from phaselearn.measured.laue import CONTRADICTED, choose_laue_class
from phaselearn.measured.laue_classes import laue_class_of
from phaselearn.measured.merging import merge, orbits
from phaselearn.measured.reflection_data import ReflectionData
from tests.measured.samples import (
    MEASURED_SETS,
    intensities,
    measured_set,
    observed,
    operations_of,
    point_group,
    reflections_within,
    selected,
)
from tests.structure.samples import Crystal

# Space groups in cells whose lattices have more symmetry than they have, or as much.
CRYSTALS: dict[str, Cell] = {
    "P -1": (6, 6, 6, 90, 90, 90),
    "P 1 21/c 1": (6, 7, 8, 90, 90, 90),
    "P 1 1 21/b": (6, 6, 8, 90, 90, 90),
    "P 21 21 21": (6, 6, 8, 90, 90, 90),
    "C 2 2 21": (6, 6 * 3**0.5, 8, 90, 90, 90),
    "I 41/a": (6, 6, 9, 90, 90, 90),
    "P 42/n m c:2": (6, 6, 8, 90, 90, 90),
    "P -3": (6, 6, 8, 90, 90, 120),
    "P 3 2 1": (6, 6, 8, 90, 90, 120),
    "P 3 1 2": (6, 6, 8, 90, 90, 120),
    "R -3 c:H": (6, 6, 15, 90, 90, 120),
    "R -3:R": (6, 6, 6, 80, 80, 80),
    "P 63": (6, 6, 8, 90, 90, 120),
    "P 63/m m c": (6, 6, 8, 90, 90, 120),
    "P a -3": (6.5, 6.5, 6.5, 90, 90, 90),
    "P n -3 m:2": (6, 6, 6, 90, 90, 90),
}


def expected_class(space_group: str) -> set[bytes]:
    return rotations_in(laue_class_of(operations_of(space_group)[0]).rotations)


def rotations_in(rotations: np.ndarray) -> set[bytes]:
    return {rotation.tobytes() for rotation in rotations.astype(np.int64)}


def sample(space_group: str, cell: Cell, d_min: float = 0.9, seed: int = 0, **errors: float) -> ReflectionData:
    hkl = reflections_within(cell, d_min)
    return observed(hkl, intensities(hkl, cell, space_group, atoms=4, seed=seed), cell, seed=seed, **errors)


def listed_once(data: ReflectionData, rotations: np.ndarray) -> ReflectionData:
    """The reflections as a program lists them that has merged them under a group."""
    merged = merge(data, rotations)
    return replace(data, hkl=merged.hkl, intensity=merged.intensity, sigma=merged.sigma)


@pytest.mark.parametrize("space_group", CRYSTALS)
def test_the_class_of_the_crystal_is_found_not_that_of_its_lattice(space_group: str) -> None:
    data = sample(space_group, CRYSTALS[space_group])
    random = np.random.default_rng(1).random(len(data)) < 0.6
    for some in (data, selected(data, random)):
        assert rotations_in(choose_laue_class(some).chosen.laue_class.rotations) == expected_class(space_group)


@pytest.mark.parametrize("errors", [{"error": 0.08}, {"noise": 0.3}, {"noise": 0.15, "error": 0.1}])
@pytest.mark.parametrize("space_group", ["P -1", "P 21 21 21", "P -3"])
def test_poor_data_show_the_same_class(space_group: str, errors: dict[str, float]) -> None:
    data = sample(space_group, CRYSTALS[space_group], **errors)
    for scale in (0.6, 1.5):  # σ may be stated too small or too large
        chosen = choose_laue_class(replace(data, sigma=data.sigma * scale)).chosen
        assert rotations_in(chosen.laue_class.rotations) == expected_class(space_group)


def test_electron_diffraction_with_equivalents_that_agree_badly_shows_the_class() -> None:
    cell = CRYSTALS["P 21 21 21"]
    hkl = np.repeat(reflections_within(cell, 0.9), 2, axis=0)
    data = observed(hkl, intensities(hkl, cell, "P 21 21 21", atoms=4), cell, error=0.3)
    choice = choose_laue_class(selected(data, np.random.default_rng(0).random(len(hkl)) < 0.6))
    assert choice.candidates[0].statistics.r_int > 0.15
    assert choice.chosen.laue_class.symbol == "mmm"


@pytest.mark.parametrize("space_group", CRYSTALS)
def test_data_that_were_merged_before_keep_their_class(space_group: str) -> None:
    data = sample(space_group, CRYSTALS[space_group], d_min=0.83)
    group = point_group(space_group)
    before = listed_once(data, group)
    # A tetragonal cell allows the octant of merged data to be of 4/m or of mmm: the statement of the file decides.
    triplets = {"P 21 21 21": ("x,y,z", "-x+1/2,-y,z+1/2", "x+1/2,-y+1/2,-z", "-x,y+1/2,-z+1/2")}
    stated = replace(before.experiment, operations=triplets.get(space_group, ()))
    choice = choose_laue_class(replace(before, experiment=stated))
    assert rotations_in(choice.chosen.laue_class.rotations) == expected_class(space_group), choice.reason
    assert choice.chosen.statistics.completeness == 1


CENTRED: dict[str, Cell] = {
    "R -3 c:H": (7, 7, 15, 90, 90, 120),
    "R 3:H": (7, 7, 15, 90, 90, 120),
    "C 2 2 21": (6, 6, 6, 90, 90, 90),
    "I 41/a": (6, 6, 6, 90, 90, 90),
    "F d d d:2": (7, 7, 7, 90, 90, 90),
}


@pytest.mark.parametrize("tnt", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("space_group", CENTRED)
def test_a_list_without_absences_has_the_class_of_a_centred_lattice(space_group: str, tnt: bool) -> None:
    """The list is an asymmetric unit as gemmi chooses it, in the manner of CCP4 or of TNT."""
    cell, group = CENTRED[space_group], gemmi.SpaceGroup(space_group)
    absent, unit = group.operations().is_systematically_absent, gemmi.ReciprocalAsu(group, tnt=tnt)
    for d_min in (1.2, 0.8):
        data = sample(space_group, cell, d_min)
        for merged_before in (True, False):
            kept = [not absent(row) and (unit.is_in(row) or not merged_before) for row in data.hkl.tolist()]
            choice = choose_laue_class(selected(data, np.array(kept)))
            assert rotations_in(choice.chosen.laue_class.rotations) == expected_class(space_group), choice.reason


def test_data_that_were_merged_in_a_subgroup_show_the_whole_class() -> None:
    data = listed_once(sample("P a -3", CRYSTALS["P a -3"]), point_group("P m m m"))
    assert choose_laue_class(data).chosen.laue_class.symbol == "m-3"
    data = listed_once(sample("P 42/n m c:2", CRYSTALS["P 42/n m c:2"]), point_group("P 1 1 2/m"))
    assert choose_laue_class(data).chosen.laue_class.symbol == "4/mmm"


def test_an_orthorhombic_cell_with_nearly_equal_edges_was_merged_as_orthorhombic() -> None:
    data = listed_once(sample("P 21 21 21", (6, 6.01, 8, 90, 90, 90)), point_group("P m m m"))
    assert choose_laue_class(data).chosen.laue_class.symbol == "mmm"


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_pseudo_symmetry_of_heavy_atoms_is_no_symmetry(share: float) -> None:
    cell = (6.0, 6.0, 6.0, 90, 90, 90)
    hkl = reflections_within(cell, 0.8)
    cubic, low = (intensities(hkl, cell, group, seed=3) for group in ("P m -3 m", "P -1"))
    true = np.square(np.sqrt(cubic / cubic.mean()) + np.sqrt(share) * np.sqrt(low / low.mean()))
    choice = choose_laue_class(observed(np.repeat(hkl, 2, axis=0), np.repeat(true, 2), cell))
    assert choice.chosen.laue_class.symbol == "-1"
    highest = choice.candidates[-1]
    assert (highest.verdict, highest.laue_class.symbol) == (CONTRADICTED, "m-3m")
    # Pseudo-symmetry: equivalents agree far better than unrelated reflections.
    assert highest.statistics.r_int < 0.4 > 3 * choice.chosen.statistics.r_int


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.35])
def test_a_twin_of_unequal_parts_does_not_raise_the_class(fraction: float) -> None:
    cell = CRYSTALS["P -3"]
    hkl = reflections_within(cell, 0.8)
    true = intensities(hkl, cell, "P -3")
    twin = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])
    both = (1 - fraction) * true + fraction * intensities(hkl @ twin, cell, "P -3")
    assert choose_laue_class(observed(hkl, both, cell)).chosen.laue_class.symbol == "-3"


def test_few_reflections_leave_the_lower_class() -> None:
    cell = CRYSTALS["P a -3"]
    data = sample("P -1", cell, d_min=2.5)
    for seed in range(6):
        few = selected(data, np.random.default_rng(seed).choice(len(data), 12, replace=False))
        assert len(choose_laue_class(few).chosen.laue_class.rotations) <= 4


def test_sheared_axes_show_the_same_symmetry() -> None:
    data = sample("P 21 21 21", (5, 6, 8, 90, 90, 90))
    axes = np.array([[1, 0, 0], [1, 1, 0], [0, -1, 1]])
    tensor = axes @ metric(data.experiment.cell) @ axes.T
    edges = np.sqrt(np.diag(tensor))
    angles = [np.rad2deg(np.arccos(tensor[i, j] / edges[i] / edges[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    cell = (*edges.tolist(), *angles)
    turned = replace(data, hkl=(data.hkl @ axes.T).astype(np.int32), experiment=replace(data.experiment, cell=cell))
    choice = choose_laue_class(turned)
    assert choice.chosen.laue_class.symbol == "mmm"
    _, owner, _ = orbits(turned.hkl, choice.chosen.laue_class.rotations)
    _, expected, _ = orbits(data.hkl, point_group("P m m m"))
    assert len(set(zip(owner.tolist(), expected.tolist(), strict=True))) == owner.max() + 1 == expected.max() + 1


def test_the_choice_names_its_rivals_and_its_reason() -> None:
    choice = choose_laue_class(sample("P 21 21 21", CRYSTALS["P 21 21 21"]))
    assert [one.laue_class.symbol for one in choice.rivals] == ["2/m", "2/m", "2/m", "-1"]
    assert choice.reason.startswith("mmm along ")
    assert "comes nearest" in choice.reason
    assert all(one.statistics.r_int > 0.2 for one in choice.candidates if one.verdict == CONTRADICTED)


@pytest.mark.parametrize("name", MEASURED_SETS)
def test_the_class_of_measured_crystals_is_the_published_one(name: str) -> None:
    data, published = measured_set(name)
    choice = choose_laue_class(data)
    assert choice.chosen.laue_class.symbol == MEASURED_SETS[name]
    assert choice.chosen.statistics.unique <= published["n_unique"]
    # Of each seven reflections three are missing.
    fewer = selected(data, np.random.default_rng(0).random(len(data)) < 4 / 7)
    assert choose_laue_class(fewer).chosen.laue_class.symbol == MEASURED_SETS[name]


def rock_salt(seed: int) -> ReflectionData:
    """Return about 50 reflections of a small cubic crystal, one of each Friedel pair, with errors of 3 %."""
    crystal = Crystal("F m -3 m", (5.83, 5.83, 5.83, 90, 90, 90), ("Ge", "Sb"), np.array([[0, 0, 0], [0.5] * 3]))
    random = np.random.default_rng(seed)
    hkl = crystal.reflections(1.3)
    allowed = (hkl % 2).sum(1) % 3 == 0
    hkl = hkl[allowed & (hkl @ [10000, 100, 1] > 0) & (random.random(len(hkl)) < 0.75)]
    intensity = np.abs(crystal.factors(hkl)) ** 2
    sigma = 0.03 * intensity + 0.01 * intensity.mean()
    return ReflectionData(
        hkl=hkl.astype(np.int32),
        intensity=intensity + sigma * random.normal(size=len(hkl)),
        sigma=sigma,
        experiment=crystal.experiment(),
        source="calculated",
    )


@pytest.mark.parametrize("seed", [3, 12, 21, 27])  # seven to nine pairs
def test_a_few_pairs_that_agree_well_show_a_class_and_unrelated_ones_do_not(seed: int) -> None:
    data = rock_salt(seed)
    choice = choose_laue_class(data)
    assert choice.chosen.laue_class.symbol == "m-3m"
    unrelated = np.random.default_rng(seed).exponential(size=len(data))
    choice = choose_laue_class(replace(data, intensity=unrelated, sigma=0.03 * unrelated + 1e-3))
    assert choice.chosen.laue_class.symbol == "-1"
