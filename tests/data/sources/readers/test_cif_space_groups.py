"""Space groups that a CIF names: any way to state one gives the orbits of gemmi's tables, or a reason."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from phaselearn.data.sources.readers import cif
from phaselearn.data.structures import Unusable
from tests.data.sources.readers.cif_texts import found, operations, said, written
from tests.data.sources.readers.settings import WAYS, amplitudes, draw

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
