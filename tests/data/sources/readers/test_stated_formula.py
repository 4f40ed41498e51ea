"""A stated formula of whole numbers is compared exactly; one with decimals may be rounded."""

from __future__ import annotations

import numpy as np
import pytest

from phaselearn.data.formula import contradicts
from phaselearn.data.sources.readers.cif.formula import Stated
from phaselearn.data.structures import Unusable

ATOMIC_NUMBERS = {"C": 6, "H": 1, "N": 7, "O": 8}


def atoms(**counts: int) -> np.ndarray:
    return np.repeat([ATOMIC_NUMBERS[name] for name in counts], list(counts.values()))


@pytest.mark.parametrize(
    ("formula", "units", "counts"),
    [
        ({"C": 120.0}, 1.0, {"C": 119}),
        ({"C": 120.0}, 1.0, {"C": 121}),
        ({"C": 60.0, "H": 102.0, "O": 4.0}, 1.0, {"C": 60, "H": 101, "O": 4}),
        ({"C": 122.0, "N": 2.0}, None, {"C": 121, "N": 2}),
    ],
)
def test_one_atom_of_a_hundred_is_missed(formula, units, counts):
    with pytest.raises(Unusable, match=r"do not add up|without positions"):
        Stated(formula, units).check(atoms(**counts))
    Stated(formula, units).check(atoms(**{name: int(count) for name, count in formula.items()}))


def test_rounded_numbers_are_not_exact():
    Stated({"C": 0.333, "O": 0.667}, None).check(atoms(C=1, O=2))
    assert not contradicts("C0.3333 O0.6667", atoms(C=1, O=2))


@pytest.mark.parametrize("units", [1, 2])
def test_the_formula_of_a_row_is_exact_in_whatever_unit(units):
    assert not contradicts("C600 H600", atoms(C=600 * units, H=600 * units))
    assert contradicts("C600 H600", atoms(C=600 * units, H=600 * units - 1))
