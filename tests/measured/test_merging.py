"""Merged reflections, against gemmi and counting."""

from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np
import pytest

from phaselearn.measured.cells import Cell
from phaselearn.measured.centring import conditions_of
from phaselearn.measured.merging import expanded, merge
from phaselearn.measured.possible import possible_reflections
from phaselearn.measured.reflection_data import ReflectionData
from tests.measured.samples import intensities, observed, point_group, reflections_within, selected

GROUPS: dict[str, Cell] = {
    "P -1": (5.1, 6.2, 7.3, 81, 95, 103),
    "P 1 21/c 1": (5.1, 6.2, 7.3, 90, 105, 90),
    "P 1 21/n 1": (5.1, 6.2, 7.3, 90, 105, 90),
    "P 21 21 2": (5.1, 6.2, 7.3, 90, 90, 90),
    "P 4/m": (5.1, 5.1, 7.3, 90, 90, 90),
    "P 3 2 1": (5.1, 5.1, 7.3, 90, 90, 120),
    "P 3 1 2": (5.1, 5.1, 7.3, 90, 90, 120),
    "R -3 m:R": (6, 6, 6, 75, 75, 75),
    "P 6/m": (5.1, 5.1, 7.3, 90, 90, 120),
    "P m -3": (6, 6, 6, 90, 90, 90),
    "P m -3 m": (6, 6, 6, 90, 90, 90),
}


def sample(space_group: str, copies: int = 2, share: float = 0.7) -> ReflectionData:
    """Random atoms, measured up to twice, with gaps."""
    cell = GROUPS[space_group]
    hkl = np.repeat(reflections_within(cell, 1.1), copies, axis=0)
    data = observed(hkl, intensities(hkl, cell, space_group), cell)
    return selected(data, np.random.default_rng(5).random(len(hkl)) < share)


def gemmis(data: ReflectionData, space_group: str) -> gemmi.Intensities:
    found = gemmi.Intensities()
    cell = gemmi.UnitCell(*data.experiment.cell)
    found.set_data(cell, gemmi.SpaceGroup(space_group), data.hkl, data.intensity, data.sigma)
    return found


@pytest.mark.parametrize("space_group", GROUPS)
def test_means_and_agreement_are_gemmis(space_group: str) -> None:
    data = sample(space_group)
    merged = merge(data, point_group(space_group))
    peer = gemmis(data, space_group)
    peer.remove_systematic_absences()
    peer.prepare_for_merging(gemmi.DataType.Mean)
    present = selected(data, np.isin(np.arange(len(data)), present_places(data, space_group)))
    statistics = merge(present, point_group(space_group)).statistics
    [weighted] = peer.calculate_merging_stats(None, use_weights="X")
    [unweighted] = peer.calculate_merging_stats(None, use_weights="U")
    assert statistics.r_int == pytest.approx(weighted.r_merge(), rel=1e-9)
    assert statistics.r_pim == pytest.approx(weighted.r_pim(), rel=1e-9)
    assert statistics.cc_half == pytest.approx(unweighted.cc_half(), rel=1e-9)
    assert (statistics.measured, statistics.unique) == (weighted.all_refl, weighted.unique_refl)
    peer.merge_in_place(gemmi.DataType.Mean)
    ours = {tuple(row): place for place, row in enumerate(expanded(merged)[0].tolist())}
    _, intensity, sigma = expanded(merged)
    places = [ours[tuple(row)] for row in peer.miller_array.tolist()]
    np.testing.assert_allclose(intensity[places], peer.value_array, rtol=1e-9)
    np.testing.assert_allclose(sigma[places], peer.sigma_array, rtol=1e-9)


def present_places(data: ReflectionData, space_group: str) -> np.ndarray:
    operations = gemmi.SpaceGroup(space_group).operations()
    return np.flatnonzero([not operations.is_systematically_absent(row) for row in data.hkl.tolist()])


def test_mates_are_merged_under_a_laue_group_alone() -> None:
    data = sample("P 21 21 2", share=1.0)
    apart, together = merge(data, point_group("P 21 21 2", inversion=False)), merge(data, point_group("P 21 21 2"))
    # Every reflection of general indices has a mate.
    general = (together.hkl != 0).all(1).sum()
    assert len(apart) == len(together) + general
    assert together.multiplicity.sum() == apart.multiplicity.sum() == len(data)


@pytest.mark.parametrize("space_group", GROUPS)
def test_all_equivalents_come_back_once(space_group: str) -> None:
    cell = GROUPS[space_group]
    hkl = reflections_within(cell, 1.1)
    true = intensities(hkl, cell, space_group)
    data = observed(hkl, true, cell, noise=1e-9, error=0)
    merged = merge(selected(data, np.random.default_rng(3).random(len(hkl)) < 0.9), point_group(space_group))
    found, intensity, _ = expanded(merged)
    assert len({tuple(row) for row in found.tolist()}) == len(found)
    value = {tuple(row): one for row, one in zip(hkl.tolist(), true, strict=True)}
    np.testing.assert_allclose(intensity, [value[tuple(row)] for row in found.tolist()], atol=1e-6 * true.max())


