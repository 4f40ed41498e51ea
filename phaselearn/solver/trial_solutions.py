"""Trial solutions: the phases that starts led to, refined as atoms, and the best of each crystal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.layout import Shape, resized
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.rows import Rows
from phaselearn.phasing.figures_of_merit import likeness
from phaselearn.phasing.measurement import Measurement
from phaselearn.phasing.refinement import Refinement
from phaselearn.phasing.solution import Solution

_ABOVE_ALL = 1e3  # added to the score of atoms that fit: what was not refined comes after them


@dataclass(frozen=True)
class Found(Rows):
    """What starts led to, or the best of them for each crystal.

    Attributes:
        solution: the phases.
        score: (B,) what is chosen by, higher is better.
        explained: (B,) whether atoms explain all amplitudes.
    """

    solution: Solution
    score: Tensor
    explained: Tensor

    @classmethod
    def nothing(cls, observed: Observed) -> Found:
        """Return what says nothing yet."""
        figure = observed.amplitude.new_zeros(len(observed.amplitude))
        factors = torch.zeros_like(observed.amplitude, dtype=torch.complex64)
        solution = Solution(factors, figure, None, figure.clone())
        return cls(solution, figure.clone(), torch.zeros_like(figure, dtype=torch.bool))

    def put(self, rows: Tensor, part: Found) -> None:
        """Exchange what was found for some crystals, in place; the boxes of the part may be smaller."""
        self.score[rows] = part.score
        self.explained[rows] = part.explained
        self.solution.factors[rows] = resized(part.solution.factors, tuple(self.solution.factors.shape[1:]))
        for name in ("agreement", "expected_correlation"):
            getattr(self.solution, name)[rows] = getattr(part.solution, name).to(getattr(self.solution, name).dtype)


@dataclass(frozen=True)
class Trial:
    """Starts of crystals whose reflections fit into the same box.

    Attributes:
        rows: (B,) which crystals.
        observed: of the crystals, on the box.
        found: (B · S,) what their starts led to, those of a crystal one after the other.
    """

    rows: Tensor
    observed: Observed
    found: Found

    def ranked(self, count: int) -> Tensor:
        """Return (B, count) the places of the starts that score highest, all if there are fewer."""
        score = self.found.score.view(len(self.rows), -1)
        places = score.topk(min(count, score.shape[1]), dim=1).indices
        return places + score.shape[1] * torch.arange(len(score), device=score.device)[:, None]

    def owner(self, places: Tensor) -> Tensor:
        """Return whose starts stand at some places."""
        return places // (len(self.found.score) // len(self.rows))

    def best(self) -> Found:
        """Choose the start that scores highest, and see how well another agrees with it."""
        found, best = self.found, self.ranked(1)[:, 0]
        owner = self.owner(torch.arange(len(found.score), device=best.device))
        fine = Measurement.of(self.observed[owner], doubled(self.observed.shape))
        phased = fine.phased(found.solution.factors)
        alike = likeness(phased, phased[best[owner]])
        alike[best] = 0
        agreement = alike.view(len(best), -1).amax(1)
        factors, expected = found.solution.factors[best], found.solution.expected_correlation[best]
        return Found(Solution(factors, agreement, None, expected), found.score[best], found.explained[best])


def refine(trials: Sequence[Trial], refinement: Refinement, count: int, trust: float) -> None:
    """Refine the best start of each crystal, and further ones where its atoms do not explain all; in place."""
    ranked = [trial.ranked(count)[refinement.suits(trial.observed)] for trial in trials]
    _refine_at([places[:, 0] for places in ranked], trials, refinement, trust)
    left = [~trial.found.explained[places[:, 0]] for trial, places in zip(trials, ranked, strict=True)]
    further = [places[rows, 1:].flatten() for places, rows in zip(ranked, left, strict=True)]
    _refine_at(further, trials, refinement, trust)


def _refine_at(places: Sequence[Tensor], trials: Sequence[Trial], refinement: Refinement, trust: float) -> None:
    """Refine the starts of the trials at these places, of all trials together."""
    asked = [(place, trial) for place, trial in zip(places, trials, strict=True) if len(place)]
    if not asked:
        return
    factors = [trial.found.solution.factors[place] for place, trial in asked]
    observed = [trial.observed[trial.owner(place)] for place, trial in asked]
    for (place, trial), refined in zip(asked, refinement(factors, observed), strict=True):
        fits = refined.r_factor < refinement.largest_r
        trial.found.solution.factors[place[fits]] = refined.factors[fits]
        trial.found.score[place[fits]] = _ABOVE_ALL + trust + refined.evidence[fits]
        trial.found.explained[place] = refined.r_factor <= refinement.exact_r


def better(first: Found, second: Found, observed: Observed) -> Found:
    """Return the better of two for each crystal; its agreement may be that with the other."""
    later = second.score > first.score

    def chosen(name: str) -> Tensor:
        one, other = (getattr(found.solution, name) for found in (first, second))
        return torch.where(later.view(-1, *[1] * (one.ndim - 1)), other, one)

    fine = Measurement.of(observed, doubled(observed.shape))
    alike = likeness(*(fine.phased(found.solution.factors) for found in (first, second)))
    agreement = torch.maximum(chosen("agreement"), alike)
    solution = Solution(chosen("factors"), agreement, None, chosen("expected_correlation"))
    explained = torch.where(later, second.explained, first.explained)
    return Found(solution, torch.maximum(first.score, second.score), explained)


def doubled(shape: Shape) -> Shape:
    """Return the shape of a grid twice as fine."""
    first, second, third = shape
    return 2 * first, 2 * second, 2 * third
