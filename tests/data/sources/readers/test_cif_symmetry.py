"""The symmetry of CIFs: whatever states it gives the orbits of gemmi's tables, or the entry is left out."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from phaselearn.data.sources.readers import cif
from phaselearn.data.structures import Crystal, Unusable
from tests.data.sources.readers.settings import WAYS, amplitudes, draw
from tests.data.sources.readers.structures import read, reasons

# Each Laue class and centring, both origins, both kinds of axes, axes in other orders.
SOME = (
    "P 1",
    "C -1",
    "P 1 2 1",
    "P 1 1 21",
    "C 1 2/c 1",
    "I 1 2/a 1",
    "P 1 1 21/b",
    "P 21/n 1 1",
    "P 21 21 21",
    "P b n m",
    "A b a 2",
    "F d d 2",
    "P n n n:2",
    "I b c a",
    "I 41/a:2",
    "P 43 21 2",
    "P 4/n m m:1",
    "I 41/a m d:2",
    "R -3:R",
    "R 3 m:H",
    "R -3 c:R",
    "P 31 2 1",
    "P 63/m",
    "P 63 m c",
    "P 21 3",
    "P n -3 m:1",
    "I a -3 d",
    "F d -3 m:2",
    "F m -3 m",
)
ALL = [group.xhm() for group in gemmi.spacegroup_table()]


def said(folder: Path, text: str) -> str:
    """Return the formula of a CIF, or why it is left out."""
    (folder / "a.cif").write_text(text)
    return reasons(folder)["a.cif"]


def found(folder: Path, text: str) -> tuple[int, int] | str:
    """Return the atoms and the space group of a CIF, or why it is left out."""
    (folder / "a.cif").write_text(text)
    [entry] = read(folder)
    return (len(entry.numbers), entry.space_group) if isinstance(entry, Crystal) else entry.reason


def written(cell: str, symmetry: str, sites: str, stated: str = "") -> str:
    """Return a CIF; the cell is six numbers, sites are lines of a label and three coordinates."""
    tags = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    cells = "\n".join(f"_cell_{tag} {value}" for tag, value in zip(tags, cell.split(), strict=True))
    columns = "\n".join(f"_atom_site_{name}" for name in ("label", "fract_x", "fract_y", "fract_z"))
    return f"data_a\n{cells}\n{stated}\n{symmetry}\nloop_\n{columns}\n{sites}\n"


def operations(*triplets: str) -> str:
    return "loop_\n_symmetry_equiv_pos_as_xyz\n" + "\n".join(f"'{triplet}'" for triplet in triplets)


def check_setting(folder: Path, name: str, way: str) -> None:
    """The atoms are those of gemmi's operations; only an origin may be left open, where it is not stated."""
    drawn = draw(gemmi.find_spacegroup_by_name(name), seed=0)
    (folder / "a.cif").write_text(drawn.text(way, counted=False))
    [(_, found)] = cif.read(folder / "a.cif")
    if isinstance(found, Unusable):
        assert str(found) == "origin that the file leaves open"
        assert drawn.group.ext in ("1", "2")
        assert way in ("name", "short", "number")
        return
    _, positions, numbers = found
    expected = drawn.amplitudes()
    assert len(numbers) == 3 * len(drawn.group.operations())
    np.testing.assert_allclose(amplitudes(numbers, positions), expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize("name", SOME)
def test_a_setting_is_read_whatever_states_it(tmp_path: Path, name: str) -> None:
    for way in WAYS:
        if way != "number" or gemmi.find_spacegroup_by_name(name).is_reference_setting():
            check_setting(tmp_path, name, way)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(ALL) - set(SOME)))
def test_every_setting_is_read_whatever_states_it(tmp_path: Path, name: str) -> None:
    test_a_setting_is_read_whatever_states_it(tmp_path, name)


