"""Starts: the trial phases that a search for the phases of a crystal begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from phaselearn.crystal.layout import BOX, resized
from phaselearn.crystal.observed import Observed
from phaselearn.phasing.random_phases import seeded_noise
from phaselearn.phasing.solution import Solution


@runtime_checkable
class Starts(Protocol):
    """A source of trial phases: random ones, charge flipping, a network."""

    def __call__(self, observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        """Return the trial phases of S starts of each of B crystals; those of a crystal follow one another.

        Args:
            observed: the crystals' reflections.
            crystals: (B,) a number for each crystal, its row in the store. With seed and start it determines what is
                random, so that neither the batch nor the box matters.
            seed: seed of the whole run.
            numbers: numbers of the S starts, counted from 0.

        Returns:
            FFT boxes (B · S, n₁, n₂, n₃), of which only the phases count, and the map correlation that the source
            expects, if it expects any.
        """


@dataclass(frozen=True)
class RandomStarts:
    """Random phases of a real map: the start that needs neither a method nor a network."""

    def __call__(self, observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        """Return the trial phases; see `Starts`."""
        # The noise of a crystal fills the box that its own reflections need, whatever its companions need.
        shapes = 2 * observed.largest_indices() + 2
        factors = observed.amplitude.new_zeros((len(crystals), len(numbers), *observed.shape), dtype=torch.complex64)
        for shape in shapes.unique(dim=0):
            rows = (shapes == shape).all(1).nonzero()[:, 0]
            each = [crystals[row] for row in rows.tolist() for _ in numbers]
            first, second, third = shape.tolist()
            noise = seeded_noise((first, second, third), seed, each, list(numbers) * len(rows))
            phases = torch.fft.fftn(noise.to(observed.amplitude), dim=BOX)
            factors[rows] = resized(phases, observed.shape).unflatten(0, (len(rows), len(numbers)))
        return Solution(factors.flatten(0, 1))
