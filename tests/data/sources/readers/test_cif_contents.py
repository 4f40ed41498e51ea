"""CIFs with a block or a value that is wrong or unusual: cells, positions, elements, formulas."""

from __future__ import annotations

from pathlib import Path

import pytest

from phaselearn.data.structures import LeftOut
from tests.data.sources.readers.structures import read

CELL = (5, 6, 7, 90, 90, 90)
SITES = "Na1 Na 0 0 0\nCl1 Cl .5 .5 .5"


def written(
    name: str = "a",
    cell: tuple[object, ...] = CELL,
    sites: str = SITES,
    formula: str = "?",
    columns: str = "label type_symbol fract_x fract_y fract_z",
    more: str = "",
) -> str:
    """Return a block of P1."""
    tags = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = [f"_cell_{tag} {value}" for tag, value in zip(tags, cell, strict=True)]
    lines += [f"_chemical_formula_sum '{formula}'", "_symmetry_space_group_name_H-M 'P 1'", more, "loop_"]
    lines += [f"_atom_site_{column}" for column in columns.split()]
    return "\n".join([f"data_{name}", *lines, sites, ""])


def said(folder: Path, text: str) -> list[str]:
    """Return the formula or the cause of each entry of a file."""
    (folder / "a.cif").write_text(text)
    entries = read(folder)
    return [entry.cause if isinstance(entry, LeftOut) else entry.formula for entry in entries]


@pytest.mark.parametrize(
    ("volume", "said_of_it"),
    [
        *((volume, "NaCl") for volume in ("210.0(3)", "209", "?", ".", "none", "0", "-1")),
        *((volume, "a cell that does not have the stated volume") for volume in ("230", "0.21", "2.1e8")),
    ],
)
def test_the_cell_has_the_stated_volume(tmp_path: Path, volume: str, said_of_it: str) -> None:
    assert said(tmp_path, written(cell=(5, 6, 7, 90, 90, 90), more=f"_cell_volume {volume}")) == [said_of_it]


@pytest.mark.parametrize(
    "cell",
    [
        (5, 6, 7, 120, 130, 140),
        (5, 6, 7, 30, 40, 120),
        (5, 6, 7, 0, 90, 90),
        (5, 6, 7, 90, 90, 180),
        (5, 6, 7, 1.5708, 1.5708, 2.0944),
        (5, 6, 7, 90, 90, 1200),
        (5, 6, 7, 90, -90, 90),
        (5, 6, 7, 90, "nan", 90),
        ("1e308", 6, 7, 90, 90, 90),
        ("inf", 6, 7, 90, 90, 90),
        (0, 6, 7, 90, 90, 90),
        (-5, 6, 7, 90, 90, 90),
        ("?", 6, 7, 90, 90, 90),
        (5, 6, 7, 90, 90, "?"),
    ],
)
def test_impossible_cells(tmp_path: Path, cell: tuple[object, ...]) -> None:
    assert said(tmp_path, written(cell=cell) + written("b")) == ["no cell", "NaCl"]


@pytest.mark.parametrize(
    ("coordinate", "reason"),
    [
        ("1e308", "position more than 10,000 cells from the origin"),
        ("-1e20", "position more than 10,000 cells from the origin"),
        ("1e400", "atoms without positions"),
        ("inf", "atoms without positions"),
        ("nan", "atoms without positions"),
        ("1/0", "atoms without positions"),
        ("0,5", "atoms without positions"),
        ("x", "atoms without positions"),
    ],
)
def test_positions_that_are_none(tmp_path: Path, coordinate: str, reason: str) -> None:
    text = written(sites=f"Na1 Na {coordinate} 0 0\nCl1 Cl .5 .5 .5") + written("b")
    assert said(tmp_path, text) == [reason, "NaCl"]


def test_positions_in_other_forms(tmp_path: Path) -> None:
    def positions(text: str) -> list[list[float]]:
        (tmp_path / "a.cif").write_text(text)
        [entry] = read(tmp_path)
        return entry.positions.tolist()

    expected = [pytest.approx([1 / 3, 2 / 3, 0.25]), pytest.approx([0.5, 0.5, 0.5])]
    assert positions(written(sites="Na1 Na 1/3 +2/3 1/4\nCl1 Cl 1/2 0.50(2) .5")) == expected
    slanted = (5, 6, 7, 80, 100, 110)
    fractions = "Na1 Na 0.1 0.2 0.3\nCl1 Cl .5 .5 .5"
    (tmp_path / "a.cif").write_text(written(cell=slanted, sites=fractions))
    [entry] = read(tmp_path)
    rows = zip(("Na1 Na", "Cl1 Cl"), (entry.positions @ entry.lattice).tolist(), strict=True)
    sites = "\n".join(f"{name} {x:.7f} {y:.7f} {z:.7f}" for name, (x, y, z) in rows)
    columns = "label type_symbol Cartn_x Cartn_y Cartn_z"
    expected = [pytest.approx(position, abs=1e-6) for position in entry.positions.tolist()]
    assert positions(written(cell=slanted, sites=sites, columns=columns)) == expected
    turned = "".join(f"_atom_sites_fract_tran_matrix_{row}{row} 0.2\n" for row in (1, 2, 3))
    text = written(cell=slanted, sites=sites, columns=columns, more=turned)
    assert said(tmp_path, text) == ["Cartesian axes that are not along the cell in the usual way"]
    text = written(sites=SITES, columns=columns, more="_atom_sites_Cartn_transform_axes 'c along z'")
    assert said(tmp_path, text) == ["Cartesian axes that are not along the cell in the usual way"]


