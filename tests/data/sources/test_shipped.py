"""The structures that come with the project, read by pymatgen, gemmi and spglib."""

from importlib.resources import files
from itertools import combinations

import gemmi
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from phaselearn.data.sources.shipped.alpha_f2 import cif

FILE = files("phaselearn.data.sources.shipped").joinpath("alpha_F2.cif")


def test_the_file_is_what_the_module_writes():
    assert FILE.read_text() == cif()


def test_fluorine_is_two_molecules_of_two_atoms():
    crystal = gemmi.make_small_structure_from_block(gemmi.cif.read_string(cif()).sole_block())
    atoms = [site.fract for site in crystal.get_all_unit_cell_sites()]
    assert len(atoms) == 4
    distances = sorted(
        crystal.cell.find_nearest_image(
            crystal.cell.orthogonalize(first), crystal.cell.orthogonalize(second), gemmi.Asu.Any
        ).dist()
        for first, second in combinations(atoms, 2)
    )
    assert distances[:2] == pytest.approx([1.42, 1.42], abs=0.03)
    # Between molecules there are van der Waals contacts only.
    assert distances[2] > 2.6


def test_fluorine_is_the_published_structure_but_for_the_bond():
    structure = Structure.from_str(cif(), fmt="cif")
    assert SpacegroupAnalyzer(structure, symprec=0.01).get_space_group_symbol() == "C2/c"
    lattice = Lattice.monoclinic(5.50, 3.28, 7.28, 102.17)
    published = Structure.from_spacegroup("C2/c", lattice, ["F"], [[0.229, 0.324, 0.092]])
    matcher = StructureMatcher(scale=False, ltol=1e-3, angle_tol=0.01, stol=0.1)
    _, furthest = matcher.get_rms_dist(structure, published)
    # In units of the cube root of the volume of an atom; each end of the bond moves by half of 1.49 − 1.42 Å.
    assert furthest * (structure.volume / 4) ** (1 / 3) == pytest.approx((1.488 - 1.42) / 2, abs=0.002)
