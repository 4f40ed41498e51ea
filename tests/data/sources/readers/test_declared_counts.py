"""Files that state how many atoms they list, and of what: cut ones, and those of surfaces and chains, are left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cssr import Cssr
from pymatgen.io.xcrysden import XSF

from phaselearn.data.structures import LeftOut
from tests.data.sources.readers.structures import read

SALT = Structure(Lattice.orthorhombic(4, 5, 6), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
WRITTEN = {"cssr": str(Cssr(SALT)), "xsf": XSF(SALT).to_str()}


def said(folder: Path, kind: str, text: str) -> str:
    (folder / f"a.{kind}").write_text(text)
    [entry] = read(folder)
    return entry.reason if isinstance(entry, LeftOut) else entry.formula


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_cut_file_is_left_out(tmp_path: Path, kind: str) -> None:
    assert said(tmp_path, kind, WRITTEN[kind]) == "NaCl"
    cut = "\n".join(WRITTEN[kind].rstrip().splitlines()[:-1]) + "\n"
    assert said(tmp_path, kind, cut) == "not as many atoms as the file states"


@pytest.mark.parametrize("word", ["SLAB", "POLYMER"])
def test_a_surface_and_a_chain_are_not_crystals(tmp_path: Path, word: str) -> None:
    text = WRITTEN["xsf"].replace("CRYSTAL", word)
    assert said(tmp_path, "xsf", text) == "not periodic in three directions"


def test_cartesian_coordinates_of_cssr_are_not_taken_for_fractions(tmp_path: Path) -> None:
    assert said(tmp_path, "cssr", WRITTEN["cssr"].replace("2 0\n", "2 1\n")) == "coordinates that are not fractional"
