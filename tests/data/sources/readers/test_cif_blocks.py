"""CIFs of several blocks, and faults that must not go beyond their own."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from phaselearn.data.structures import LeftOut
from tests.data.sources.readers.cif_texts import said, written
from tests.data.sources.readers.structures import read

P1 = "_symmetry_space_group_name_H-M 'P 1'"
SALT = written("5 6 7 90 90 90", P1, "Na1 0 0 0\nCl1 .5 .5 .5")
SYLVITE = written("5 6 7 90 90 90", P1, "K1 0 0 0\nCl1 .5 .5 .5")
SHORT = SALT.replace("Cl1 .5 .5 .5", "Cl1 .5 .5")


def found(folder: Path, text: str) -> list[str]:
    (folder / "a.cif").write_text(text, encoding="utf-8")
    return [entry.cause if isinstance(entry, LeftOut) else entry.formula for entry in read(folder)]


@pytest.mark.parametrize("before", ["", "# a comment\n", "\n\n", " \n", "#\\#CIF_1.1\n", "\ufeff# a comment\n"])
def test_a_fault_stays_in_its_block_whatever_stands_before_the_first(tmp_path: Path, before: str) -> None:
    invalid = "not valid CIF"
    assert found(tmp_path, before + SALT + SHORT + SYLVITE) == ["NaCl", invalid, "KCl"]
    assert found(tmp_path, before + SALT + SYLVITE) == ["NaCl", "KCl"]  # two blocks of one name
    assert found(tmp_path, before + SALT + SYLVITE[:-4]) == ["NaCl", invalid]
    assert found(tmp_path, before + SALT + SYLVITE + "junk\n") == ["NaCl", invalid]


def test_the_reason_names_the_line_and_the_fault(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text("# a comment\n" + SALT + SHORT)
    loop = 1 + SALT.count("\n") + SHORT[: SHORT.index("loop_")].count("\n") + 1
    [_, bad] = read(tmp_path)
    assert isinstance(bad, LeftOut)
    assert bad.reason.startswith(f"not valid CIF (line {loop}: Wrong number of values")


def test_a_symbol_that_many_elements_could_spell_takes_no_time(tmp_path: Path) -> None:
    columns = "_atom_site_label\n_atom_site_type_symbol"
    text = SALT.replace("_atom_site_label", columns).replace("Na1 ", "Na1 NOSNOSNOSNOSNOSNOSNOSNOSNOSNOSq ")
    begun = process_time()
    assert said(tmp_path, text.replace("Cl1 ", "Cl1 Cl ")) == "NaCl"  # by the labels
    assert process_time() - begun < 5
