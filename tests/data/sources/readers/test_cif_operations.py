"""Symmetry operations that a CIF lists: they form a group and fit the cell, or the entry is left out."""

from __future__ import annotations

from pathlib import Path

import gemmi
import pytest

from tests.data.sources.readers.cif_texts import found, operations, said, written

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