@pytest.mark.parametrize(
    ("space_group", "cell"),
    [*GROUPS.items(), ("I 4/m m m", (6, 6, 9, 90, 90, 90)), ("F m -3 m", (6, 6, 6, 90, 90, 90)),
     ("R -3 m:H", (6, 6, 15, 90, 90, 120)), ("C 1 2/m 1", (9, 6, 5, 90, 105, 90))],
)  # fmt: skip
def test_completeness_counts_what_gemmi_counts(space_group: str, cell: Cell) -> None:
    group = gemmi.SpaceGroup(space_group)
    centred = group.operations().derive_symmorphic()
    hkl = reflections_within(cell, 0.91)
    listed = hkl[[not centred.is_systematically_absent(row) for row in hkl.tolist()]]
    possible = possible_reflections(cell, 0.91, point_group(space_group), conditions_of(listed))
    unique = gemmi.make_miller_array(gemmi.UnitCell(*cell), group, 0.91, 0, unique=True)
    peer = gemmi.make_miller_array(gemmi.UnitCell(*cell), gemmi.SpaceGroup("P 1"), 0.91, 0, unique=True)
    assert len(peer) * 2 == len(hkl)
    asymmetric = gemmi.ReciprocalAsu(group)
    kept = [row for row in listed.tolist() if asymmetric.is_in(row)]
    assert possible == len(kept) >= len(unique)


def test_what_was_measured_once_has_no_agreement() -> None:
    cell = GROUPS["P -1"]
    hkl = reflections_within(cell, 1.5)
    half = hkl[(hkl @ [1, 100, 10000]) > 0]
    statistics = merge(observed(half, np.ones(len(half)), cell), point_group("P -1")).statistics
    assert np.isnan([statistics.r_int, statistics.r_pim, statistics.cc_half]).all()
    assert (statistics.completeness, statistics.redundancy, statistics.repeated) == (1.0, 1.0, 0)


def test_a_large_cell_is_counted_by_its_volume() -> None:
    cell = (60.0, 60.0, 60.0, 90, 90, 90)
    group = point_group("P m -3 m")
    exact = len(gemmi.make_miller_array(gemmi.UnitCell(*cell), gemmi.SpaceGroup("P m -3 m"), 0.7, 0, unique=True))
    assert possible_reflections(cell, 0.7, group) == pytest.approx(exact, rel=0.08)


def test_a_shadowed_measurement_does_not_outweigh_its_equivalents() -> None:
    cell = GROUPS["P 21 21 2"]
    hkl = np.repeat(reflections_within(cell, 1.5), 2, axis=0)
    true = intensities(hkl, cell, "P 21 21 2")
    data = observed(hkl, true, cell)
    strong = np.flatnonzero((hkl != 0).all(1) & (true > 2 * true.mean()))[::7]
    intensity, sigma = data.intensity.copy(), data.sigma.copy()
    intensity[strong], sigma[strong] = 0.01, 0.02  # the beam stop's shadow
    shadowed = replace(data, intensity=intensity, sigma=sigma)
    group = point_group("P 21 21 2")
    clean, robust, naive = merge(data, group), merge(shadowed, group), merge(shadowed, group, reject=False)
    assert clean.statistics.rejected == naive.statistics.rejected == 0
    assert robust.statistics.rejected == len(strong)
    assert robust.statistics.r_int == pytest.approx(clean.statistics.r_int, rel=0.1)
    np.testing.assert_allclose(robust.intensity, clean.intensity, atol=0.1 * true.mean())
    assert np.abs(naive.intensity - clean.intensity).max() > true.mean()


def test_of_halves_that_differ_neither_is_an_outlier() -> None:
    cell = GROUPS["P -1"]
    hkl = np.array([[1, 2, 3]] * 2 + [[2, 0, 1], [2, 0, 1], [-2, 0, -1]] + [[0, 1, 1]] * 4, dtype=np.int32)
    data = observed(hkl, np.ones(9), cell)
    intensity = np.array([0.0, 100.0, 50.0, 52.0, 0.5, 0.0, 0.0, 80.0, 80.0])
    values = replace(data, intensity=intensity, sigma=np.ones(9))
    merged = merge(values, point_group("P -1"))
    assert sorted(merged.intensity.tolist()) == [40.0, 50.0, 51.0]
    assert sorted(merged.multiplicity.tolist()) == [2, 2, 4]
