"""Symbols of elements, as people and pymatgen write them."""

from __future__ import annotations

import pytest
from pymatgen.core import Species

from phaselearn.data.sources.readers.elements import atomic_number


@pytest.mark.parametrize(("charge", "spin"), [(None, None), (2, None), (None, 5), (2, 5), (3, -2.5), (0, 0), (-1, 1)])
@pytest.mark.parametrize("symbol", ["Fe", "O"])
def test_the_species_of_pymatgen(symbol: str, charge: float | None, spin: float | None) -> None:
    species = Species(symbol, charge, spin=spin)
    assert atomic_number(str(species)) == species.Z


@pytest.mark.parametrize(("symbol", "number"), [("O-2", 8), ("Fe2.5+", 26), ("Na+", 11), ("D", 1), ("T+", 1)])
def test_other_ways_to_write_a_charge(symbol: str, number: int) -> None:
    assert atomic_number(symbol) == number


@pytest.mark.parametrize("symbol", ["", "Qq", "na", "Na1", "Na,spin", "Na+,spin=up", "Na" + "+" * 40, "Fe,Ni"])
def test_what_is_not_an_element(symbol: str) -> None:
    assert atomic_number(symbol) is None
