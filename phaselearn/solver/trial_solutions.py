"""Trial solutions: the phases that starts led to, refined as atoms, and the best of each crystal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.layout import Shape, multiplied, resized
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
        factors: FFT boxes (B, n₁, n₂, n₃) with the phases found.
        agreement: (B,) highest map correlation with another start of the same crystal; 0 until they are compared.
        expected_correlation: (B,) map correlation with the truth that the network expects.
        score: (B,) figure of merit that starts are chosen by; higher is better.
        fits: (B,) whether the phases are those of atoms that fit the amplitudes.
        explained: (B,) whether there is so much evidence for these atoms that nothing is left to explain.
    """

    factors: Tensor
    agreement: Tensor
    expected_correlation: Tensor
    score: Tensor
    fits: Tensor
    explained: Tensor

    def on_box(self, shape: Shape) -> Found:
        """Return the same on an FFT box of another shape."""
        return replace(self, factors=resized(self.factors, shape))

    def with_atoms(self, factors: Tensor, evidence: Tensor, enough: float, trust: float) -> Found:
        """Return the same with the phases of atoms wherever there is more evidence for these.

        Args:
            factors: FFT boxes (B, n₁, n₂, n₃) of the atoms.
            evidence: (B,) evidence for them; −∞ where they do not fit.
            enough: evidence from which they explain the amplitudes.
            trust: largest part of a score without atoms that a network's expectation can be.
        """
        score = _ABOVE_ALL + trust + evidence
        better = score > torch.where(self.fits, self.score, -torch.inf)
        return replace(
            self,
            factors=torch.where(better[:, None, None, None], factors, self.factors),
            score=torch.where(better, score, self.score),
            fits=self.fits | better,
            explained=self.explained | (better & (evidence >= enough)),
        )

    def solution(self) -> Solution:
        """Return the phases with their figures of merit."""
        return Solution(self.factors, agreement=self.agreement, expected_correlation=self.expected_correlation)


@dataclass(frozen=True)
class Trial:
    """Starts of crystals whose reflections fit into the same box.

    Attributes:
        rows: (B,) numbers of the crystals in their batch.
        observed: the crystals' reflections on that box.
        found: (B · S,) results of S starts of each crystal, grouped by crystal.
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
        """Return the crystals whose starts are at these places."""
        return places // (len(self.found.score) // len(self.rows))

    def best(self) -> Found:
        """Choose the start that scores highest, and see how well another agrees with it."""
        found, best = self.found, self.ranked(1)[:, 0]
        owner = self.owner(torch.arange(len(found.score), device=best.device))
        fine = Measurement.of(self.observed[owner], multiplied(self.observed.shape, 2))
        phased = fine.phased(found.factors)
        alike = likeness(phased, phased[best[owner]])
        alike[best] = 0
        return replace(found[best], agreement=alike.view(len(best), -1).amax(1))


def refined(trials: Sequence[Trial], refinement: Refinement, count: int, trust: float) -> list[Trial]:
    """Refine the best start of each crystal, and further ones where its atoms do not explain all amplitudes.

    Args:
        trials: the starts of all crystals.
        refinement: fits the atoms.
        count: largest number of starts of a crystal that are refined, the best first.
        trust: weight of the map correlation that the network expects, beside R.
    """
    ranked = [trial.ranked(count) for trial in trials]
    first, further = [places[:, :1] for places in ranked], [places[:, 1:] for places in ranked]
    for part in (first, further):
        left = [~trial.found.explained[places[:, 0]] for trial, places in zip(trials, ranked, strict=True)]
        asked = [places[rows].flatten() for places, rows in zip(part, left, strict=True)]
        trials = _refined_at(asked, trials, refinement, trust)
    return list(trials)


def _refined_at(places: Sequence[Tensor], trials: Sequence[Trial], refinement: Refinement, trust: float) -> list[Trial]:
    """Refine the starts at these places of the trials, all together."""
    result = list(trials)
    asked = [number for number, place in enumerate(places) if len(place)]
    if not asked:
        return result
    starts = [trials[number].found[places[number]] for number in asked]
    observed = [trials[number].observed[trials[number].owner(places[number])] for number in asked]
    fitted = refinement([start.factors for start in starts], observed)
    for number, start, atoms in zip(asked, starts, fitted, strict=True):
        evidence = torch.where(atoms.r_factor < refinement.largest_r, atoms.evidence, -torch.inf)
        own = start.with_atoms(atoms.factors, evidence, refinement.enough, trust)
        found = trials[number].found.with_rows(places[number], own)
        result[number] = replace(trials[number], found=found)
    return result


def better(first: Found, second: Found, observed: Observed) -> Found:
    """Return the better of two results for each crystal; their agreement with each other counts, too."""
    chosen = Found.where(second.score > first.score, second, first)
    fine = Measurement.of(observed, multiplied(observed.shape, 2))
    alike = likeness(fine.phased(first.factors), fine.phased(second.factors))
    return replace(chosen, agreement=torch.maximum(chosen.agreement, alike))
