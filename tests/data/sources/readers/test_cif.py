"""CIFs: what other programs wrote, against pymatgen's own reader; and the quirks of deposited files."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import gemmi
import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifParser, CifWriter

from phaselearn.data.sources.folder import Folder
from phaselearn.data.structures import LeftOut
from tests.data.sources.readers.structures import CORUNDUM, QUARTZ, SALT, assert_same, read, reasons

PEROVSKITE = Structure.from_spacegroup(
    "Pnma",
    Lattice.orthorhombic(5.44, 7.64, 5.38),
    ["Ca", "Ti", "O", "O"],
    [[0.0356, 0.25, 0.9933], [0, 0, 0.5], [0.4838, 0.25, 0.0711], [0.2888, 0.0373, 0.7111]],
)
MONOCLINIC = Structure.from_spacegroup(
    "C2/m",
    Lattice.monoclinic(12.2, 3.0, 5.8, 103.7),
    ["Ga", "Ga", "O"],
    [[0.09, 0, 0.79], [0.34, 0, 0.69], [0.16, 0, 0.11]],
)
# Their formulas as pymatgen reduces them, F2 and Li2O2, are not the smallest.
FLUORINE = Structure.from_spacegroup("Pa-3", Lattice.cubic(4.6), ["F"], [[0.089, 0.089, 0.089]])
PEROXIDE = Structure.from_spacegroup(
    "P6_3/mmc",
    Lattice.hexagonal(3.16, 7.69),
    ["Li", "Li", "O"],
    [[0, 0, 0], [1 / 3, 2 / 3, 0.25], [1 / 3, 2 / 3, 0.649]],
)
STRUCTURES = {
    **{"salt": SALT, "quartz": QUARTZ, "corundum": CORUNDUM, "perovskite": PEROVSKITE, "monoclinic": MONOCLINIC},
    **{"fluorine": FLUORINE, "peroxide": PEROXIDE},
}

# Sites in a cell of their own, so that each quirk is one line.
FRAME = """data_frame
_cell_length_a 5.0
_cell_length_b 6.0
_cell_length_c 7.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
_chemical_formula_sum '{formula}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_disorder_group
_atom_site_calc_flag
_atom_site_attached_hydrogens
{sites}
"""
SOUND = "Na1 Na 0 0 0 1 . . .\nCl1 Cl 0.5 0.5 0.5 1.0 . d 0"


def reason(folder: Path, text: str) -> str:
    """Return the formula of a CIF, or why it is left out."""
    (folder / "a.cif").write_text(text)
    return reasons(folder)["a.cif"]


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("symmetry", [None, 0.01])
def test_what_pymatgen_writes(tmp_path: Path, name: str, symmetry: float | None) -> None:
    CifWriter(STRUCTURES[name], symprec=symmetry).write_file(tmp_path / "a.cif")
    [entry] = read(tmp_path)
    assert_same(entry, STRUCTURES[name])


@pytest.mark.parametrize("name", STRUCTURES)
def test_what_ase_writes(tmp_path: Path, name: str) -> None:
    ase_io = pytest.importorskip("ase.io", reason="ASE is not installed")
    ase_io.write(tmp_path / "a.cif", STRUCTURES[name].to_ase_atoms())
    [entry] = read(tmp_path)
    assert_same(entry, STRUCTURES[name])


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("given", ["operations", "name", "Hall", "number"])
def test_the_group_is_enough(tmp_path: Path, name: str, given: str) -> None:
    """By gemmi's writer: with operations, or with one of the ways to name the group."""
    writer = str(CifWriter(STRUCTURES[name], symprec=0.01))
    small = gemmi.make_small_structure_from_block(gemmi.cif.read_string(writer).sole_block())
    small.determine_and_set_spacegroup("s.h12")
    group = small.spacegroup
    block = small.make_cif_block()
    for tag in ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz"):
        if (column := block.find_loop(tag)) is not None:
            column.erase()
    for tag in ("_space_group_name_H-M_alt", "_symmetry_space_group_name_H-M", "_space_group_name_Hall"):
        block.find([tag]).erase()
    text = block.as_string()
    text += {
        "operations": "loop_\n_symmetry_equiv_pos_as_xyz\n"
        + "\n".join(f"'{operation.triplet()}'" for operation in group.operations()),
        "name": f"_symmetry_space_group_name_H-M '{group.hm}'",
        "Hall": f"_space_group_name_Hall '{group.hall}'",
        "number": f"_space_group_IT_number {group.number}",
    }[given]
    (tmp_path / "a.cif").write_text(text + "\n")
    [entry] = read(tmp_path)
    assert_same(entry, STRUCTURES[name])


