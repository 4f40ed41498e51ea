"""The known composition of a cell."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from phaselearn.crystal.observed import Observed
from phaselearn.crystal.rows import padded
from phaselearn.errors import UserError


def atoms_in_cell(observed: Sequence[Observed], asked_by: str, most: int | None = None) -> Tensor:
    """Return the atomic numbers (B, A) of all crystals, from heavy to light, as `heaviest_atoms` does.

    Args:
        observed: sets of crystals, B in all.
        asked_by: the setting that needs them, for the error.
        most: largest number of atoms to keep; None for all.

    Raises:
        UserError: nobody has said what is in the cells.
    """
    known = [part.contents for part in observed if part.contents is not None]
    if len(known) < len(observed):
        raise UserError(
            f"{asked_by} needs the composition of the crystal: state it, e.g. phaselearn solve FILE formula=C14H14O2"
        )
    longest = max(contents.shape[1] for contents in known)
    return heaviest_atoms(torch.cat([padded(contents, longest) for contents in known]), most)[0]


def heaviest_atoms(numbers: Tensor, most: int | None = None) -> tuple[Tensor, Tensor]:
    """Return the atoms from heavy to light, hydrogen left out where there are others.

    Args:
        numbers: (B, K) atomic numbers, 0 for padding.
        most: largest number of atoms to keep; None for all.

    Returns:
        Atomic numbers (B, A), 0 for padding, and the places (B, A) in `numbers` that they were taken from.
    """
    light = (numbers == 1) & (numbers > 1).any(1, keepdim=True)
    heavy, place = (numbers * ~light).sort(dim=1, descending=True, stable=True)
    longest = max(1, int((heavy > 0).sum(1).max()))
    longest = longest if most is None else min(longest, most)
    return heavy[:, :longest], place[:, :longest]
