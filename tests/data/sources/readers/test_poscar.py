"""POSCAR in every form that VASP reads, against ASE's reader and by what the manual says."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from phaselearn.data.sources.readers.poscar import read as read_cells
from phaselearn.data.structures import LeftOut
from tests.data.sources.readers.structures import SALT, assert_same, read, reasons

MGO = "Mg O\n1 1\nDirect\n0 0 0\n.5 .5 .5\n"
CUBE = "4.2 0 0\n0 4.2 0\n0 0 4.2\n"
TRICLINIC = np.array([[4.0, 0.3, -0.2], [0.5, 5.0, 0.4], [-0.6, 0.2, 6.0]])


def text(scale: str, mode: str, coordinates: np.ndarray, heading: str = "Si O\n1 2\n", tail: str = "") -> str:
    rows = [f"{' '.join(f'{value:.12f}' for value in row)}{tail}" for row in coordinates]
    lattice = "\n".join(" ".join(map(str, row)) for row in TRICLINIC)
    return f"made up\n{scale}\n{lattice}\n{heading}{mode}\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize("scale", ["1.0", "1.7", "-70.0", "1.0 1.1 0.9", "-1 ! of one cubic ångström", "2.0 # doubled"])
@pytest.mark.parametrize(
    "mode", ["Direct", "Cartesian", "kartesisch", "Selective dynamics\ncart", "selective\nfractional"]
)
def test_scales_and_modes_are_those_of_ase(tmp_path: Path, scale: str, mode: str) -> None:
    vasp = pytest.importorskip("ase.io.vasp", reason="ASE is not installed")
    coordinates = np.array([[0.1, 0.2, 0.3], [1.4, 0.6, -0.5], [0.7, 2.8, 0.9]])
    content = text(scale, mode, coordinates, tail=" T F T" if mode[0] in "sS" else "")
    (tmp_path / "POSCAR").write_text(content)
    [(_, (lattice, positions, numbers))] = read_cells(tmp_path / "POSCAR")
    expected = vasp.read_vasp(StringIO(content))
    np.testing.assert_allclose(lattice, expected.cell.array, rtol=1e-12)
    np.testing.assert_allclose(positions, expected.get_scaled_positions(wrap=False), atol=1e-10)
    assert numbers.tolist() == expected.numbers.tolist() == [14, 8, 8]


@pytest.mark.parametrize(
    ("scale", "mode", "volume"),
    [("-70.0", "Selective dynamics\nCartesian", 70.0), ("1.0 1.0 1.1", "Direct", 4.2**3 * 1.1), ("2", "D", 8 * 4.2**3)],
)
def test_the_volume_that_is_asked_for(tmp_path: Path, scale: str, mode: str, volume: float) -> None:
    middle = "2.1 2.1 2.1" if "Cart" in mode else "0.5 0.5 0.5"
    (tmp_path / "POSCAR").write_text(f"MgO\n{scale}\n{CUBE}Mg O\n1 1\n{mode}\n0 0 0\n{middle} F F F\n")
    [entry] = read(tmp_path)
    assert np.linalg.det(entry.lattice) == pytest.approx(volume)
    assert entry.space_group == (123 if " " in scale else 221)
    np.testing.assert_allclose(np.sort(entry.positions, axis=0), [[0, 0, 0], [0.5, 0.5, 0.5]], atol=1e-12)


FORMS = {
    "potentials and digests": f"x\n1.0\n{CUBE}{MGO}".replace("Mg O", "Mg_pv/1a2b3c4d O_s/5e6f7a8b9"),
    "windows": f"x\n1.0\n{CUBE}{MGO}".replace("\n", "\r\n"),
    "byte-order mark": f"\ufeffx\n1.0\n{CUBE}{MGO}",
    "empty comment": f"\n1.0\n{CUBE}{MGO}",
    "labels behind": f"x\n1.0\n{CUBE}Mg O\n1 1\nDirect\n0 0 0 Mg1\n.5 .5 .5 O1\n",
    "velocities": f"x\n1.0\n{CUBE}{MGO}\n0.1 0.2 0.3\n0.1 0.2 0.3\n",
    "the head of a density": f"x\n1.0\n{CUBE}{MGO}\n 48 48 48\n 0.1 0.2\n",
    "symbols over two lines": f"x\n1.0\n{CUBE}Mg\nO\n1\n1\nDirect\n0 0 0\n.5 .5 .5\n",
    "Fortran's exponent": f"x\n0.1d1\n{CUBE}Mg O\n1 1\nDirect\n0 0 0\n5.0D-1 0.5 0.5\n",
    "no blank before a sign": f"x\n1.0\n{CUBE}Mg O\n1 1\nDirect\n0 0 0\n0.5-0.5-0.5\n",
    "VASP 4, elements behind": f"x\n1.0\n{CUBE}1 1\nDirect\n0 0 0 Mg\n.5 .5 .5 O\n",
    "VASP 4, elements behind, selective": f"x\n1.0\n{CUBE}1 1\nS\nD\n0 0 0 T T T Mg\n.5 .5 .5 F F F O\n",
    "VASP 4, elements in the comment": f"Mg O\n1.0\n{CUBE}1 1\nDirect\n0 0 0\n.5 .5 .5\n",
    "left-handed": f"x\n1.0\n0 4.2 0\n4.2 0 0\n0 0 4.2\n{MGO}",
}


@pytest.mark.parametrize("name", ["POSCAR", "CHGCAR", "MgO.vasp", "POSCAR_relaxed", "a.poscar"])
@pytest.mark.parametrize("form", ["velocities", "the head of a density"])
def test_names_of_files(tmp_path: Path, name: str, form: str) -> None:
    (tmp_path / name).write_text(FORMS[form])
    assert reasons(tmp_path) == {name: "MgO"}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_file(tmp_path: Path, form: str) -> None:
    (tmp_path / "POSCAR").write_bytes(FORMS[form].encode())
    [entry] = read(tmp_path)
    assert (entry.formula, entry.space_group, len(entry.numbers)) == ("MgO", 221, 2)


WRONG = {
    "elements not named": f"two atoms\n1.0\n{CUBE}1 1\nDirect\n0 0 0\n.5 .5 .5\n",
    "unknown element ('H1.33')": f"x\n1.0\n{CUBE}Mg H1.33\n1 1\nDirect\n0 0 0\n.5 .5 .5\n",
    "unknown element ('Qq')": f"x\n1.0\n{CUBE}Mg Qq\n1 1\nDirect\n0 0 0\n.5 .5 .5\n",
    "more than 5,000 atoms (1,000,000,000)": f"x\n1.0\n{CUBE}Mg\n1000000000\nDirect\n0 0 0\n",
    "not a POSCAR (fewer positions than atoms)": f"x\n1.0\n{CUBE}Mg O\n1 1\nDirect\n0 0 0\n",
    "not a POSCAR (no numbers of atoms that fit its symbols)": f"x\n1.0\n{CUBE}Mg O\n2\nDirect\n0 0 0\n.5 .5 .5\n",
    "not a POSCAR (three numbers are needed, not 'nan 0 0')": f"x\n1.0\nnan 0 0\n0 4 0\n0 0 4\n{MGO}",
    "not a POSCAR (too short)": "x\n1.0\n",
    "a scale that is none": f"x\n0.0\n{CUBE}{MGO}",
    "a scale that is none: two": f"x\n1.0 2.0\n{CUBE}{MGO}",
    "a scale that is none: below 0": f"x\n1.0 -2.0 1.0\n{CUBE}{MGO}",
    "cell edge outside 0.1 to 1000 Å (4.2e+300 Å)": f"x\n1e300\n{CUBE}{MGO}",
    "a scale that is none: infinite": f"x\n1e309\n{CUBE}{MGO}",
    "degenerate cell": f"x\n-70\n4.2 0 0\n4.2 0 0\n0 0 4.2\n{MGO}",
    "position more than 10,000 cells from the origin (1e+20)": f"x\n1.0\n{CUBE}{MGO}".replace(".5 .5 .5", ".5 1e20 .5"),
}


@pytest.mark.parametrize("told", WRONG)
def test_what_is_no_crystal_is_told(tmp_path: Path, told: str) -> None:
    (tmp_path / "POSCAR").write_text(WRONG[told])
    [entry] = read(tmp_path)
    assert isinstance(entry, LeftOut)
    assert entry.reason.startswith(told.partition(": ")[0])


def test_a_large_density_is_not_read(tmp_path: Path) -> None:
    """Its head is the structure; the numbers that follow are none of a crystal's."""
    path = tmp_path / "CHGCAR"
    path.write_text(SALT.to(fmt="poscar") + "\n 999999 999999 999999\n" + "what 0.1\n" * 1000)
    [entry] = read(path)
    assert_same(entry, SALT)