def test_no_group_is_not_taken_for_none(tmp_path: Path) -> None:
    text = FRAME.format(formula="Na Cl", sites=SOUND)
    assert reason(tmp_path, text) == "NaCl"
    assert reason(tmp_path, text.replace("'P 1'", "?")) == "no symmetry operations"
    assert reason(tmp_path, text.replace("'P 1'", "'Q 17'")) == "no symmetry operations"


@pytest.mark.parametrize("digits", [2, 3, 4])
def test_rounded_coordinates_are_on_their_special_positions(tmp_path: Path, digits: int) -> None:
    """In hexagonal diamond carbon is at (⅓, ⅔, z): images of 0.333, 0.667 are 0.01 Å apart."""
    lonsdaleite = Structure.from_spacegroup("P6_3/mmc", Lattice.hexagonal(2.51, 4.12), ["C"], [[1 / 3, 2 / 3, 0.062]])
    text = str(CifWriter(lonsdaleite, symprec=0.01))
    rounded = re.sub(r"(0\.[36]\d{7})\d*", lambda number: f"{float(number[1]):.{digits}f}", text)
    assert rounded != text
    (tmp_path / "a.cif").write_text(rounded)
    [entry] = Folder(str(tmp_path), "**/*", None, "conventional", "", "")
    assert (len(entry.numbers), entry.space_group) == (4, 194)
    assert_same(entry, lonsdaleite)


QUIRKS = {
    "Na1 Na 0 0 0 0.99 . . .\nCl1 Cl .5 .5 .5 1 . . .": "partial occupancy",
    "Na1 Na 0 0 0 0.9999 . . .\nCl1 Cl .5 .5 .5 1 . . .": "partial occupancy",
    "Na1 Na 0 0 0 0.6(1) . . .\nK1 K 0 0 0 0.4(1) . . .\nCl1 Cl .5 .5 .5 1 . . .": "partial occupancy",
    "'Na,K' '0.8Na + 0.2K' 0 0 0 1 . . .\nCl1 Cl .5 .5 .5 1 . . .": "partial occupancy",
    "Na1 Na 0 0 0 ? . . .\nCl1 Cl .5 .5 .5 1 . . .": "occupancy not known",
    "Na1 Na 0 0 0 1.5 . . .\nCl1 Cl .5 .5 .5 1 . . .": "occupancies above 1",
    "Na1 Na 0 0 0 1 1 . .\nCl1 Cl .5 .5 .5 1 2 . .": "disorder groups",
    "Na1 Na ? 0 0 1 . . .\nCl1 Cl .5 .5 .5 1 . . .": "atoms without positions",
    "Na1 Na 0 0 0 1 . . 2\nCl1 Cl .5 .5 .5 1 . . .": "hydrogen atoms without positions",
    "Na1 OH 0 0 0 1 . . .\nCl1 Cl .5 .5 .5 1 . . .": "unknown element",
    "Na1 Na 0 0 0 1 . . .": "atoms that do not add up to the stated formula",
    "Na1 Na 0 0 0 1 . . .\nK1 K .5 0 0 1 . . .\nCl1 Cl .5 .5 .5 1 . . .": (
        "atoms that do not add up to the stated formula"
    ),
    # What changes nothing: errors of coordinates, charges, dummies, sites that are not occupied.
    "Na1 Na1+ 0.0000(2) 0 0 1.000(3) . . .\nCl1 Cl1- .5 .5 .5 . 0 . .": "NaCl",
    "Na1 Na+1 0 0 0 1 . . .\nCl1 CL .5 .5 .5 1 . . .\nD1 Cl ? ? ? 1 . dum .": "NaCl",
    "Na1 Na 0 0 0 1 . . .\nCl1 Cl .5 .5 .5 1 . . .\nO1 O .2 .2 .2 0 . . .": "NaCl",
}


@pytest.mark.parametrize("sites", QUIRKS)
def test_quirks_of_deposited_files(tmp_path: Path, sites: str) -> None:
    assert reason(tmp_path, FRAME.format(formula="Cl Na", sites=sites)) == QUIRKS[sites]


@pytest.mark.parametrize(
    ("formula", "sites", "expected"),
    [
        ("H2 O", "O1 O 0 0 0 1 . . .", "hydrogen atoms without positions"),
        ("D2 O", "O1 O 0 0 0 1 . . .\nD1 D .2 0 0 1 . . .\nD2 D 0 .2 0 1 . . .", "H2O"),
        ("?", "O1 O 0 0 0 1 . . .", "O2"),
        (
            "C2 Ca",
            "CA1 . 0 0 0 1 . . .\nC1 . .3 0 0 1 . . .\nC2 . 0 .3 0 1 . . .",
            "elements that the labels leave open",
        ),
        ("C2", "CA1 . 0 0 0 1 . . .\nCB1 . .3 0 0 1 . . .", "C"),
        ("?", "CA1 . 0 0 0 1 . . .", "elements that the labels leave open"),
        ("?", "Ca1 . 0 0 0 1 . . .", "Ca"),
        ("?", "O1W . 0 0 0 1 . . .", "O2"),
    ],
)
def test_formulas_and_labels(tmp_path: Path, formula: str, sites: str, expected: str) -> None:
    assert reason(tmp_path, FRAME.format(formula=formula, sites=sites)) == expected


