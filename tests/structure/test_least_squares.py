"""Structure factors and least squares: gemmi's sums, finite differences, and atoms that come back."""

from __future__ import annotations

import time
from dataclasses import replace

import gemmi
import numpy as np
import pytest

from phaselearn.measured.cells import lattice_of
from phaselearn.structure.calculated import Calculator
from phaselearn.structure.least_squares import design_matrix, judged, refine
from phaselearn.structure.model import Model
from phaselearn.structure.reflections import Reflections
from phaselearn.structure.scattering_factors import dispersion
from phaselearn.structure.sites import Site
from phaselearn.structure.space_group import SpaceGroup
from tests.structure.samples import Crystal, random_crystal

CRYSTALS = (
    random_crystal("P 1", (5.1, 6.2, 7.3, 85.0, 97.0, 104.0), ("S", "O", "C"), 1),
    random_crystal("C 1 2/c 1", (11.0, 6.5, 9.0, 90.0, 112.0, 90.0), ("S", "O"), 2, {"Zn": (0, 0.23, 0.25)}),
    random_crystal("P n a 21", (9.2, 8.1, 7.3, 90.0, 90.0, 90.0), ("S", "O", "N"), 3),
    random_crystal("R -3 c:H", (9.0, 9.0, 14.0, 90.0, 90.0, 120.0), ("O",), 4, {"Ca": (0, 0, 0), "C": (0, 0, 0.25)}),
    random_crystal("I 41/a:1", (8.0, 8.0, 11.0, 90.0, 90.0, 90.0), ("O",), 5, {"W": (0, 0, 0.5)}),
)


def model_of(crystal: Crystal, seed: int) -> tuple[Model, SpaceGroup]:
    group, lattice = SpaceGroup.named(crystal.symbol), lattice_of(crystal.cell)
    sites = [Site.near(site, group, lattice, 0.01) for site in crystal.sites]
    u_iso = np.random.default_rng(seed).uniform(0.01, 0.04, len(sites))
    return Model.of_sites(sites, crystal.elements, u_iso), group


def calculator_of(crystal: Crystal, probe: str = "xray", wavelength: float | None = None) -> Calculator:
    group = SpaceGroup.named(crystal.symbol)
    reflections = Reflections.of(crystal.merged(0.9, 0.02, 0), group, lattice_of(crystal.cell))
    return Calculator(reflections, group, probe, wavelength)


@pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.symbol)
@pytest.mark.parametrize("probe", ["xray", "electron", "neutron"])
def test_structure_factors_are_those_of_gemmi(crystal: Crystal, probe: str) -> None:
    model, _ = model_of(crystal, 1)
    wavelength = 0.71073 if probe == "xray" else None
    calculator = calculator_of(crystal, probe, wavelength)
    small = gemmi.SmallStructure()
    small.cell = gemmi.UnitCell(*crystal.cell)
    small.spacegroup = gemmi.find_spacegroup_by_name(crystal.symbol)
    small.setup_cell_images()
    for number, element in enumerate(model.elements):
        site = gemmi.SmallStructure.Site()
        site.label, site.element = f"{element}{number}", gemmi.Element(element)
        site.fract = gemmi.Fractional(*model.positions[number])
        site.occ = model.multiplicity[number] / len(crystal.operations)
        site.u_iso = model.u_iso[number]
        small.add_site(site)
    classes = {
        "xray": gemmi.StructureFactorCalculatorX,
        "electron": gemmi.StructureFactorCalculatorE,
        "neutron": gemmi.StructureFactorCalculatorN,
    }
    oracle = classes[probe](small.cell)
    for element in model.elements if wavelength else ():
        oracle.addends.set(gemmi.Element(element), dispersion(element, probe, wavelength)[0])
    some = slice(0, 60)
    expected = [
        oracle.calculate_sf_from_small_structure(small, hkl) for hkl in calculator.reflections.hkl[some].tolist()
    ]
    np.testing.assert_allclose(calculator(model)[some], expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.symbol)
def test_intensities_with_f_double_prime_are_means_of_friedel_mates(crystal: Crystal) -> None:
    model, _ = model_of(crystal, 1)
    model = replace(model, u_iso=np.full(len(model), 0.02))
    calculator = calculator_of(crystal, wavelength=1.5418)
    hkl = calculator.reflections.hkl
    mates = [np.abs(crystal.factors(sign * hkl, 1.5418)) ** 2 for sign in (1, -1)]
    found = np.abs(calculator(model)) ** 2 + calculator.square_of_imaginary(model)
    np.testing.assert_allclose(found, np.mean(mates, axis=0), atol=1e-4 * np.max(mates))


@pytest.mark.parametrize("crystal", CRYSTALS[3:], ids=lambda crystal: crystal.symbol)
def test_true_atoms_explain_intensities_with_f_double_prime(crystal: Crystal) -> None:
    calculator = calculator_of(crystal, wavelength=1.5418)
    intensity = 3.0 * np.abs(crystal.factors(calculator.reflections.hkl, 1.5418)) ** 2
    exact = replace(calculator.reflections, intensity=intensity)
    calculator = Calculator(exact, calculator.group, "xray", 1.5418)
    begun = refine(model_of(crystal, 2)[0], calculator, cycles=30)
    refined = refine(begun.model, calculator, cycles=30)  # |B|² is renewed
    assert refined.r1 < 1e-4
    assert judged(refined.model, Calculator(exact, calculator.group, "xray", None)).r1 > 5 * refined.r1


@pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.symbol)
@pytest.mark.parametrize("with_occupancy", [False, True])
def test_derivatives_are_those_of_finite_differences(crystal: Crystal, with_occupancy: bool) -> None:
    model, _ = model_of(crystal, 2)
    calculator, scale, step = calculator_of(crystal), 2.5, 1e-5
    part = next(calculator.derivatives(model))
    design = design_matrix(part, model, scale, calculator, with_occupancy)

    def column(moved: list[tuple[Model, float]]) -> np.ndarray:
        up, down = (own * np.abs(calculator(each)[part.rows]) ** 2 for each, own in moved)
        return (up - down) / (2 * step)

    atoms, columns = len(model), []
    if with_occupancy:
        for unit in np.eye(atoms) * step:
            columns.append(column([(replace(model, occupancy=model.occupancy + s * unit), scale) for s in (1, -1)]))
    else:
        columns.append(column([(model, scale * np.exp(s * step)) for s in (1, -1)]))
    for unit in np.eye(atoms) * step:
        columns.append(column([(replace(model, u_iso=model.u_iso + s * unit), scale) for s in (1, -1)]))
    for atom, directions in enumerate(model.directions):
        for direction in directions.T * step:
            shift = np.zeros((atoms, 3))
            shift[atom] = direction
            columns.append(column([(replace(model, positions=model.positions + s * shift), scale) for s in (1, -1)]))
    assert design.shape[1] == len(columns)
    for place, expected in enumerate(columns):
        np.testing.assert_allclose(design[:, place], expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("crystal", CRYSTALS[:3], ids=lambda crystal: crystal.symbol)
def test_displaced_atoms_come_back(crystal: Crystal) -> None:
    truth, _ = model_of(crystal, 3)
    calculator = calculator_of(crystal)
    exact = 4.0 * np.abs(calculator(truth)) ** 2
    reflections = replace(calculator.reflections, intensity=exact, sigma=0.01 * exact + 0.1)
    calculator = Calculator(reflections, calculator.group, "xray", None)
    generator = np.random.default_rng(4)
    shifts = [directions @ (0.03 * generator.normal(size=directions.shape[1])) for directions in truth.directions]
    start = replace(truth, positions=truth.positions + shifts, u_iso=np.full(len(truth), 0.025))
    found = refine(start, calculator, 30)
    assert judged(start, calculator).r1 > 0.05
    assert found.r1 < 1e-4
    assert found.scale == pytest.approx(4.0, rel=1e-4)
    np.testing.assert_allclose(found.model.u_iso, truth.u_iso, atol=1e-5)
    # The origin of polar groups floats, so that distances between atoms are compared.
    moved = found.model.positions - found.model.positions[0]
    np.testing.assert_allclose(moved, truth.positions - truth.positions[0], atol=1e-4)


def test_an_atom_on_an_element_of_symmetry_stays_on_it() -> None:
    crystal = CRYSTALS[1]
    model, _ = model_of(crystal, 5)
    zinc = model.elements.index("Zn")
    assert model.directions[zinc].shape == (3, 1)
    found = refine(model, calculator_of(crystal), 10).model
    np.testing.assert_allclose(found.positions[zinc][[0, 2]], [0.0, 0.25], atol=1e-12)


def test_figures_are_those_of_their_formulas() -> None:
    crystal = CRYSTALS[1]
    model, _ = model_of(crystal, 6)
    calculator = calculator_of(crystal)
    found = judged(model, calculator)
    observed, sigma = calculator.reflections.intensity, calculator.reflections.sigma
    square = found.scale * np.abs(found.calculated) ** 2
    weight = 1 / (sigma**2 + (0.1 * (np.maximum(observed, 0) + 2 * square) / 3) ** 2)
    strong = observed > 2 * sigma
    amplitude = np.sqrt(np.maximum(observed, 0))
    # Scale, three U, one coordinate of zinc and six of the others.
    assert found.parameters == 11
    assert found.r1 == pytest.approx((abs(amplitude - np.sqrt(square))[strong].sum()) / amplitude[strong].sum())
    assert found.wr2 == pytest.approx(np.sqrt((weight * (observed - square) ** 2).sum() / (weight * observed**2).sum()))
    assert found.goodness == pytest.approx(
        np.sqrt((weight * (observed - square) ** 2).sum() / (len(observed) - found.parameters))
    )


def test_no_cycle_begins_after_the_deadline() -> None:
    truth, _ = model_of(CRYSTALS[0], 3)
    start = replace(truth, u_iso=np.full(len(truth), 0.06))
    calculator = calculator_of(CRYSTALS[0])
    assert refine(start, calculator, 30, deadline=time.monotonic()).model is start
    assert refine(start, calculator, 30, deadline=time.monotonic() + 600).r1 < judged(start, calculator).r1
