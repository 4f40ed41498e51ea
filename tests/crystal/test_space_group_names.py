"""Names of space groups: full symbols beside those of pymatgen, spellings beside one another."""

from __future__ import annotations

import gemmi
import pytest
from pymatgen.symmetry.groups import SpaceGroup

from phaselearn.crystal.space_group_names import settings_named, settings_numbered

# One of each Laue class that has a longer full symbol, as the International Tables print it.
FULL = {
    "P 2/m 2/m 2/m": "P m m m",
    "P 21/n 21/m 21/a": "P n m a",
    "C 2/m 2/c 21/m": "C m c m",
    "F 2/d 2/d 2/d": "F d d d:1",
    "I 41/a 2/m 2/d": "I 41/a m d:1",
    "P 42/m 21/n 2/m": "P 42/m n m",
    "P -3 2/c 1": "P -3 c 1",
    "R -3 2/m": "R -3 m:H",
    "P 63/m 2/m 2/c": "P 63/m m c",
    "P 2/m -3": "P m -3",
    "I 21/a -3": "I a -3",
    "F 4/m -3 2/m": "F m -3 m",
    "I 41/a -3 2/d": "I a -3 d",
}


@pytest.mark.parametrize("full", FULL)
def test_a_full_symbol_names_the_group_of_its_short_one(full: str) -> None:
    short = gemmi.find_spacegroup_by_name(FULL[full])
    assert SpaceGroup.from_int_number(short.number).full_symbol.replace("_", "") == full.replace(" ", "")
    assert settings_named(full)[0].xhm() == short.xhm()
    assert settings_named(f"{full}:{short.ext}" if short.ext else full)[0].xhm() == short.xhm()


@pytest.mark.parametrize("name", ["P 1 21/n 1", "P 21/n", "P21/n", "P 2_1/n", "P 2(1)/n", "p 21/n"])
def test_spellings_of_one_setting(name: str) -> None:
    assert settings_named(name)[0].xhm() == "P 1 21/n 1"


@pytest.mark.parametrize(
    ("name", "setting"),
    [("P2₁/c", "P 1 21/c 1"), ("P−1", "P -1"), ("Fm3\u0304m", "F m -3 m"), ("R3\u0305c", "R -3 c:H")],
)
def test_typeset_symbols(name: str, setting: str) -> None:
    assert settings_named(name)[0].xhm() == setting


@pytest.mark.parametrize(
    "name", ["", " ", "0", "00", "Pñma", "\ud800", "P", "P 7", "Pnma 62", "P 21/b 21/c 21/n x", "P" * 100]
)
def test_what_is_no_symbol_names_nothing(name: str) -> None:
    assert settings_named(name) == []


def test_symbols_and_numbers_agree_with_gemmi() -> None:
    for group in gemmi.spacegroup_table():
        assert settings_named(group.xhm())[0].xhm() == group.xhm()
        assert settings_named(group.hm)[0].xhm() == gemmi.find_spacegroup_by_name(group.hm).xhm()
    for number in range(1, 231):
        assert settings_numbered(str(number))[0].xhm() == gemmi.find_spacegroup_by_number(number).xhm()
    assert settings_numbered("0") == settings_numbered("231") == []