RHOMBOHEDRAL = "4.29 4.29 4.29 57.9 57.9 57.9"
HEXAGONAL = "4.14 4.14 28.6 90 90 120"
GETE = "Ge1 0.763 0.763 0.763\nTe1 0.241 0.241 0.241"
BISE = "Bi1 0 0 0.4\nSe1 0 0 0\nSe2 0 0 0.21"


@pytest.mark.parametrize(
    ("cell", "group", "sites", "expected"),
    [
        (RHOMBOHEDRAL, "_symmetry_Int_Tables_number 160", GETE, (2, 160)),
        (RHOMBOHEDRAL, "_space_group_name_H-M_alt 'R 3 m'", GETE, (2, 160)),
        (RHOMBOHEDRAL, "_space_group_name_H-M_alt 'R3mR'", GETE, (2, 160)),
        (RHOMBOHEDRAL, "_space_group_name_H-M_alt 'R 3 m :r'", GETE, (2, 160)),
        (RHOMBOHEDRAL, "_space_group_name_H-M_alt 'R 3 m :H'", GETE, "operations that do not fit the cell"),
        (RHOMBOHEDRAL, "_space_group_name_H-M_alt 'H 3 m'", GETE, "operations that do not fit the cell"),
        (RHOMBOHEDRAL, "_space_group_name_Hall 'R 3 -2\"'", GETE, "operations that do not fit the cell"),
        (HEXAGONAL, "_symmetry_Int_Tables_number 166", BISE, (15, 166)),
        (HEXAGONAL, "_space_group_name_H-M_alt R-3mH", BISE, (15, 166)),
        (HEXAGONAL, "_space_group_name_H-M_alt 'H -3 m'", BISE, (15, 166)),
        (HEXAGONAL, "_space_group_name_H-M_alt 'R -3 m :R'", BISE, "operations that do not fit the cell"),
        ("5 5 5 90 90 90", "_space_group_name_H-M_alt 'R 3'", "Si1 .1 .2 .3\nO1 .4 .15 .9", (6, 146)),
    ],
)
def test_axes_of_rhombohedral_groups(
    tmp_path: Path, cell: str, group: str, sites: str, expected: tuple[int, int] | str
) -> None:
    assert found(tmp_path, written(cell, group, sites)) == expected


ZIRCONIA = "Zr1 0.27 0.21 0.04\nO1 0.07 0.34 0.33\nO2 0.45 0.48 0.76"
UNIQUE_B = "5.1 5.2 7.3 90 99.2 90"
UNIQUE_C = "5.1 5.2 7.3 90 90 99.2"
UNIQUE_A = "5.1 5.2 7.3 99.2 90 90"


@pytest.mark.parametrize(
    ("cell", "name", "same"),
    [
        (UNIQUE_C, "P 21/b", "P 1 1 21/b"),
        (UNIQUE_A, "P21/b", "P 21/b 1 1"),
        (UNIQUE_B, "P 2(1)/c", "P 1 21/c 1"),
        (UNIQUE_B, "P 2_1/n", "P 1 21/n 1"),
        (UNIQUE_C, "P 21", "P 1 1 21"),
        (UNIQUE_C, "B 2/b", "B 1 1 2/b"),
        (UNIQUE_A, "C 2", "C 2 1 1"),
        # A metric that is orthorhombic leaves the axis to the convention.
        ("5.1 5.2 7.3 90 90 90", "P 21", "P 1 21 1"),
        ("5.1 5.2 7.3 90.01 90.3 89.99", "P 21", "P 1 21 1"),
        ("5.1 5.2 7.3 90 90 90.3", "P 21", "P 1 1 21"),
    ],
)
def test_the_unique_axis_of_short_symbols_is_chosen_by_the_cell(
    tmp_path: Path, cell: str, name: str, same: str
) -> None:
    (tmp_path / "a.cif").write_text(written(cell, f"_space_group_name_H-M_alt '{name}'", ZIRCONIA))
    (tmp_path / "b.cif").write_text(
        written(cell, operations(*(each.triplet() for each in gemmi.SpaceGroup(same).operations())), ZIRCONIA)
    )
    short, listed = (next(cif.read(tmp_path / name))[1] for name in ("a.cif", "b.cif"))
    np.testing.assert_allclose(amplitudes(short[2], short[1]), amplitudes(listed[2], listed[1]), atol=1e-6)


