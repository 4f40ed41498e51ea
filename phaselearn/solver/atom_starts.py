"""Starts by the network on atoms: it is told what is in the cell, and its atoms give the phases."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from phaselearn.crystal.observed import Observed
from phaselearn.errors import UserError
from phaselearn.models.base import AtomPlacer
from phaselearn.phasing.atomic_model import AtomicModel
from phaselearn.phasing.composition import atoms_in_cell
from phaselearn.phasing.random_atoms import random_positions
from phaselearn.phasing.reflections import ReflectionList
from phaselearn.phasing.solution import Solution
from phaselearn.precision import is_mixed


class AtomStarts(nn.Module):
    """Phases of atoms that a network has carried from random positions.

    The atoms are those that are known to be in the cell. Hydrogen is left out beside heavier atoms, and of large cells
    only the heaviest atoms are placed, as in the heavy-atom method. The atoms give phases to all measured reflections.

    Args:
        network: a trained network that is an `AtomPlacer`.
        steps: steps of the way; 0 leaves the atoms at random positions.
        finest: finest resolution in Å that the network sees.
        most: largest number of atoms that are placed.
        precision: `bf16-mixed` or `32-true`.

    Raises:
        UserError: the network is not an `AtomPlacer`, a number is too small, or the precision is unknown.
    """

    def __init__(self, network: nn.Module, steps: int, finest: float, most: int, precision: str) -> None:
        super().__init__()
        if not isinstance(network, AtomPlacer):
            raise UserError(
                f"starts.network is {type(network).__name__}, which places no atoms: give a network with the method "
                "`place`, e.g. starts.network._target_=phaselearn.models.atom_network.AtomNetwork"
            )
        if steps < 0 or most < 1:
            raise UserError(
                f"starts.steps={steps}, starts.most={most}: steps from 0 and atoms from 1 are allowed, e.g. "
                "starts.steps=12 starts.most=120"
            )
        self.network = network.requires_grad_(False).eval()
        self.steps, self.finest, self.most = steps, finest, most
        self.is_mixed = is_mixed(precision)

    @torch.no_grad()
    def forward(self, observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        """Return the trial phases; see `phaselearn.phasing.starts.Starts`.

        Raises:
            UserError: nobody has said what is in the cells.
        """
        contents = atoms_in_cell([observed], "starts=atoms", self.most)
        rows = torch.arange(len(crystals), device=contents.device).repeat_interleave(len(numbers))
        named, starts = [crystals[row] for row in rows.tolist()], list(numbers) * len(crystals)
        everything, atoms = observed[rows], contents[rows]
        begin = random_positions(atoms.shape[1], seed, named, starts).to(observed.amplitude)
        with torch.autocast(begin.device.type, torch.bfloat16, enabled=self.is_mixed):
            found = self.network.place(everything.cut(self.finest), atoms, begin, self.steps)
        listed, weight = ReflectionList.of(everything), atoms.to(found)
        return Solution(listed.boxes(AtomicModel(found, weight, torch.zeros_like(weight)).structure_factors(listed)))
