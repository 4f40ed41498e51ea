"""Formulas as CIFs write them."""

from __future__ import annotations

import pytest

from phaselearn.errors import UserError
from phaselearn.measured.composition import checked_elements, contents_of_formula

COMPOUND = {"C": 14, "H": 14, "O": 2}


@pytest.mark.parametrize(
    ("formula", "contents"),
    [
        ("C14 H14 O2", COMPOUND),
        ("C14H14O2", COMPOUND),
        ("(C14 H14 O2)n", COMPOUND),
        ("(C7 H7 O)2", COMPOUND),
        ("C14 H14 O2 +", COMPOUND),
        ("C14 H14 O2 2-", COMPOUND),
        ("C14 H14 O2, H2 O", {"C": 14, "H": 16, "O": 3}),
        ("C14 H14 O2, 2(H2 O)", {"C": 14, "H": 18, "O": 4}),
        ("C14H14O2·0.5H2O", {"C": 14, "H": 15, "O": 2.5}),
        ("C12 H10 N2 2+, 2(Cl 1-)", {"C": 12, "H": 10, "N": 2, "Cl": 2}),
        ("K4 [Fe (C N)6]", {"K": 4, "Fe": 1, "C": 6, "N": 6}),
        ("CsSn0.9In0.07Cl3", {"Cs": 1, "Sn": 0.9, "In": 0.07, "Cl": 3}),
    ],
)
def test_formulas_of_every_kind_are_added_up(formula: str, contents: dict[str, float]) -> None:
    assert contents_of_formula(formula) == contents


@pytest.mark.parametrize(
    "formula",
    ["", "()", "(C2", "C2)", "Xx2", "C0", "water", "(2 C)", "C" + "9" * 400, "(" * 999, "(C9)9" * 300, "Es2"],
)
def test_other_texts_are_refused_in_one_line(formula: str) -> None:
    with pytest.raises(UserError, match="cannot be read: give elements, H to Cf, and numbers") as caught:
        contents_of_formula(formula)
    assert len(str(caught.value)) < 200


def test_elements_are_taken_by_their_symbols() -> None:
    assert list(checked_elements(["N", "y", "NA", "D", "Cf"])) == ["N", "Y", "Na", "D", "Cf"]


@pytest.mark.parametrize("named", ["Es", "Og", "No", None, True, "on", "Carbon", ""])
def test_other_words_are_no_elements(named: str) -> None:
    """Beyond Cf no scattering is tabulated, and a word that begins like a symbol is not that element."""
    with pytest.raises(UserError, match="is not an element that is known to scatter; symbols from H to Cf are needed"):
        checked_elements(["C", named])
