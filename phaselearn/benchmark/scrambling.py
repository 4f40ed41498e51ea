"""Scrambled data, which have no solution: whoever is sure of one is wrong.

Intensities are permuted within shells of resolution, equivalent reflections together. So scale, Wilson plot,
completeness and symmetry stay as they are, and nothing but the structure is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from phaselearn.benchmark.confidence import Confidence
from phaselearn.benchmark.records import CrystalRecord
from phaselearn.benchmark.regimes import Regime
from phaselearn.crystal.layout import friedel_mate, shape_of
from phaselearn.crystal.observed import Observed
from phaselearn.data.batch import Batch
from phaselearn.data.preparation.observation import ObservationModel
from phaselearn.phasing.laue import equivalents, laue_rotations

_SHELL = 20  # sets of equivalent reflections that are permuted among each other
SURE = 0.5  # confidence above which a solution is claimed


@dataclass(frozen=True)
class ScrambledObservation:
    """An experiment whose intensities are permuted within shells of resolution, after everything else.

    Attributes:
        observation: the experiment.
    """

    observation: ObservationModel

    @property
    def is_random(self) -> bool:
        """Return True."""
        return True

    @property
    def needs_atoms(self) -> bool:
        """Whether intensities are calculated from the atoms."""
        return self.observation.needs_atoms

    @property
    def finest(self) -> float | None:
        """The finest resolution in Å that is measured; None for no limit."""
        return self.observation.finest

    def apply(self, ideal: Batch, layout: str, seeds: Sequence[int]) -> Batch:
        """Measure a batch and permute its intensities; arguments and result as those of `Observation.apply`."""
        batch = self.observation.apply(ideal, layout, seeds)
        observed = Observed.from_intensity(batch["intensity"], batch["observed"], layout, batch["lattice"])
        square = observed.inverse_d_squared().flatten(1)
        labels = _equivalent(observed) if layout == "full" else _alone(observed)
        intensity = batch["intensity"].flatten(1).clone()
        for row, seed in enumerate(seeds):
            measured = batch["observed"][row].flatten().nonzero()[:, 0]
            if len(measured):
                values = _permuted(intensity[row, measured], labels[row, measured], square[row, measured], seed)
                intensity[row, measured] = values
        batch["intensity"] = intensity.view_as(batch["intensity"])
        return batch


def _alone(observed: Observed) -> Tensor:
    """Return a label of its own for each reflection, (B, n₁n₂n₃)."""
    count = observed.mask[0].numel()
    return torch.arange(count).expand(len(observed), count)


def _equivalent(observed: Observed) -> Tensor:
    """Return labels (B, n₁n₂n₃) that observed reflections share with their equivalents, as |F| shows them."""
    shape = shape_of(observed.mask)
    labels = _alone(observed).clone()
    crystals, operations = laue_rotations(observed, observed.map_amplitude())
    places, both = equivalents(observed.mask[crystals], operations)
    both = both.flatten(1)
    while True:
        before = labels
        mates = friedel_mate(labels.view(-1, *shape)).flatten(1)
        labels = torch.minimum(labels, torch.where(observed.mask.flatten(1), mates, labels))
        for crystal, place, known in zip(crystals.tolist(), places, both, strict=True):
            here, there = known.nonzero()[:, 0], place[known]
            lower = torch.minimum(labels[crystal, here], labels[crystal, there])
            labels[crystal] = (
                labels[crystal].scatter_reduce(0, here, lower, "amin").scatter_reduce(0, there, lower, "amin")
            )
        if torch.equal(labels, before):
            return labels


def _permuted(intensity: Tensor, labels: Tensor, square: Tensor, seed: int) -> Tensor:
    """Return intensities (m,) that sets of equivalent reflections have exchanged with others of their shell.

    Args:
        intensity: intensities (m,); each set gets the mean of another.
        labels: (m,) the set of each reflection.
        square: 1/d² (m,) in Å⁻².
        seed: seed of the permutation.
    """
    _, members = labels.unique(return_inverse=True)
    count = torch.bincount(members).to(intensity.dtype)
    mean, place = (
        torch.zeros_like(count).index_add_(0, members, values.to(count)) / count for values in (intensity, square)
    )
    random = np.random.default_rng([seed, 1])
    exchanged = mean.clone()
    for shell in place.argsort(stable=True).split(_SHELL):
        exchanged[shell] = mean[shell[torch.from_numpy(random.permutation(len(shell)))]]
    return exchanged[members]


def scrambled(regime: Regime) -> Regime:
    """Return a regime whose data have no solution."""
    return replace(regime, name=f"{regime.name}, scrambled", observation=ScrambledObservation(regime.observation))


@dataclass(frozen=True)
class FalseClaims:
    """The claims of a method on scrambled data.

    Attributes:
        regime, method: names of the regime that is scrambled, and of the method.
        fitted: number of data sets that the confidence was fitted on.
        n: number of scrambled data sets that the method did not solve. Crystals of few reflections, or of one kind of
            intensity, keep their solution; where the method finds it, the claim is right.
        above: number of those with a confidence above 0.5.
        highest: the highest confidence among them.
    """

    regime: str
    method: str
    fitted: int
    n: int
    above: int
    highest: float


HEADINGS = ("regime", "method", "fitted on", "scrambled data sets", f"confidence above {SURE}", "highest confidence")


def table_cells(claims: FalseClaims) -> tuple[str, ...]:
    """Return a row of a table under `HEADINGS`."""
    return (
        claims.regime,
        claims.method,
        str(claims.fitted),
        str(claims.n),
        str(claims.above),
        f"{claims.highest:.2f}",
    )


def unsolved(records: Sequence[CrystalRecord]) -> list[CrystalRecord]:
    """Return the records of scrambled data without those that kept their solution, or are too few to be judged."""
    return [record for record in records if record.counted and not record.solved]


def false_claims(regime: Regime, fitted: Sequence[CrystalRecord], found: Sequence[CrystalRecord]) -> FalseClaims:
    """State the confidence in what a method found in scrambled data.

    Args:
        regime: the regime, not scrambled.
        fitted: records on which the confidence is fitted.
        found: records of the scrambled data.
    """
    counted = unsolved(found)
    stated = Confidence(fitted)(counted)
    return FalseClaims(
        regime=regime.name,
        method=found[0].method,
        fitted=sum(record.counted for record in fitted),
        n=len(counted),
        above=int((stated > SURE).sum()),
        highest=float(stated.max(initial=0.0)),
    )
