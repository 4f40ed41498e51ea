"""Trial solutions: the phases that starts led to, refined as atoms, and the best of each crystal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.layout import Shape, resized, shape_of
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.rows import Rows
from phaselearn.phasing.figures_of_merit import likeness
from phaselearn.phasing.measurement import Measurement
from phaselearn.phasing.refinement import Refinement
from phaselearn.phasing.solution import Solution

_ABOVE_ALL = 1e3  # added to the score of atoms that fit, so that they are chosen before unrefined phases


@dataclass(frozen=True)
class Found(Rows):
    """The phases that starts led to, or those of the best start of each crystal.

    Attributes:
        factors: FFT boxes (B, N, N, N) with the phases found.
        agreement: (B,) highest map correlation with another start of the same crystal; 0 until they are compared.
        expected_correlation: (B,) map correlation with the truth that the network expects.
        score: (B,) figure of merit that starts are chosen by; higher is better.
        explained: (B,) whether atoms explain all amplitudes.
    """

    factors: Tensor
    agreement: Tensor
    expected_correlation: Tensor
    score: Tensor
    explained: Tensor

    @classmethod
    def nothing(cls, observed: Observed) -> Found:
        """Return empty maps, to be replaced."""
        figure = observed.amplitude.new_zeros(len(observed.amplitude))
        factors = torch.zeros_like(observed.amplitude, dtype=torch.complex64)
        return cls(factors, figure, figure.clone(), figure.clone(), torch.zeros_like(figure, dtype=torch.bool))

    def put(self, rows: Tensor, part: Found) -> None:
        """Replace some rows in place; the boxes of the part may be smaller."""
        self.factors[rows] = resized(part.factors, shape_of(self.factors))
        self.agreement[rows] = part.agreement.to(self.agreement)
        self.expected_correlation[rows] = part.expected_correlation.to(self.expected_correlation)
        self.score[rows] = part.score
        self.explained[rows] = part.explained

    def solution(self) -> Solution:
        """Return the phases with their figures of merit."""
        return Solution(self.factors, agreement=self.agreement, expected_correlation=self.expected_correlation)


@dataclass(frozen=True)
class Trial:
    """Starts of crystals whose reflections fit into the same box.

    Attributes:
        rows: (B,) numbers of the crystals in their batch.
        observed: the crystals' reflections on that box.
        found: (B · S,) results of S starts of each crystal, those of one crystal after another.
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
        """Return the crystals whose starts stand at these places."""
        return places // (len(self.found.score) // len(self.rows))

    def best(self) -> Found:
        """Choose the start that scores highest, and see how well another agrees with it."""
        found, best = self.found, self.ranked(1)[:, 0]
        owner = self.owner(torch.arange(len(found.score), device=best.device))
        fine = Measurement.of(self.observed[owner], doubled(self.observed.shape))
        phased = fine.phased(found.factors)
        alike = likeness(phased, phased[best[owner]])
        alike[best] = 0
        return replace(found[best], agreement=alike.view(len(best), -1).amax(1))


def refine(trials: Sequence[Trial], refinement: Refinement, count: int, trust: float) -> None:
    """Refine the best start of each crystal, and further starts where its atoms do not explain all amplitudes.

    The trials are changed in place.

    Args:
        trials: the starts of all crystals.
        refinement: fits the atoms.
        count: starts of a crystal that may be refined, the best.
        trust: weight of the map correlation that the network expects, see `Choice`.
    """
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
    factors = [trial.found.factors[place] for place, trial in asked]
    observed = [trial.observed[trial.owner(place)] for place, trial in asked]
    for (place, trial), refined in zip(asked, refinement(factors, observed), strict=True):
        fits = refined.r_factor < refinement.largest_r
        trial.found.factors[place[fits]] = refined.factors[fits]
        trial.found.score[place[fits]] = _ABOVE_ALL + trust + refined.evidence[fits]
        trial.found.explained[place] = refined.r_factor <= refinement.exact_r


def better(first: Found, second: Found, observed: Observed) -> Found:
    """Return the better of two results for each crystal; the agreement may be that of the two with each other."""
    later = second.score > first.score

    def chosen(name: str) -> Tensor:
        one, other = (getattr(found, name) for found in (first, second))
        return torch.where(later.view(-1, *[1] * (one.ndim - 1)), other, one)

    fine = Measurement.of(observed, doubled(observed.shape))
    alike = likeness(fine.phased(first.factors), fine.phased(second.factors))
    return Found(
        factors=chosen("factors"),
        agreement=torch.maximum(chosen("agreement"), alike),
        expected_correlation=chosen("expected_correlation"),
        score=torch.maximum(first.score, second.score),
        explained=chosen("explained"),
    )


def doubled(shape: Shape) -> Shape:
    """Return the shape of a grid twice as fine."""
    first, second, third = shape
    return 2 * first, 2 * second, 2 * third