def test_magnetic_files_are_read_without_the_moments(tmp_path: Path) -> None:
    """Against pymatgen's reader of the same file."""
    chromite = CORUNDUM.copy(site_properties={"magmom": [1.0] * len(CORUNDUM)})
    writer = str(CifWriter(chromite, symprec=0.01))
    operations = re.findall(r"(?m)^\s+\d+\s+'(.+)'$", writer)
    assert len(operations) == 36
    magnetic = "loop_\n_space_group_symop_magn_operation.id\n_space_group_symop_magn_operation.xyz\n" + "\n".join(
        f"{number} '{operation.replace(' ', '')},{'+-'[number % 2]}1'" for number, operation in enumerate(operations)
    )
    text = re.sub(r"loop_\n\s*_symmetry_equiv_pos_site_id.*?(?=loop_)", magnetic + "\n", writer, flags=re.DOTALL)
    assert "magn" in text
    (tmp_path / "a.mcif").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        [oracle] = CifParser(tmp_path / "a.mcif").parse_structures(primitive=False)
    [entry] = read(tmp_path)
    assert_same(entry, oracle)
    assert_same(entry, CORUNDUM)
    (tmp_path / "a.mcif").write_text(text.replace("data_", "data_x\n_cell_modulation_dimension 1\n#", 1))
    assert reasons(tmp_path) == {"a.mcif": "modulated structure"}


def test_the_centring_of_a_magnetic_file_counts(tmp_path: Path) -> None:
    sites = FRAME.format(formula="Na Cl", sites=SOUND).replace("_symmetry_space_group_name_H-M 'P 1'\n", "")
    loops = (
        "loop_\n_space_group_symop_magn_operation.xyz\nx,y,z,+1\n"
        "loop_\n_space_group_symop_magn_centering.xyz\nx,y,z,+1\n"
        "x+1/5,y,z+2/5,-1\nx+2/5,y,z+4/5,+1\nx+3/5,y,z+1/5,-1\nx+4/5,y,z+3/5,+1\n"
    )
    (tmp_path / "a.mcif").write_text(sites + loops)
    [entry] = read(tmp_path)
    positions = {tuple(np.round(position, 3)) for position in entry.positions}
    centrings = [(0, 0), (0.2, 0.4), (0.4, 0.8), (0.6, 0.2), (0.8, 0.6)]
    expected = [(x, 0, z) for x, z in centrings] + [(x + 0.5, 0.5, z + 0.5) for x, z in centrings]
    assert positions == {tuple(np.round(np.array(position) % 1, 3)) for position in expected}
    (tmp_path / "a.mcif").write_text(sites + loops.replace("x+4/5,y,z+3/5,+1\n", ""))
    assert reasons(tmp_path) == {"a.mcif": "operations that form no group"}
    named = sites + '_space_group_magn.name_BNS "P_c -1"\n'
    (tmp_path / "a.mcif").write_text(named)
    assert reasons(tmp_path) == {"a.mcif": "magnetic space group without its operations"}


def test_a_text_that_looks_like_a_block(tmp_path: Path) -> None:
    text = FRAME.format(formula="Na Cl", sites=SOUND)
    note = "_publ_section_comment\n;\ndata_ are as in the paper\n;\n"
    (tmp_path / "a.cif").write_text(text + note, encoding="utf-8-sig")
    assert reasons(tmp_path) == {"a.cif": "NaCl"}


def test_other_encodings_and_line_ends(tmp_path: Path) -> None:
    text = FRAME.format(formula="Na Cl", sites=SOUND) + "_publ_author_name 'Müller'\n"
    (tmp_path / "a.cif").write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    assert reasons(tmp_path) == {"a.cif": "NaCl"}


def test_one_bad_file_never_stops_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_bytes(np.random.default_rng(0).bytes(3000))
    (tmp_path / "b.cif").write_text("")
    (tmp_path / "c.cif").write_text(FRAME.format(formula="Na Cl", sites=SOUND).replace("5.0", "0"))
    (tmp_path / "d.cif").write_text(FRAME.format(formula="Na Cl", sites=SOUND))
    first, second, third, sound = read(tmp_path)
    assert (first, second, third) == (
        LeftOut("a.cif", "no structure in the file"),
        LeftOut("b.cif", "no structure in the file"),
        LeftOut("c.cif", "no cell"),
    )
    assert sound.formula == "NaCl"
