"""Formulas with crystal water after a full stop, by both of their readers."""

from __future__ import annotations

import pytest

from phaselearn.crystal.formula_parts import parts_of
from phaselearn.data.formula import read_formula
from phaselearn.errors import UserError
from phaselearn.measured.composition import contents_of_formula


@pytest.mark.parametrize(
    ("formula", "contents"),
    [
        ("CuSO4.5H2O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("K4[Fe(CN)6].3H2O", {"K": 4, "Fe": 1, "C": 6, "N": 6, "O": 3, "H": 6}),
        ("MgSO4.H2O", {"Mg": 1, "S": 1, "O": 5, "H": 2}),
        ("Na2CO3.10H2O", {"Na": 2, "C": 1, "O": 13, "H": 20}),
        ("CaSO4.0.5H2O", {"Ca": 1, "S": 1, "O": 4.5, "H": 1}),
        ("CaSO4·0.5H2O", {"Ca": 1, "S": 1, "O": 4.5, "H": 1}),
        ("CaSO4 . 2H2O", {"Ca": 1, "S": 1, "O": 6, "H": 4}),
        ("V2O5.1.6H2O", {"V": 2, "O": 6.6, "H": 3.2}),
        ("KCl.MgCl2.6H2O", {"K": 1, "Cl": 3, "Mg": 1, "O": 6, "H": 12}),
        ("NiCl2.6NH3", {"Ni": 1, "Cl": 2, "N": 6, "H": 18}),
        ("C6H6.C6F6", {"C": 12, "H": 6, "F": 6}),
        ("CuSO₄·5H₂O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("CuSO$_{4}$·5H$_2$O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("CuSO<sub>4</sub>·5H<sub>2</sub>O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("C~6~H~0.5~", {"C": 6, "H": 0.5}),
        ("C_12H_22O_11", {"C": 12, "H": 22, "O": 11}),
        ("Fe0.95O", {"Fe": 0.95, "O": 1}),
        ("Na0.5H2O", {"Na": 0.5, "H": 2, "O": 1}),
        ("La1.85Sr0.15CuO4", {"La": 1.85, "Sr": 0.15, "Cu": 1, "O": 4}),
        ("Ca(Al0.5Si0.5)2O4", {"Ca": 1, "Al": 1, "Si": 1, "O": 4}),
        ("C1.5H3O0.5", {"C": 1.5, "H": 3, "O": 0.5}),
    ],
)
def test_a_full_stop_separates_water_and_is_a_decimal_point_elsewhere(formula: str, contents: dict[str, float]) -> None:
    for read in (contents_of_formula, read_formula):
        assert dict(read(formula)) == pytest.approx(contents)


@pytest.mark.parametrize("separator", [",", "·", "•", "⋅", "*"])
def test_signs_that_always_separate(separator: str) -> None:
    assert parts_of(f"CaSO4{separator}2H2O") == ["CaSO4", "2H2O"]


@pytest.mark.parametrize("formula", ["K3[Fe(CN)6].2KCl", "(Mg0.5Fe0.5).95O"])
def test_a_full_stop_that_may_mean_either_is_refused(formula: str) -> None:
    with pytest.raises(UserError, match=r"cannot be read.*CuSO4\*5H2O"):
        contents_of_formula(formula)
    with pytest.raises(ValueError, match="no formula"):
        read_formula(formula)