def test_the_number_of_a_monoclinic_group_on_a_cell_of_unique_axis_c(tmp_path: Path) -> None:
    assert found(tmp_path, written(UNIQUE_C, "_symmetry_Int_Tables_number 14", ZIRCONIA)) == (12, 14)


def test_a_symbol_comes_before_a_number(tmp_path: Path) -> None:
    both = "_space_group_name_H-M_alt 'P 1 1 21/b'\n_space_group_IT_number 14"
    assert found(tmp_path, written(UNIQUE_C, both, ZIRCONIA)) == (12, 14)
    assert said(tmp_path, written(UNIQUE_C, both.replace("14", "11"), ZIRCONIA)) == (
        "operations that are not those of the stated group"
    )


DIAMOND = "3.57 3.57 3.57 90 90 90"
IRON = "3.77 3.77 5.52 90 90 90", "Fe1 0.75 0.25 0\nSe1 0.25 0.25 0.267"
ANATASE = "3.79 3.79 9.51 90 90 90", "Ti1 0 0.75 0.125\nO1 0 0.25 0.082"
SPINEL = "8.09 8.09 8.09 90 90 90", "Mg1 0.125 0.125 0.125\nAl1 0.5 0.5 0.5\nO1 0.263 0.263 0.263"


@pytest.mark.parametrize(
    ("cell", "group", "sites", "stated", "expected"),
    [
        (DIAMOND, "_space_group_name_H-M_alt 'F d -3 m'", "C1 .125 .125 .125", "", None),
        (DIAMOND, "_space_group_name_H-M_alt Fd3m", "C1 .125 .125 .125", "_chemical_formula_sum C", None),
        (DIAMOND, "_space_group_IT_number 227", "C1 .125 .125 .125", "", None),
        (DIAMOND, "_space_group_IT_number 227", "C1 .125 .125 .125", "_chemical_formula_sum C8", None),
        (
            DIAMOND,
            "_space_group_IT_number 227",
            "C1 .125 .125 .125",
            "_chemical_formula_sum C\n_cell_formula_units_Z 8",
            (8, 227),
        ),
        (DIAMOND, "_space_group_name_H-M_alt 'F d -3 m :2'", "C1 .125 .125 .125", "", (8, 227)),
        (DIAMOND, "_space_group_name_H-M_alt 'F d -3 m Z'", "C1 .125 .125 .125", "", (8, 227)),
        (DIAMOND, "_space_group_name_H-M_alt 'F d -3 m S'", "C1 0 0 0", "", (8, 227)),
        (DIAMOND, "_space_group_name_Hall '-F 4vw 2vw 3'", "C1 .125 .125 .125", "", (8, 227)),
        (*IRON[:1], "_space_group_name_H-M_alt 'P 4/n m m'", *IRON[1:], "_chemical_formula_sum 'Fe Se'", (4, 129)),
        (*ANATASE[:1], "_space_group_name_H-M_alt 'I 41/a m d'", *ANATASE[1:], "", (12, 141)),
        (
            *SPINEL[:1],
            "_space_group_name_H-M_alt 'F d -3 m'",
            *SPINEL[1:],
            "_chemical_formula_sum 'Al2 Mg O4'",
            (56, 227),
        ),
    ],
)
def test_the_origin_is_the_one_that_fits_or_is_left_open(
    tmp_path: Path, cell: str, group: str, sites: str, stated: str, expected: tuple[int, int] | None
) -> None:
    assert found(tmp_path, written(cell, group, sites, stated)) == (expected or "origin that the file leaves open")


