"""Solid fluorine, α-F₂: the test crystal of the 2021 report, written from the published cell.

Meyer, Barrett & Greer, J. Chem. Phys. 49, 1902 (1968): C2/c, a 5.50, b 3.28, c 7.28 Å, β 102.17°, F in 8f at about
(0.229, 0.324, 0.092). There the two atoms of a molecule lie 1.49 Å apart; F₂ is 1.42 Å long. The file keeps the
published cell and the centres and directions of the molecules, and gives the bond its length. No network is trained
on this formula (`phaselearn.data.split`).

    python -m phaselearn.data.sources.shipped.alpha_f2 > phaselearn/data/sources/shipped/alpha_F2.cif
"""

from __future__ import annotations

import numpy as np
from pymatgen.core import Lattice, Structure

CELL = (5.50, 3.28, 7.28, 102.17)  # a, b, c in Å and β in degrees
PUBLISHED = np.array([0.229, 0.324, 0.092])
CENTRE = np.array([0.25, 0.25, 0.0])  # of a molecule
BOND = 1.42  # Å
# (a − b)/2, (a + b)/2, c: the primitive cell, with two molecules.
PRIMITIVE = np.array([[0.5, -0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])


def alpha_f2() -> Structure:
    """Return the primitive cell with its four atoms."""
    lattice = Lattice.monoclinic(*CELL)
    half = PUBLISHED - CENTRE
    half *= BOND / 2 / np.linalg.norm(half @ lattice.matrix)
    conventional = Structure.from_spacegroup("C2/c", lattice, ["F"], [CENTRE + half])
    positions = conventional.frac_coords @ np.linalg.inv(PRIMITIVE) % 1.0
    # The centring makes two of each atom.
    different = [
        row
        for row, place in enumerate(positions)
        if not any(np.allclose(place, other, atol=1e-6) for other in positions[:row])
    ]
    return Structure(Lattice(PRIMITIVE @ lattice.matrix), ["F"] * len(different), positions[different])


def cif() -> str:
    """Return the CIF: every atom of the primitive cell written out, lengths in Å, angles in degrees."""
    structure = alpha_f2()
    lengths = zip(("a", "b", "c"), structure.lattice.abc, strict=True)
    angles = zip(("alpha", "beta", "gamma"), structure.lattice.angles, strict=True)
    lines = [
        "# alpha-F2, C2/c, primitive cell: cell and orientation of the molecules of Meyer, Barrett & Greer,",
        "# J. Chem. Phys. 49, 1902 (1968), the bond 1.42 A. Written by phaselearn.data.sources.shipped.alpha_f2.",
        "data_alpha_F2",
        "_chemical_formula_sum 'F4'",
        "_cell_formula_units_Z 2",
        *(f"_cell_length_{name} {length:.5f}" for name, length in lengths),
        *(f"_cell_angle_{name} {angle:.5f}" for name, angle in angles),
        "_symmetry_space_group_name_H-M 'P 1'",
        "loop_",
        "_symmetry_equiv_pos_as_xyz",
        "'x, y, z'",
        "loop_",
        "_atom_site_label",
        "_atom_site_type_symbol",
        "_atom_site_fract_x",
        "_atom_site_fract_y",
        "_atom_site_fract_z",
        *(f"F{n} F {x:.5f} {y:.5f} {z:.5f}" for n, (x, y, z) in enumerate(structure.frac_coords, start=1)),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(cif(), end="")
