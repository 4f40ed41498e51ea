"""Stated space groups: operations by a name, their matrices, and the group that they are."""

from __future__ import annotations

from collections.abc import Iterable

import gemmi
import numpy as np
from numpy.typing import NDArray

from phaselearn.crystal.space_group_names import settings_named, settings_numbered
from phaselearn.errors import UserError
from phaselearn.quoting import printable


def rotations_of(triplets: Iterable[str]) -> NDArray[np.int64]:
    """Return the rotations (G, 3, 3) of triplets such as `-x,y+1/2,-z`, as often as they are stated.

    Those that need fractional numbers in these axes are left out.
    """
    scaled = np.array([gemmi.Op(triplet).rot for triplet in triplets], dtype=np.int64).reshape(-1, 3, 3)
    whole = scaled[(scaled % gemmi.Op.DEN == 0).all((1, 2))]
    return whole // gemmi.Op.DEN


def operations_named(name: str | int) -> tuple[str, ...]:
    """Return the triplets of a space group by its symbol, such as `P 21/n` or `I41/a:2`, or by its number.

    Raises:
        UserError: there is no such group.
    """
    text = str(name).strip()
    found = settings_numbered(text.lstrip("0")) or settings_named(text)
    if not found:
        raise UserError(
            f"space_group={printable(text)} is not a space group: give a symbol or number of the International Tables, "
            "e.g. space_group='P 21/n' or space_group=14"
        )
    return tuple(operation.triplet() for operation in found[0].operations())


def stated_group(triplets: Iterable[str]) -> gemmi.SpaceGroup | None:
    """Return the tabulated group of stated operations; None where it is not tabulated, or where it is P1."""
    operations = gemmi.GroupOps([gemmi.Op(triplet) for triplet in triplets])
    found = gemmi.find_spacegroup_by_ops(operations)
    return found if found is not None and found.number > 1 else None