CUBE = "5.64 5.64 5.64 90 90 90"
NAMED = "_symmetry_space_group_name_H-M 'F m -3 m'\n"
SALT_SITES = "Na1 0 0 0\nCl1 0.5 0.5 0.5"
ALL_OF_SALT = "\n".join(
    f"{name}{place} {x} {y} {z}"
    for name, half in (("Na", 0.0), ("Cl", 0.5))
    for place, (x, y, z) in enumerate([(half, 0, 0), (half, 0.5, 0.5), (0.5 - half, 0.5, 0), (0.5 - half, 0, 0.5)])
)


@pytest.mark.parametrize(
    ("sites", "stated", "expected"),
    [
        (SALT_SITES, "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 4", "atoms that do not add up to Z"),
        (SALT_SITES, "", "operations that are not those of the stated group"),
        (SALT_SITES, "_chemical_formula_sum 'Na Cl'", "operations that are not those of the stated group"),
        (ALL_OF_SALT, "", "NaCl"),
        (ALL_OF_SALT, "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 4", "NaCl"),
        # As pymatgen writes it: the formula of the cell, and how many reduced formulas this is.
        (ALL_OF_SALT, "_chemical_formula_sum 'Na4 Cl4'\n_cell_formula_units_Z 4", "NaCl"),
        (ALL_OF_SALT, "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 1", "atoms that do not add up to Z"),
        # All atoms, moved a little from where the group would have them: Z tells that they are all.
        (
            ALL_OF_SALT.replace("Na1 0.0 0.5", "Na1 0.03 0.48"),
            "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 4",
            "NaCl",
        ),
    ],
)
def test_the_identity_alone_beside_a_name(tmp_path: Path, sites: str, stated: str, expected: str) -> None:
    assert said(tmp_path, written(CUBE, NAMED + operations("x,y,z"), sites, stated)) == expected


def test_operations_without_the_centring(tmp_path: Path) -> None:
    plain = [operation.triplet() for operation in gemmi.SpaceGroup("P m -3 m").operations()]
    named = "_symmetry_space_group_name_H-M 'I m -3 m'\n" + operations(*plain)
    assert said(tmp_path, written("2.87 2.87 2.87 90 90 90", named, "Fe1 0 0 0")) == (
        "operations that are not those of the stated group"
    )


TRICLINIC = "5.1 6.2 7.3 80 101 95"
PAIR = "Na1 0.11 0.22 0.33\nCl1 0.4 0.6 0.17"


@pytest.mark.parametrize(
    "triplets",
    [
        ["x;y;z", "-x;-y;-z"],
        ["x y z", "-x -y -z"],
        ["x,y,z", "\u2212x,\u2212y,\u2212z"],
        ["x,y,z", "-x,-y"],
        ["x,y,z", "-1*x,-1*y,-1*z"],
        ["x,y,z", "-x,-y,-z,1"],
        ["x,y,z", "-x,-y,-z,"],
        ["x,y,z", "x x,y,z"],
        ["x,y,z", "1/2/3+x,y,z"],
        ["x,y,z", "1/0+x,y,z"],
        ["x,y,z", "x+1/2y,y,z"],
        ["x,y,z", "x+x,y,z"],
        ["x,y,z", "?"],
        ["identity"],
        ["x1,x2,x3"],
    ],
)
def test_operations_that_cannot_be_read(tmp_path: Path, triplets: list[str]) -> None:
    assert said(tmp_path, written(TRICLINIC, operations(*triplets), PAIR)) == "operations that cannot be read"


@pytest.mark.parametrize("place", ["", "_symmetry_equiv_pos_site_id\n"])
def test_operations_that_are_not_quoted_lose_their_columns(tmp_path: Path, place: str) -> None:
    lines = ["x, y, z", "-x, -y, -z"]
    if place:
        lines = [f"{number} {line}" for number, line in enumerate(lines, start=1)]
    loop = "loop_\n" + place + "_symmetry_equiv_pos_as_xyz\n" + "\n".join(lines)
    assert said(tmp_path, written(TRICLINIC, loop, PAIR)) == "operations that cannot be read"


