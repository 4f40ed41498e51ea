"""How near atoms of different molecules may come, and how much room an atom takes."""

from __future__ import annotations

from functools import cache

import numpy as np

from phaselearn.data.sources.molecular.ideal import van_der_waals_radii

POLAR_HYDROGEN = 0  # kind of a hydrogen atom that can make a hydrogen bond; others have their atomic number as kind
_DONORS = (7, 8)
_POLAR = (7, 8, 9, 16, 17, 35, 53)
_OVERLAP = 0.3  # Å by which atoms other than hydrogen may come closer than their van der Waals radii allow
_OVERLAP_OF_POLAR = 0.45  # Å, the same for two atoms that are not carbon, which hydrogen and halogen bonds may join
_OVERLAP_OF_HYDROGEN = 0.3  # Å, the same for pairs with hydrogen
_HYDROGEN_BOND = {7: 1.8, 8: 1.7, 9: 2.0, 16: 2.3, 17: 2.15, 35: 2.3, 53: 2.5}  # Å from hydrogen to acceptor

# Å³, mean volume in molecular crystals by Hofmann, Acta Cryst. B58, 489 (2002).
_VOLUMES = {
    1: 5.08, 5: 13.24, 6: 13.87, 7: 11.8, 8: 11.39, 9: 11.17, 14: 37.3, 15: 29.5, 16: 25.2, 17: 25.8, 26: 30.4,
    27: 29.4, 28: 26.0, 29: 26.9, 30: 39.0, 32: 41.6, 34: 30.3, 35: 32.7, 50: 52.8, 53: 46.2, 80: 38.0,
}  # fmt: skip


def kinds_of(numbers: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Return the kind (n,) of each atom of a molecule, its row in `least_distances`."""
    kinds = numbers.copy()
    for first, second in (*bonds, *bonds[:, ::-1]):
        if numbers[first] == 1 and numbers[second] in _DONORS:
            kinds[first] = POLAR_HYDROGEN
    return kinds


@cache
def least_distances() -> np.ndarray:
    """Return the least distances (119, 119) in Å of atoms of different molecules, by their kinds."""
    radii = van_der_waals_radii().copy()
    radii[POLAR_HYDROGEN] = radii[1]
    polar = np.isin(np.arange(len(radii)), _POLAR)
    least = radii[:, None] + radii - np.where(polar[:, None] & polar, _OVERLAP_OF_POLAR, _OVERLAP)
    for hydrogen in (POLAR_HYDROGEN, 1):
        least[hydrogen] = least[:, hydrogen] = radii[hydrogen] + radii - _OVERLAP_OF_HYDROGEN
    for acceptor, distance in _HYDROGEN_BOND.items():
        least[POLAR_HYDROGEN, acceptor] = least[acceptor, POLAR_HYDROGEN] = distance
    return least


def usual_volume(numbers: np.ndarray) -> float:
    """Return the volume in Å³ that a molecule with these atoms has in a crystal, on average."""
    return sum(_VOLUMES[number] for number in numbers.tolist())
