"""Known crystals from any source of crystals."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from phaselearn.data.sources.structure_type import choose_cell
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError
from phaselearn.solver.isotypes.known_crystals import KnownCrystals


def collected(crystals: Iterable[Crystal], origin: str) -> KnownCrystals:
    """Return crystals as known ones, each in its Niggli-reduced primitive cell.

    A crystal in whose cell spglib finds no symmetry is left out.

    Args:
        crystals: the crystals, which have passed the screening of `phaselearn.data.screening`.
        origin: licence and attribution of the crystals.

    Raises:
        UserError: there are none.
    """
    kept, cells = [], []
    for crystal in crystals:
        try:
            cells.append(choose_cell((crystal.lattice, crystal.positions, crystal.numbers), "primitive"))
        except ValueError:
            continue
        kept.append(crystal)
    if not kept:
        raise UserError(
            "none of the crystals can be used: name a source with crystals, e.g. `phaselearn known source=folder "
            "source.path=FOLDER`"
        )
    lattices, positions, numbers = zip(*cells, strict=True)
    kinds, kind = np.unique([crystal.prototype for crystal in kept], return_inverse=True)
    return KnownCrystals(
        lattice=np.array(lattices, np.float64),
        count=np.array([len(each) for each in numbers]),
        numbers=np.concatenate(numbers).astype(np.int64),
        positions=np.concatenate(positions),
        kind=kind,
        kinds=kinds.tolist(),
        names=[" ".join(crystal.id.split()) for crystal in kept],
        origin=origin,
    )
