"""Ideal bond lengths and angles, and what is flat."""

from __future__ import annotations

from functools import cache

import gemmi
import numpy as np

from phaselearn.data.sources.molecular.smiles import JOINT

# Å; mean lengths of Allen et al., International Tables C, table 9.5.1.1 (2006); for single bonds of carbon by the
# number of its neighbours, 4, 3 and 2. Those of hydrogen are of neutron diffraction (Allen & Bruno, Acta Cryst. B66,
# 380, 2010).
_SINGLE_OF_CARBON = {
    "H": (1.09, 1.08, 1.06), "N": (1.47, 1.38, 1.35), "O": (1.43, 1.36, 1.33), "F": (1.35, 1.36, 1.30),
    "Si": (1.86, 1.87, 1.84), "P": (1.84, 1.81, 1.77), "S": (1.82, 1.76, 1.70), "Cl": (1.79, 1.74, 1.66),
    "Br": (1.95, 1.90, 1.80), "I": (2.16, 2.10, 2.00), "B": (1.58, 1.56, 1.55),
}  # fmt: skip
_CARBON_TO_CARBON = {(4, 4): 1.53, (3, 4): 1.51, (2, 4): 1.47, (3, 3): 1.48, (2, 3): 1.43, (2, 2): 1.38}
_SINGLE = {
    "HN": 1.01, "HO": 0.97, "HS": 1.34, "HP": 1.42, "BH": 1.19, "HSi": 1.48, "NN": 1.39, "NO": 1.40, "NS": 1.64,
    "NP": 1.66, "OP": 1.59, "OS": 1.58, "SS": 2.04, "OSi": 1.64, "BO": 1.37, "BN": 1.42,
}  # fmt: skip
_MULTIPLE = {
    ("CC", 1.5): 1.39, ("CN", 1.5): 1.345, ("CO", 1.5): 1.37, ("CS", 1.5): 1.72, ("NN", 1.5): 1.34, ("NO", 1.5): 1.40,
    ("NS", 1.5): 1.65, ("CC", 2): 1.34, ("CN", 2): 1.29, ("CO", 2): 1.22, ("CS", 2): 1.67, ("NN", 2): 1.25,
    ("NO", 2): 1.22, ("OS", 2): 1.43, ("OP", 2): 1.48, ("CC", 3): 1.19, ("CN", 3): 1.14,
}  # fmt: skip

_LINEAR = (80,)  # atomic numbers of atoms whose two bonds are opposite


@cache
def bond_length(numbers: tuple[int, int], neighbours: tuple[int, int], order: float) -> float:
    """Return the length of a bond in Å.

    Args:
        numbers: atomic numbers of both atoms; a joint counts as hydrogen.
        neighbours: number of bonded atoms of each.
        order: 1, 1.5, 2 or 3.
    """
    symbols = [gemmi.Element(max(number, 1)).name for number in numbers]
    name = "".join(sorted(symbols))
    if order > 1:
        return _MULTIPLE[name, order]
    if symbols == ["C", "C"]:
        low, high = sorted(neighbours)
        return _CARBON_TO_CARBON[low, high]
    for carbon, other in ((0, 1), (1, 0)):
        if symbols[carbon] == "C" and symbols[other] in _SINGLE_OF_CARBON:
            return _SINGLE_OF_CARBON[symbols[other]][4 - neighbours[carbon]]
    return _SINGLE.get(name) or sum(gemmi.Element(symbol).covalent_r for symbol in symbols)


def angle(number: int, neighbours: int, linear: bool, flat: bool) -> float:
    """Return the angle between two bonds of an atom outside small rings, in degrees."""
    if linear or number in _LINEAR:
        return 180.0
    if flat and neighbours <= 3:
        return 120.0 if neighbours == 3 or number not in (8, 16) else 117.0
    if neighbours == 4:
        return 109.47
    return {7: 109.0, 8: 110.0, 15: 102.0, 16: 101.0, 34: 98.0}.get(number, 109.47)


def is_end(number: int) -> bool:
    """Whether an atom is hydrogen or a joint, where another fragment may be bonded."""
    return number in (JOINT, 1)


@cache
def van_der_waals_radii() -> np.ndarray:
    """Return the radius in Å of each element by its atomic number (Bondi, J. Phys. Chem. 68, 441, 1964, from gemmi).

    That of hydrogen is 1.1 Å (Rowland & Taylor, J. Phys. Chem. 100, 7384, 1996).
    """
    radii = np.array([gemmi.Element(number).vdw_r for number in range(119)])
    radii[1] = 1.1
    return radii
