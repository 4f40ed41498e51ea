"""Starts by the atoms of isotypes, and by another source where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from phaselearn.crystal.judgement import with_phases_of
from phaselearn.crystal.observed import Observed
from phaselearn.errors import UserError
from phaselearn.phasing.atomic_model import AtomicModel
from phaselearn.phasing.least_squares import fit_atoms
from phaselearn.phasing.refinement import Refined, judged_atoms
from phaselearn.phasing.reflections import ReflectionList
from phaselearn.phasing.solution import Solution
from phaselearn.phasing.starts import Starts
from phaselearn.solver.isotypes.isotype_search import Isotype, IsotypeSearch
from phaselearn.solver.isotypes.known_crystals import KnownCrystals, known_crystals_of_the_package

_PARAMETERS = 1  # of an atom: its weight. Its place is that of the known crystal, or near it.
_EXACT = 0.01  # R of the atoms of an isotype with which no further one is tried
_MOST_ATOMS = 800  # of an isotype in the given cell; more would take a minute
_FINEST = 2.0  # Å, of the reflections that are compared: finer ones depend too much on small shifts
_FEWEST = 30  # reflections with intensity that are compared, however fine, if there are so many
_PRESENT = 0.01  # of the largest |F|


class IsotypeStarts(nn.Module):
    """The atoms of the known crystals that a crystal is most like, and then the trial phases of another source.

    The atoms of each isotype are fitted to |F|, beginning at their places in the known crystal. Which elements they are
    plays no part, since weights are fitted, too. The first start of a crystal has the phases of the atoms for which
    there is most evidence; further starts come from another source, and so do all those of a crystal that is like none.

    Args:
        others: source of all other trial phases.
        known: file of known crystals; None for those of the package.
        tolerance: largest difference of the logarithms of two edges of cells of one volume, and of the cosines of two
            angles.
        least: least correlation of their |F|.
        most: largest number of isotypes of a crystal that are fitted.
        steps: largest number of least-squares steps.
        reflections_per_b: fewest reflections for each atom from which each has a B of its own.
        largest_r: R of the atoms, beyond that of the noise, from which they are left out.

    Raises:
        UserError: a number is out of range, or the file is not one of known crystals.
    """

    def __init__(
        self,
        *,
        others: Starts,
        known: str | None,
        tolerance: float,
        least: float,
        most: int,
        steps: int,
        reflections_per_b: float,
        largest_r: float,
    ) -> None:
        super().__init__()
        if not 0 < tolerance < 1 or not 0 < least < 1 or most < 1 or steps < 0:
            raise UserError(
                f"starts.tolerance={tolerance}, starts.least={least}, starts.most={most}, starts.steps={steps}: a "
                "tolerance and a correlation between 0 and 1, isotypes from 1 and steps from 0 are needed, e.g. "
                "starts.tolerance=0.08 starts.least=0.6 starts.most=3 starts.steps=16"
            )
        if reflections_per_b <= 0 or not 0 <= largest_r <= 1:
            raise UserError(
                f"starts.reflections_per_b={reflections_per_b}, starts.largest_r={largest_r}: a number above 0 and an "
                "R between 0 and 1 are needed, e.g. starts.reflections_per_b=15 starts.largest_r=0.2"
            )
        self.others = others
        crystals = known_crystals_of_the_package() if known is None else KnownCrystals.read(Path(known))
        self.search = IsotypeSearch(crystals, tolerance, least)
        self.most, self.largest_r = most, largest_r
        self.steps, self.reflections_per_b = steps, reflections_per_b

    @torch.no_grad()
    def forward(self, observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        """Return the trial phases; see `phaselearn.phasing.starts.Starts`."""
        shape = (len(crystals), len(numbers))
        factors = observed.amplitude.new_zeros((*shape, *observed.shape), dtype=torch.complex64)
        expected = observed.amplitude.new_zeros(shape)
        evidence = torch.full_like(expected, -torch.inf)
        like = torch.zeros(len(crystals), dtype=torch.bool, device=expected.device)
        if numbers.start == 0:
            lists = ReflectionList.of(observed.on_unit_scale())
            atoms = self._isotypes(lists)
            like = atoms.r_factor < self.largest_r
            of_atoms = with_phases_of(observed.map_amplitude(), lists.boxes(atoms.factors))
            factors[:, 0] = of_atoms.to(factors)
            evidence[like, 0] = atoms.evidence[like].to(evidence)
        for first, rows in ((0, (~like).nonzero()[:, 0]), (1, like.nonzero()[:, 0])):
            rest = numbers[first:]
            if len(rows) and rest:
                other = self.others(observed[rows], [crystals[row] for row in rows.tolist()], seed, rest)
                factors[rows, first:] = other.factors.unflatten(0, (len(rows), len(rest))).to(factors)
                if other.expected_correlation is not None:
                    own = other.expected_correlation.unflatten(0, (len(rows), len(rest)))
                    expected[rows, first:] = own.to(expected)
        return Solution(factors.flatten(0, 1), expected_correlation=expected.flatten(), evidence=evidence.flatten())

    def _isotypes(self, lists: ReflectionList) -> Refined:
        """Return the atoms of the best isotype of each crystal; those of a crystal without any have an R of 1."""
        found = [self._found(lists[row : row + 1]) for row in range(len(lists))]
        none = judged_atoms(AtomicModel.empty(lists), lists)
        # An R of nothing, that of reflections without intensity, is 0.
        best = replace(none, r_factor=torch.ones_like(none.r_factor))
        for rank in range(self.most):
            left = [row for row, isotypes in enumerate(found) if rank < len(isotypes) and best.r_factor[row] > _EXACT]
            if not left:
                break
            rows = torch.tensor(left, device=lists.measured.device)
            part = lists[rows]
            begin = self._atoms([found[row][rank] for row in left], part.amplitude).scaled(part)
            own_b = part.counts() >= self.reflections_per_b * begin.count()
            fitted = fit_atoms(begin, part, self.steps, own_b)
            best = best.with_better(rows, judged_atoms(fitted, part, _PARAMETERS))
        return best

    def _found(self, listed: ReflectionList) -> list[Isotype]:
        """Return the isotypes of one crystal, the likest first."""
        # Those that a centring forbids tell nothing.
        present = listed.amplitude[0] > _PRESENT * listed.amplitude[0].amax()
        square = listed.inverse_square[0, present]
        finest = max(1 / _FINEST**2, float(square.sort().values[:_FEWEST][-1])) if len(square) else 0.0
        compared = listed.measured[0] & (listed.inverse_square[0] <= finest)
        hkl, amplitude = listed.index[0, compared], listed.amplitude[0, compared]
        lattice = listed.lattice[0].double().cpu().numpy()
        found = self.search.find(hkl.long().cpu().numpy(), amplitude.double().cpu().numpy(), lattice, self.most)
        return [isotype for isotype in found if len(self.search.atoms(isotype)[0]) <= _MOST_ATOMS]

    def _atoms(self, isotypes: Sequence[Isotype], like: Tensor) -> AtomicModel:
        """Return the atoms of known crystals in the axes of the crystals, the heaviest first."""
        models = []
        for isotype in isotypes:
            numbers, positions = self.search.atoms(isotype)
            order = np.argsort(-numbers, kind="stable")
            weight, position = like.new_tensor(numbers[order])[None], like.new_tensor(positions[order])[None]
            models.append(AtomicModel(position, weight, torch.zeros_like(weight)))
        return AtomicModel.joined(models)