@pytest.mark.parametrize("inversion", ["-x,-y,-z", "-X, -Y, -Z", " - x , - y , - z ", "0-x,1-y,.0-z", "-x+1,-y,-z-2/1"])
def test_operations_in_other_spellings(tmp_path: Path, inversion: str) -> None:
    assert found(tmp_path, written(TRICLINIC, operations("+x,+y,+z", inversion, "x,y,z"), PAIR)) == (4, 2)


@pytest.mark.parametrize(
    "triplets",
    [
        ["x,y,z", "-y,x-y,z+1/3", "-x+y,-x,z+2/3", "-x,-y,z+1/2", "y,-x+y,z", "x-y,x,z"],
        ["x,y,z", "x,y,z+1/3"],
        ["x,y,z", "x,y,z+0.37"],
        ["-x,-y,-z"],
        ["x,y,z", "x,x,z"],
        ["x,y,z", "-y,x-y,z"],
        ["x,y,z", "x+1/2,y+1/2,z", "-x,-y,z"],
    ],
)
def test_operations_that_form_no_group(tmp_path: Path, triplets: list[str]) -> None:
    assert said(tmp_path, written("7.1 7.1 19.4 90 90 120", operations(*triplets), PAIR)) == (
        "operations that form no group"
    )


@pytest.mark.parametrize(
    "thirds",
    [
        ("1/3", "2/3", "1/6", "5/6", "1/2"),
        ("0.3333", "0.6667", "0.1667", "0.8333", "0.5"),
        ("0.333", "0.666", "0.166", "0.833", ".50"),
        ("0.33", "0.67", "0.17", "0.83", "0.5"),
        ("0.33", "0.66", "0.16", "0.83", "0.5"),
    ],
)
def test_thirds_that_are_rounded_or_cut_off(tmp_path: Path, thirds: tuple[str, ...]) -> None:
    third, two, sixth, five, half = thirds
    screw = operations(
        "x,y,z",
        f"-y,x-y,z+{third}",
        f"-x+y,-x,z+{two}",
        f"-x,-y,z+{half}",
        f"y,-x+y,z+{five}",
        f"x-y,x,z+{sixth}",
    )
    assert found(tmp_path, written("7.1 7.1 19.4 90 90 120", screw, "In1 0.02 0.33 0.0\nSe1 0.3 0.01 0.1")) == (12, 169)


@pytest.mark.parametrize(
    ("cell", "fits"),
    [
        ("5.64 5.640 5.64 90 90.0 90", True),
        ("5.6402(3) 5.6399(3) 5.6401(3) 90 90 90", True),
        ("5.64 5.65 5.64 90.1 89.95 90", True),
        ("5.64 5.64 5.72 90 90 90", False),
        ("5.64 5.64 5.64 90 91 90", False),
    ],
)
def test_operations_fit_a_cell_that_is_rounded_and_no_other(tmp_path: Path, cell: str, fits: bool) -> None:
    triplets = [operation.triplet() for operation in gemmi.SpaceGroup("F m -3 m").operations()]
    for symmetry in (operations(*triplets), NAMED):
        assert said(tmp_path, written(cell, symmetry, SALT_SITES)) == (
            "NaCl" if fits else "operations that do not fit the cell"
        )


def test_two_images_are_one_atom_only_where_rounding_explains_it(tmp_path: Path) -> None:
    mirror = operations("x,y,z", "x,y,-z")
    cell = "4 4 4.03 90 90 90"
    assert found(tmp_path, written(cell, mirror, "Ti1 0 0 0.000\nO1 .5 .5 .5")) == (2, 123)
    # Two images, 0.09 Å from each other.
    for place in ("0.011", "0.01"):
        assert said(tmp_path, written(cell, mirror, f"Ti1 0 0 {place}\nO1 .5 .5 .5")) == "atoms closer than 0.5 Å"
