"""Space groups made exact from rough translations, in the axes and the unit of the cell that was given.

With n(R, S) the lattice vector next to R t_S + t_R − t_RS, which is zero for an exact group, the translations
Σ_S n(R, S)/|P| are exact about the origin Σ_S t_S/|P|: the errors of the t cancel, as long as each n is the right one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from phaselearn.structure.lattice_points import nearest_lattice_vector
from phaselearn.structure.point_groups import Members, PointGroup
from phaselearn.structure.symmetry import Agreement

_CHOICES = 3  # peaks of a generator that are tried
_NEARLY = 0.8  # of the best agreement of a rotation, from which on another translation is tried
_SNAP = 0.8  # Å, from a product of generators to a peak
_MISFIT = 1.0  # Å, of the products of two operations


@dataclass(frozen=True, eq=False)
class ExactGroup:
    """A space group about an origin of its own choice.

    Attributes:
        members: numbers of the rotations in their point group.
        rotations: (G, 3, 3) of the point group, the identity first.
        translations: (G, 3) fractional, exact but for rounding.
        centrings: (C, 3), zero first.
        origin: (3,) in the coordinates of the phased factors.
        agreements: (G,) of each operation, 1 for the identity.
    """

    members: Members
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    centrings: NDArray[np.float64]
    origin: NDArray[np.float64]
    agreements: NDArray[np.float64]

    @property
    def agreement(self) -> float:
        """Mean agreement of all operations but the identity; 1 where there are no others."""
        return float(self.agreements[1:].mean()) if len(self.agreements) > 1 else 1.0

    @property
    def weakest(self) -> float:
        """Least agreement of an operation."""
        return float(self.agreements.min())


def exact_group(
    members: Members, points: PointGroup, agreement: Agreement, centrings: NDArray[np.float64]
) -> ExactGroup | None:
    """Return the space group with these rotations that the phases agree with best; None where no group closes.

    Args:
        members: a subgroup of the point group.
        points: the point group.
        agreement: agreement of each of its rotations.
        centrings: (C, 3) of the lattice, zero among them.
    """
    numbers = np.array(sorted(members))
    best: ExactGroup | None = None
    for translations in _trials(members, points, agreement, centrings):
        found = _made_exact(numbers, points, translations, agreement, centrings)
        if found is not None and (best is None or found.agreement > best.agreement):
            best = found
    return best


def _trials(
    members: Members, points: PointGroup, agreement: Agreement, centrings: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Yield rough translations (R, 3) of the rotations, from the best peaks of generators."""
    highest = [heights[0] if len(heights) else -1.0 for _, heights in agreement.peaks]
    generators = points.generators(members, np.argsort(highest)[::-1].tolist())
    choices = [_distinct(*agreement.peaks[number], centrings, agreement.lattice) for number in generators]
    for chosen in product(*choices):
        known = {0: np.zeros(3)} | dict(zip(generators, chosen, strict=True))
        waiting = list(known)
        while waiting:
            second = waiting.pop()
            for first in generators:
                both = int(points.table[first, second])
                if both not in known:
                    rough = points.rotations[first] @ known[second] + known[first]
                    known[both] = _snapped(rough, agreement.peaks[both][0], centrings, agreement.lattice)
                    waiting.append(both)
        yield np.array([known.get(number, np.zeros(3)) for number in range(len(points.rotations))])


def _distinct(
    translations: NDArray[np.float64],
    heights: NDArray[np.float64],
    centrings: NDArray[np.float64],
    lattice: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Return the best translations of a rotation that differ by more than a lattice vector."""
    kept: list[NDArray[np.float64]] = []
    for translation, height in zip(translations, heights, strict=True):
        if height < _NEARLY * heights[0] or len(kept) == _CHOICES:
            break
        if all(nearest_lattice_vector(translation - other, centrings, lattice)[1] > _SNAP for other in kept):
            kept.append(translation)
    return kept


def _snapped(
    rough: NDArray[np.float64],
    peaks: NDArray[np.float64],
    centrings: NDArray[np.float64],
    lattice: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the peak next to a product of translations, or the product where there is none."""
    if not len(peaks):
        return rough
    vector, distance = nearest_lattice_vector(rough - peaks, centrings, lattice)
    nearest = int(distance.argmin())
    return peaks[nearest] + vector[nearest] if distance[nearest] < _SNAP else rough


def _made_exact(
    numbers: NDArray[np.intp],
    points: PointGroup,
    rough: NDArray[np.float64],
    agreement: Agreement,
    centrings: NDArray[np.float64],
) -> ExactGroup | None:
    rotations, own = points.rotations[numbers], rough[numbers]
    products = rough[points.table[np.ix_(numbers, numbers)]]
    misfit = np.einsum("rij,sj->rsi", rotations, own) + own[:, None] - products
    vectors, distance = nearest_lattice_vector(misfit, centrings, agreement.lattice)
    if distance.max() > _MISFIT:
        return None
    translations = vectors.mean(1)
    origin = agreement.centred(numbers, translations, own.mean(0))
    moved = translations + origin - rotations @ origin
    agreements = np.array(
        [agreement.at(number, translation) for number, translation in zip(numbers.tolist(), moved, strict=True)]
    )
    return ExactGroup(frozenset(numbers.tolist()), rotations, translations, centrings, origin, agreements)
