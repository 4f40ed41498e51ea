"""Structures in sheared axes, whose operations have factors that other programs misread."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from phaselearn.measured.cells import lattice_of
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.determine import determine
from phaselearn.structure.geometry import cell_of
from phaselearn.structure.space_group import SpaceGroup
from phaselearn.structure.standard import in_standard_setting
from phaselearn.structure.writers.folder import write_solution
from phaselearn.structure.writers.shelx import hkl_text, res_text
from tests.structure.samples import random_crystal

SHEAR = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1]])  # rows: a, b, a + c


def sheared(candidate: Candidate) -> Candidate:
    """Return the same structure in the axes a, b, a + c."""
    to_new = np.linalg.inv(SHEAR).T
    group, table = candidate.space_group, candidate.reflections
    atoms = [replace(atom, xyz=tuple((to_new @ np.array(atom.xyz)).tolist())) for atom in candidate.atoms]
    return replace(
        candidate,
        cell=cell_of(SHEAR @ lattice_of(candidate.cell)),
        space_group=SpaceGroup(
            rotations=np.rint(to_new @ group.rotations @ SHEAR.T).astype(np.int64),
            translations=group.translations @ to_new.T % 1.0,
            symbol=group.symbol,
            number=group.number,
            is_tabulated=False,
        ),
        atoms=tuple(atoms),
        reflections=replace(table, hkl=(table.hkl @ SHEAR.T).astype(np.int32)),
    )


@pytest.mark.parametrize(
    "crystal",
    [
        random_crystal("P n a 21", (9.2, 8.1, 7.3, 90.0, 90.0, 90.0), ("S", "O", "N"), 7),
        random_crystal("I 41/a:1", (8.0, 8.0, 11.0, 90.0, 90.0, 90.0), ("O",), 11, {"W": (0, 0, 0.5)}),
    ],
    ids=lambda crystal: crystal.symbol,
)
def test_other_programs_read_the_same_crystal(crystal, tmp_path: Path) -> None:
    usual = determine(crystal.phased(0.85, 0.0, 1), crystal.merged(0.85, 0.02, 2), crystal.experiment())[0]
    strange = sheared(usual)
    assert any("2*" in triplet for triplet in strange.space_group.triplets)
    for folder, candidate in (("usual", usual), ("strange", strange)):
        write_solution(candidate, tmp_path / folder, "sheared")
    wanted = Structure.from_file(tmp_path / "usual" / "solution.cif")
    read = Structure.from_file(tmp_path / "strange" / "solution.cif")
    assert read.composition == wanted.composition
    assert read.lattice.parameters == pytest.approx(strange.cell, abs=1e-3)
    assert StructureMatcher(primitive_cell=False, scale=False, stol=0.02).fit(read, wanted)
    assert len(gemmi.read_small_structure(str(tmp_path / "strange" / "solution.cif")).sites) == len(wanted)
    labels = read.site_properties.get("labels") or [site.label for site in read]
    assert len(set(labels)) == len(labels)

    standard = in_standard_setting(strange)
    assert standard is not None
    assert (tmp_path / "strange" / "solution.res").read_text() == res_text(standard, "sheared")
    assert (tmp_path / "strange" / "solution.hkl").read_text() == hkl_text(standard)
    assert "*" not in res_text(standard, "sheared")
