"""Files of solutions, read back by the programs that they are for: gemmi, pymatgen, and cctbx in its own process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import gemmi
import numpy as np
import pytest
from pymatgen.core import Structure

from phaselearn.measured.cells import lattice_of
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.determine import determine
from phaselearn.structure.geometry import inverse_d_squared
from phaselearn.structure.standard import in_standard_setting
from phaselearn.structure.writers.cif import cif_text
from phaselearn.structure.writers.folder import write_solution
from phaselearn.structure.writers.shelx import hkl_text, res_text
from tests.structure.samples import Crystal, random_crystal

CRYSTALS = (
    random_crystal("P 1 21/n 1", (7.1, 6.2, 9.3, 90.0, 101.0, 90.0), ("Cl", "O", "N", "C", "C"), 3),
    random_crystal("I 1 2/a 1", (11.0, 6.5, 9.0, 90.0, 95.0, 90.0), ("S", "O"), 5, {"Zn": (0.25, 0.23, 0)}),
    random_crystal("P n a 21", (9.2, 8.1, 7.3, 90.0, 90.0, 90.0), ("S", "O", "N"), 7),
    random_crystal("R -3 c:R", (7.0, 7.0, 7.0, 62.0, 62.0, 62.0), ("O",), 21, {"Fe": (0, 0, 0)}),
    random_crystal("I 41/a:1", (8.0, 8.0, 11.0, 90.0, 90.0, 90.0), ("O",), 11, {"W": (0, 0, 0.5)}),
)


@pytest.fixture(scope="module", params=CRYSTALS, ids=lambda crystal: crystal.symbol)
def solved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Crystal, Candidate, Path]:
    crystal = request.param
    contents = crystal.contents() | {"H": 4.0}
    best = determine(
        crystal.phased(0.85, 15.0, 1), crystal.merged(0.85, 0.02, 2), crystal.experiment(contents, 0.71073)
    )[0]
    folder = tmp_path_factory.mktemp("solution")
    write_solution(best, folder, "a title: with 'quotes'")
    return crystal, best, folder


def test_gemmi_and_pymatgen_read_the_same_crystal(solved: tuple[Crystal, Candidate, Path]) -> None:
    crystal, _, folder = solved
    small = gemmi.read_small_structure(str(folder / "solution.cif"))
    sites = small.get_all_unit_cell_sites()
    positions = np.array([site.fract.tolist() for site in sites])
    assert small.cell.parameters == pytest.approx(crystal.cell, abs=1e-3)
    assert small.spacegroup.number == gemmi.find_spacegroup_by_name(crystal.symbol).number
    assert crystal.found([site.element.name for site in sites], positions, 0.1) == 1.0
    assert len(sites) == len(crystal.atoms()[0])
    for name in ("solution.cif", "solution_standard.cif"):
        read = Structure.from_file(folder / name)
        wanted = len(sites) * read.volume / small.cell.volume
        assert len(read) == pytest.approx(wanted, abs=0.01)


def test_the_standard_setting_is_the_same_crystal(solved: tuple[Crystal, Candidate, Path]) -> None:
    _, best, _ = solved
    standard = in_standard_setting(best)
    assert standard is not None
    assert standard.fit == best.fit
    # |F| of a cell grows with its volume, resolutions stay, and atoms still explain the reflections.
    ratio = np.linalg.det(lattice_of(standard.cell)) / np.linalg.det(lattice_of(best.cell))
    before = inverse_d_squared(best.reflections.hkl, lattice_of(best.cell))
    after = inverse_d_squared(standard.reflections.hkl, lattice_of(standard.cell))
    np.testing.assert_allclose(after, before, rtol=1e-4)
    np.testing.assert_allclose(standard.reflections.intensity, best.reflections.intensity * ratio**2, rtol=1e-6)
    small = gemmi.make_small_structure_from_block(gemmi.cif.read_string(cif_text(standard, "x")).sole_block())
    expected = []
    for hkl in standard.reflections.hkl[:40].tolist():
        total = 0j
        for site in small.get_all_unit_cell_sites():
            square = small.cell.calculate_1_d2(hkl)
            form = site.element.it92.calculate_sf(square / 4) * np.exp(-2 * np.pi**2 * site.u_iso * square)
            total += form * np.exp(2j * np.pi * np.dot(hkl, site.fract.tolist()))
        expected.append(total)
    found = standard.reflections.calculated[:40]
    # The CIF has four decimals of U, and no dispersion is in the sum.
    assert np.abs(found - expected).mean() < 0.05 * np.abs(expected).mean()


def test_every_name_of_the_cif_is_in_the_core_dictionary_form(solved: tuple[Crystal, Candidate, Path]) -> None:
    _, best, folder = solved
    block = gemmi.cif.read(str(folder / "solution.cif")).sole_block()
    assert block.find_value("_refine_ls_R_factor_gt") == f"{best.fit.r1:.4f}"
    assert [gemmi.cif.as_string(text) for text in block.find_values("_space_group_symop_operation_xyz")] == [
        *best.space_group.triplets
    ]
    labels = list(block.find_values("_atom_site_label"))
    assert len(set(labels)) == len(labels) == len(best.atoms)
    assert "H4" in gemmi.cif.as_string(block.find_value("_chemical_formula_sum")).split() or best.units != 1


def test_the_map_is_highest_where_the_heaviest_atom_is(solved: tuple[Crystal, Candidate, Path]) -> None:
    _, best, folder = solved
    ccp4 = gemmi.read_ccp4_map(str(folder / "solution.ccp4"))
    ccp4.setup(float("nan"))
    heaviest = max(best.atoms, key=lambda atom: gemmi.Element(atom.element).atomic_number)
    there = ccp4.grid.interpolate_value(gemmi.Fractional(*heaviest.xyz))
    assert there > 0.8 * ccp4.grid.array.max()
    assert ccp4.grid.unit_cell.parameters == pytest.approx(best.cell, abs=1e-3)


def test_the_mtz_file_gives_the_map_again(solved: tuple[Crystal, Candidate, Path]) -> None:
    _, best, folder = solved
    mtz = gemmi.read_mtz_file(str(folder / "solution.mtz"))
    # gemmi goes by the number; the operations tell which origin it is.
    header = (folder / "solution.mtz").read_bytes().decode("latin-1")
    operations = [gemmi.Op(text.replace(" ", "")) for text in re.findall(r"SYMM ([XYZ0-9+\-/, ]+)", header)]
    mtz.spacegroup = gemmi.find_spacegroup_by_ops(gemmi.GroupOps(operations))
    assert mtz.spacegroup.xhm() == best.space_group.symbol
    grid = mtz.transform_f_phi_to_map("FP", "PHIC", sample_rate=4)
    values = np.array([grid.interpolate_value(gemmi.Fractional(*atom.xyz)) for atom in best.atoms])
    ccp4 = gemmi.read_ccp4_map(str(folder / "solution.ccp4"))
    ccp4.setup(float("nan"))
    expected = np.array([ccp4.grid.interpolate_value(gemmi.Fractional(*atom.xyz)) for atom in best.atoms])
    np.testing.assert_allclose(values, expected, rtol=0.2)  # interpolated on two grids


def test_labels_of_many_atoms_fit_into_four_columns() -> None:
    crystal = CRYSTALS[0]
    best = determine(crystal.phased(1.0, 0.0, 1), crystal.merged(1.0, 0.02, 2), crystal.experiment())[0]
    many = tuple(replace(best.atoms[0], label=f"Cl{number}") for number in range(1, 181))
    lines = res_text(replace(best, atoms=many), "many").splitlines()
    labels = [line.split()[0] for line in lines[lines.index(next(x for x in lines if x.startswith("FVAR"))) + 1 : -2]]
    assert len(labels) == len({label.upper() for label in labels}) == 180
    assert max(map(len, labels)) <= 4


def test_the_contents_for_shelx_are_those_of_the_cell_with_hydrogen_that_was_stated(
    solved: tuple[Crystal, Candidate, Path],
) -> None:
    crystal, best, folder = solved
    lines = (folder / "solution.res").read_text().splitlines()
    [elements], [numbers] = ([line.split()[1:] for line in lines if line.startswith(name)] for name in ("SFAC", "UNIT"))
    wanted = crystal.contents() | {"H": 4.0}
    assert dict(zip(elements, map(float, numbers), strict=True)) == pytest.approx(wanted, abs=0.02)
    # The number of an atom's element is its place in SFAC.
    atoms = [line.split() for line in lines[lines.index("HKLF 4") - len(best.atoms) : lines.index("HKLF 4")]]
    assert [elements[int(atom[1]) - 1] for atom in atoms] == [atom.element for atom in best.atoms]


def test_electrons_get_their_scattering_factors_for_shelx(solved: tuple[Crystal, Candidate, Path]) -> None:
    _, best, _ = solved
    text = res_text(replace(best, probe="electron"), "electrons")
    assert max(map(len, text.splitlines())) <= 80
    lines = [line for line in text.replace("=\n", "").splitlines() if line.startswith("SFAC")]
    assert {line.split()[1] for line in lines} == {atom.element for atom in best.atoms} | {"H"}
    square = np.linspace(0, 2, 9) ** 2
    for line in lines:
        _, element, *numbers = line.split()
        values = np.array(numbers, dtype=float)
        table = gemmi.Element(element).c4322
        expected = sum(a * np.exp(-b * square / 4) for a, b in zip(table.a, table.b, strict=True))
        found = values[:8:2] @ np.exp(-values[1:8:2, None] * square / 4) + values[8]
        np.testing.assert_allclose(found, expected, atol=2e-3 * expected[0])
        assert values[-1] == pytest.approx(gemmi.Element(element).weight, abs=1e-3)


def test_columns_of_the_reflections_never_touch_their_limits(solved: tuple[Crystal, Candidate, Path]) -> None:
    _, best, _ = solved
    lines = hkl_text(best).splitlines()
    assert {len(line) for line in lines} == {28}
    assert lines[-1].split() == ["0", "0", "0", "0.00", "0.00"]


@pytest.mark.skipif(find_spec("smtbx") is None, reason="cctbx is not installed: pip install phaselearn[peers]")
def test_smtbx_refines_what_was_written_to_the_same_result(tmp_path: Path) -> None:
    crystal = CRYSTALS[1]
    best = determine(crystal.phased(0.85, 15.0, 1), crystal.merged(0.85, 0.1, 2), crystal.experiment())[0]
    write_solution(best, tmp_path, crystal.symbol)
    script = Path(__file__).with_name("refine_with_smtbx.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["number"] == best.space_group.number
    assert told["strong"] == best.fit.strong
    assert told["r1"] == pytest.approx(best.fit.r1, abs=0.002)
    assert told["wr2"] == pytest.approx(best.fit.wr2, abs=0.002)
    sites, u_iso = ({label.upper(): value for label, value in told[key].items()} for key in ("sites", "u_iso"))
    lattice = lattice_of(best.cell)
    for atom in best.atoms:
        difference = np.array(sites[atom.label.upper()]) - atom.xyz
        assert np.linalg.norm((difference - np.round(difference)) @ lattice) < 0.005
        assert u_iso[atom.label.upper()] == pytest.approx(atom.u_iso, abs=0.0005)
