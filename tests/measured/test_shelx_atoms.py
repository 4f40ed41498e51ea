"""Atoms of SHELX: fixed values, free variables and shares beside cctbx, and what is no atom."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers.shelx_atoms import read_model
from tests.measured.files import CALCITE_HEAD

HEAD = CALCITE_HEAD + "L.S. 4\nFVAR 0.5 0.25\nFVAR 0.02 0.5143\n"
SITES = """Ca1 1 10.00000 10.00000 10.00000 10.16667 0.01 0.01 =
  0.01 0 0 0.005
C1 2 10.0 10.0 20.25 10.33333 31.0
C1A 2 10.0 10.0 21 10.16667 31.0
C1B 2 9.85 0.21 -0.1 11 0.05
AFIX 0
O1 3 0.2573 10.00000 10.25000 10.50000 0.02
O2 3 41 10.00000 10.25000 10.50000 0.02
PART 1
O3 3 0.1 0.2 0.3 21 0.02
PART 2
O4 3 -10.15 0.2 -0.3 -21 0.02
PART 0
HKLF 4
END
Q1 1 0.1 0.1 0.1 11 0.05 1.2
"""
CCTBX = """
import json, sys
from cctbx import xray
structure = xray.structure.from_shelx(filename=sys.argv[1], set_grad_flags=False)
order = structure.space_group().order_z()
print(json.dumps([
    [one.scattering_type, one.site, one.occupancy * one.multiplicity() / order] for one in structure.scatterers()
]))
"""


def model(text: str) -> list[tuple[str, tuple[float, ...], float]]:
    """Return element, position and share of each site."""
    _, sites = read_model(text, Path("a.res"))
    return [(site.element, tuple(site.position.tolist()), site.share) for site in sites]


@pytest.mark.skipif(find_spec("cctbx") is None, reason="cctbx is not installed: pip install phaselearn[peers]")
def test_sites_are_those_that_cctbx_reads(tmp_path: Path) -> None:
    (tmp_path / "a.res").write_text(HEAD + SITES)
    # In a process of its own: gemmi and cctbx crash in one.
    done = subprocess.run(
        [sys.executable, "-c", CCTBX, tmp_path / "a.res"], capture_output=True, text=True, check=True, timeout=120
    )
    expected = json.loads(done.stdout)
    found = model(HEAD + SITES)
    assert [element for element, _, _ in found] == [element for element, _, _ in expected]
    np.testing.assert_allclose([place for _, place, _ in found], [place for _, place, _ in expected], atol=1e-12)
    np.testing.assert_allclose([share for *_, share in found], [share for *_, share in expected], atol=1e-5)


def test_disorder_groups_and_symmetry() -> None:
    stated, sites = read_model(HEAD + SITES, Path("a.res"))
    assert [site.part for site in sites] == [0, 0, 0, 0, 0, 0, 1, 2]
    assert len(stated.operations) == 36
    assert stated.contents == {"Ca": 6, "C": 6, "O": 18}


def test_what_is_no_atom_is_passed_over() -> None:
    others = "REM O9 3 0 0 0\n O8 3 0 0 0\nDFIX_A 1.4 C1 O1\n+dsr.dfx\n\nQ2 1 0 0 0\n"
    others += "FRAG 17 1 1 1 90 90 90\nC99 2 0.1 0.2 0.3\nFEND\n"
    assert model(HEAD + others + SITES.replace("HKLF 4", "HKLF 0")) == model(HEAD + SITES)


def test_an_element_with_its_form_factor_and_an_atom_without_a_share() -> None:
    factors = "SFAC D 0.493 10.51 0.323 26.13 0.14 3.14 0.041 57.8 =\n 0.003 0 0 0 0.32 2.0\n"
    head = HEAD.replace("UNIT 6 6 18", f"{factors}UNIT 6 6 18 1")
    assert model(head + "D1 4 0.1 0.2 0.3\nEND\n") == [("D", (0.1, 0.2, 0.3), 1.0)]


@pytest.mark.parametrize(
    ("sites", "told"),
    [
        ("END\n", "no atoms"),
        ("O1 4 0.1 0.2 0.3 11 0.02\n", "neither an instruction nor an atom"),
        ("O1 3 0.1 0.2\n", "neither an instruction nor an atom"),
        ("nonsense\n", "neither an instruction nor an atom"),
        ("O1 3 0.1 0.2 x 11 0.02\n", "‘x’ is not a number"),
        ("O1 3 0.1 nan 0.3 11 0.02\n", "‘nan’ is not a number"),
        ("O1 3 0.1 0.2 0.3 51 0.02\n", "no free variable 5"),
        ("MOVE 1 1 1 -1\nO1 3 0.1 0.2 0.3 11 0.02\n", "MOVE is not followed"),
    ],
)
def test_what_cannot_be_read_is_told(sites: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_model(HEAD + sites, Path("a.res"))


@pytest.mark.parametrize(("line", "told"), [("CELL", "no CELL"), ("LATT", "no LATT or SYMM")])
def test_cell_and_symmetry_are_needed(line: str, told: str) -> None:
    text = "".join(each for each in HEAD.splitlines(keepends=True) if not each.startswith((line, "SYMM")))
    with pytest.raises(UserError, match=told):
        read_model(text + SITES, Path("a.res"))