def test_names_of_tags_in_all_dictionaries(tmp_path: Path) -> None:
    text = written().replace("_atom_site_", "_atom_site.").replace("_cell_", "_cell.")
    assert said(tmp_path, text) == ["NaCl"]
    assert said(tmp_path, text.upper().replace("NA", "Na").replace("CL", "Cl").replace("DATa", "data")) == ["NaCl"]
    lines = [line for line in written(sites="").splitlines() if not line.startswith(("loop_", "_atom"))]
    alone = "\n".join([*lines, "_atom_site_label Na1", *(f"_atom_site_fract_{axis} 0.1" for axis in "xyz"), ""])
    assert said(tmp_path, alone) == ["Na"]


BAD_BLOCKS = {
    "_chemical_formula_sum '?'|_chemical_formula_sum Na0": "atoms that do not add up to the stated formula",
    "_chemical_formula_sum '?'|_chemical_formula_sum Na.": "stated formula that cannot be read",
    "_chemical_formula_sum '?'|_chemical_formula_sum 'X2'": "atoms that do not add up to the stated formula",
    "_chemical_formula_sum '?'|_cell_formula_units_Z four": "Z that cannot be read",
    "'P 1'|'P 1": "not valid CIF",
    "'P 1'|P 1": "not valid CIF",
    "_cell_length_b 6|_cell_length_a 6": "not valid CIF",
    "_cell_length_b 6|_note\n;\nnever closed": "not valid CIF",
    "Cl1 Cl .5 .5 .5|Cl1 Cl .5 .5": "not valid CIF",
    "_symmetry_space_group_name_H-M 'P 1'|_space_group_IT_number 999": "no symmetry operations",
    "_symmetry_space_group_name_H-M 'P 1'|_symmetry_equiv_pos_as_xyz identity": "operations that cannot be read",
    "_atom_site_fract_x|_atom_site_other": "atoms without positions",
    "_atom_site_fract_y|_atom_site_other": "atoms without positions",
}


@pytest.mark.parametrize("change", BAD_BLOCKS)
def test_a_bad_block_takes_no_other_along(tmp_path: Path, change: str) -> None:
    bad = written("b").replace(*change.split("|"))
    assert bad != written("b")
    note = "_note\n;\ndata_c is not a block\n;\n"
    text = written("a", more=note) + bad + written("a", sites="K1 K 0 0 0\nCl1 Cl .5 .5 .5", more=note)
    assert said(tmp_path, text) == ["NaCl", BAD_BLOCKS[change], "KCl"]


@pytest.mark.parametrize(
    ("symbol", "label", "expected"),
    [
        ("Fe2.5+", "X1", "Fe"),
        ("Fe+2.5", "X1", "Fe"),
        ("Fe3.00+", "X1", "Fe"),
        ("FeIII", "X1", "Fe"),
        ("Fe(III)", "X1", "Fe"),
        ("VIV", "X1", "V"),
        ("'Fe 3+'", "X1", "Fe"),
        ("Fe1A", "X1", "Fe"),
        ("Fe2B", "Fe2", "Fe"),
        ("Siva", "X1", "Si"),
        ("Cval", "X1", "C"),
        ("C0+", "X1", "C"),
        ("2H", "X1", "H2"),
        ("13C", "X1", "C"),
        ("O--", "X1", "O2"),
        ("FE", "X1", "Fe"),
        ("Ti_sv", "X1", "Ti"),
        ("O1W", "O1W", "O2"),
        ("Mof_Na", "Na1", "Na"),
        ("Fe*", "Fe1", "Fe"),
        ("?", "Fe1", "Fe"),
        ("?", "Ow", "O2"),
        # A group of atoms, several elements on a place, what stands for none.
        ("OH", "O1", "unknown element"),
        ("H2O", "O1", "unknown element"),
        ("H2O", "H2O", "unknown element"),
        ("NH4+", "N1", "unknown element"),
        ("Na/K", "Na1", "unknown element"),
        ("Fe0.5Mn0.5", "Fe1", "unknown element"),
        ("(Fe.5Mn.5)", "Fe1", "unknown element"),
        ("FEMN", "Fe1", "unknown element"),
        ("Fe_Mn", "Fe1", "unknown element"),
        ("Fe:Mn", "Fe1", "unknown element"),
        ("Fe2O3", "Fe1", "unknown element"),
        ("Fe0.9", "Fe1", "unknown element"),
        ("Mn?", "Fe1", "unknown element"),
        ("T", "T1", "unknown element"),
        ("X", "1", "unknown element"),
        ("?", "Wat1", "unknown element"),
        ("?", "Va1", "unknown element"),
        ("?", "Na/K", "unknown element"),
        ("?", "H2O", "unknown element"),
        ("?", "NH4", "unknown element"),
        ("?", "SO4", "unknown element"),
        ("?", "SiAl1", "unknown element"),
        ("?", "FeMg", "unknown element"),
        ("?", "C1A", "C"),
        ("?", "Fe1A", "Fe"),
        ("?", "C3H", "C"),
        ("Fe" + "1" * 100_000 + "!", "X1", "unknown element"),
    ],
)
def test_elements(tmp_path: Path, symbol: str, label: str, expected: str) -> None:
    assert said(tmp_path, written(sites=f"{label} {symbol} 0 0 0")) == [expected]


