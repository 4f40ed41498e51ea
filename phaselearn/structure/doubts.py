"""Lines about what is doubtful in a structure that explains the reflections: a wrong cell, disorder, guesses.

Intensities alone do not tell a cell from one that is stretched: distances and volumes do. In 2,985 inorganic structures
the median of an atom's distance to its nearest neighbour is 0.79 to 1.14 times the sum of their covalent radii (1st to
99th percentile; hydrogen left out), in 66 molecular ones 0.85 to 1.03.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from phaselearn.structure.composition import LEAST_VOLUME, MOST_VOLUME, Composition
from phaselearn.structure.model import Model
from phaselearn.structure.neighbours import nearest_neighbours
from phaselearn.structure.space_group import SpaceGroup

_INORGANIC, _MOLECULAR = (0.75, 1.2), (0.82, 1.1)  # usual distances over sums of covalent radii
_ORGANIC = 1 / 3  # share of carbon, from which on a crystal is taken for a molecular one
_MOVING, _TIMES_MEDIAN = 0.1, 3.0  # U in Å² of an atom that may be disordered, and against the median
_NAMED = 6  # atoms in a line
_UNEXPLAINED = 2.0  # goodness of fit; of 58 calculated crystals with σ of a laboratory, the highest is 1.5


def doubts(model: Model, group: SpaceGroup, lattice: NDArray[np.float64], composition: Composition) -> Iterator[str]:
    """Yield one line for each doubt.

    Args:
        model: refined atoms.
        group: space group.
        lattice: (3, 3), rows in Å.
        composition: the stated atoms.
    """
    if composition.hydrogen:
        yield f"hydrogen was not located: {composition.hydrogen:g} atoms in the cell as stated"
    if composition.is_guess:
        yield "elements are guessed from relative scattering powers: nothing was stated"
    else:
        yield from _of_the_cell(model, group, lattice, composition)
    if not group.is_tabulated:
        yield f"{group.symbol} is the symbol of the standard setting; these axes are not tabulated"
    yield from _of_displacements(model)


def doubts_of_fit(goodness: float, composition: Composition) -> Iterator[str]:
    """Yield a line if the atoms explain less than the σ of the intensities ask for.

    Hydrogen that was not located is a reason by itself, and has its own line.

    Args:
        goodness: goodness of fit, as in `FitFigures`.
        composition: the stated atoms.
    """
    if goodness > _UNEXPLAINED and not composition.hydrogen:
        yield (
            f"the goodness of fit is {goodness:.1f}, so the σ of the intensities promise a better one: other elements, "
            "a lower space group, disorder, or displacements that are not isotropic"
        )


def _of_the_cell(
    model: Model, group: SpaceGroup, lattice: NDArray[np.float64], composition: Composition
) -> Iterator[str]:
    volume = composition.atom_volume
    if volume is not None and not LEAST_VOLUME <= volume <= MOST_VOLUME:
        yield f"the stated atoms have {volume:.0f} Å³ each, hydrogen left out: the cell, or their numbers, are wrong"
    carbon = model.contents().get("C", 0.0) / sum(model.contents().values())
    least, most = _MOLECULAR if carbon > _ORGANIC else _INORGANIC
    ratio = float(np.median(nearest_neighbours(model.elements, model.positions, group, lattice)))
    if not least <= ratio <= most:
        yield (
            f"nearest neighbours are {ratio:.2f} times the sum of their covalent radii apart, where {least:g} to "
            f"{most:g} is usual: the lengths of the cell, or the elements, may be wrong"
        )


def _of_displacements(model: Model) -> Iterator[str]:
    """Yield a line about atoms that move much more than the others: a disorder spreads them."""
    large = model.u_iso > max(_MOVING, _TIMES_MEDIAN * float(np.median(model.u_iso)))
    if large.any() and not large.all():
        shown = ", ".join(
            f"{model.elements[place]} at {' '.join(f'{value:.3f}' for value in model.positions[place])}"
            for place in np.flatnonzero(large)[:_NAMED]
        )
        more = f" and {large.sum() - _NAMED} more" if large.sum() > _NAMED else ""
        yield f"large displacements, perhaps disorder: {shown}{more}"
