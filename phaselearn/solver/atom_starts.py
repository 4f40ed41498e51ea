"""Starts by the network on atoms: it is told what is in the cell, and its atoms give the phases."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from phaselearn.crystal.observed import Observed
from phaselearn.errors import UserError
from phaselearn.models.base import AtomPlacer
from phaselearn.phasing.atomic_model import AtomicModel
from phaselearn.phasing.random_atoms import heaviest_atoms, random_positions
from phaselearn.phasing.reflections import ReflectionList
from phaselearn.phasing.solution import Solution
from phaselearn.precision import is_mixed

_PAIRS_AT_ONCE = 1 << 16  # pairs of atoms that send messages together; bounds the memory


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
        if observed.contents is None:
            raise UserError(
                "starts=atoms places the atoms of a known composition: state it, e.g. phaselearn solve FILE "
                "starts=atoms formula=C14H14O2"
            )
        contents, _ = heaviest_atoms(observed.contents, self.most)
        rows = torch.arange(len(crystals), device=contents.device).repeat_interleave(len(numbers))
        named, starts = [crystals[row] for row in rows.tolist()], list(numbers) * len(crystals)
        everything, atoms = observed[rows], contents[rows]
        begin = random_positions(atoms.shape[1], seed, named, starts).to(observed.amplitude)
        factors = torch.zeros_like(everything.amplitude, dtype=torch.complex64)
        seen = everything.cut(self.finest)
        for some in _alike(atoms):
            most = max(1, int((atoms[some] > 0).sum(1).max()))
            present = atoms[some, :most]
            with torch.autocast(begin.device.type, torch.bfloat16, enabled=self.is_mixed):
                found = self.network.place(seen[some], present, begin[some, :most], self.steps)
            listed = ReflectionList.of(everything[some])
            weight = present.to(found)
            model = AtomicModel(found, weight, torch.zeros_like(weight))
            factors[some] = listed.boxes(model.structure_factors(listed))
        return Solution(factors)


def _alike(atoms: Tensor) -> list[Tensor]:
    """Return rows of crystals with like numbers of atoms (B, A), few enough for the memory."""
    count = (atoms > 0).sum(1)
    groups: list[list[int]] = [[]]
    for row in count.argsort(stable=True).tolist():
        if groups[-1] and int(count[row]) ** 2 * (len(groups[-1]) + 1) > _PAIRS_AT_ONCE:
            groups.append([])
        groups[-1].append(row)
    return [torch.tensor(rows, device=atoms.device) for rows in groups]