@pytest.mark.parametrize(
    ("formula", "fits"),
    [
        ("Na Cl", True),
        ("NaCl", True),
        ("Na1, Cl1", True),
        ("(Na Cl)", True),
        ("[NaCl]2", True),
        ("(Na Cl)n", True),
        ("2(Na Cl)", True),
        ("Na1 Cl1 K0", True),
        ("Na Cl 1-", True),
        ("NA1 CL1", True),
        ("Na Cl2", False),
        ("Na, Cl, 2(H2 O)", False),
        ("NaK", False),
        ("Na1 Cl0", False),
        ("NACL", False),
    ],
)
def test_formulas_in_other_spellings(tmp_path: Path, formula: str, fits: bool) -> None:
    expected = "NaCl" if fits else "atoms that do not add up to the stated formula"
    assert said(tmp_path, written(formula=formula)) == [expected]


def test_an_angle_that_is_not_stated_is_90(tmp_path: Path) -> None:
    assert said(tmp_path, written().replace("_cell_angle_gamma 90\n", "")) == ["NaCl"]
    assert said(tmp_path, written(cell=(5, 6, 7, 90, 90, "."))) == ["NaCl"]


@pytest.mark.parametrize(("units", "fits"), [("1", True), ("2", True), ("4", False), ("0", False), ("-1", False)])
def test_z_without_a_formula(tmp_path: Path, units: str, fits: bool) -> None:
    """Every unit has as many atoms of each element as any other."""
    sites = "\n".join(f"Na{i} Na {i / 4} 0 0\nCl{i} Cl {i / 4} .5 .5" for i in range(2))
    expected = "NaCl" if fits else "atoms that do not add up to Z"
    assert said(tmp_path, written(sites=sites, more=f"_cell_formula_units_Z {units}")) == [expected]


@pytest.mark.parametrize(
    "tag",
    [
        "_space_group_ssg_name 'Pmmm(00g)'",
        "_space_group_ssg_IT_number 47.1.9.1",
        "_space_group_symop_ssg_operation_algebraic x1",
        "_cell_subsystems_number 2",
        "loop_\n_atom_site_displace_Fourier_id\n_atom_site_displace_Fourier_atom_site_label\nx1 Na1",
        "_atom_site_occ_special_func_atom_site_label Na1",
        "_atom_site_Fourier_wave_vector_q1_coeff 1",
    ],
)
def test_statements_of_superspace_are_of_a_modulated_structure(tmp_path: Path, tag: str) -> None:
    assert said(tmp_path, written(more=tag)) == ["modulated structure"]


@pytest.mark.parametrize("tag", ["_space_group_ssg_name ?", "_cell_modulation_dimension 0", "_atom_site_occupancy 1"])
def test_a_form_without_superspace_is_an_ordinary_structure(tmp_path: Path, tag: str) -> None:
    assert "modulated structure" not in said(tmp_path, written(more=tag))


def test_large_files_are_left_out_before_they_cost_time(tmp_path: Path) -> None:
    many = "\n".join(f"C{place} C 0.{place:06d} 0 0" for place in range(20_000))
    assert said(tmp_path, written(sites=many)) == ["more than 5,000 atoms"]
    operations = "\n".join(f"x+0.{place:06d},y,z" for place in range(20_000))
    more = f"loop_\n_symmetry_equiv_pos_as_xyz\n{operations}"
    assert said(tmp_path, written(more=more)) == ["operations that form no group"]
