"""From ideal pairs to a network's input and target: augmented, measured, transformed and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from phaselearn.data.batch import Batch
from phaselearn.data.preparation.augmentation import Augmentation
from phaselearn.data.preparation.joining import joined
from phaselearn.data.preparation.observation import Observation, ObservationModel
from phaselearn.data.preparation.transforms import INPUTS, SCALINGS, maps_of_input, scale_samples, transform_input
from phaselearn.errors import check_whole, choose


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Steps from a batch of ideal pairs to a network's input and target.

    What is drawn depends on the seed, the crystal and the epoch alone. The defaults are those of
    conf/data/_base.yaml.

    Attributes:
        layout: layout of the intensities, `octant`, `full` or `sphere`.
        observation: the measurement of each crystal.
        augmentation: the random changes of each crystal before it is measured.
        input_transform: transform of the intensities: `raw`, `amplitude`, `log` or `patterson`.
        input_scaling: the divisor of each transformed sample: `none`, `max`, `mean` or `deviation`.
        target_scaling: the divisor of each density, by the same words.
        seed: seed of everything that is drawn.

    Raises:
        UserError: a word is not one of these.
    """

    layout: str
    observation: ObservationModel = field(default_factory=Observation)
    augmentation: Augmentation = field(default_factory=Augmentation)
    input_transform: str = "amplitude"
    input_scaling: str = "deviation"
    target_scaling: str = "deviation"
    seed: int = 0

    def __post_init__(self) -> None:
        choose("data.input_transform", self.input_transform, INPUTS, command="phaselearn train")
        for key in ("input_scaling", "target_scaling"):
            choose(f"data.preparation.{key}", getattr(self, key), SCALINGS, command="phaselearn train")
        check_whole("data.seed", self.seed, least=0, example=1)

    @property
    def is_random(self) -> bool:
        """Whether a crystal looks different in another epoch."""
        return self.augmentation.is_random or self.observation.is_random

    @property
    def needs_atoms(self) -> bool:
        """Whether the atoms are read."""
        return self.augmentation.is_random or self.observation.needs_atoms

    def __call__(self, batch: Batch, epochs: Sequence[int]) -> Batch:
        """Prepare a batch.

        Args:
            batch: ideal pairs, see `crystals_of_batch`; where `needs_atoms` is True, with the atoms.
            epochs: B epochs, one for each crystal.

        Returns:
            The batch as it is measured, with `input` and `observed`, and with the density scaled.
        """
        seeds = [_mix(self.seed, int(row), epoch) for row, epoch in zip(batch["row"], epochs, strict=True)]
        if self.augmentation.is_random:
            batch = self.augmentation.apply(batch, self.layout, seeds)
        measured = measured_batch(batch, self.observation, self.layout, seeds, self.input_transform, self.input_scaling)
        measured["density"] = scale_samples(batch["density"], self.target_scaling)
        return measured

    def together(self, crystals: Sequence[Batch], epochs: Sequence[int]) -> Batch:
        """Prepare crystals on boxes of their own, and put them together on one box.

        Args:
            crystals: ideal pairs of one crystal each.
            epochs: an epoch for each crystal.
        """
        prepared = [self(crystal, [epoch]) for crystal, epoch in zip(crystals, epochs, strict=True)]
        return joined(prepared, {"density"} | maps_of_input(self.input_transform))


def measured_batch(
    ideal: Batch, observation: ObservationModel, layout: str, seeds: list[int], input_transform: str, input_scaling: str
) -> Batch:
    """Return a batch of ideal pairs as they are measured, with the network's `input`.

    Args:
        ideal: a batch with what the observation reads, at least `intensity` and `lattice`.
        observation: the measurement of each crystal.
        layout: layout of the intensities, `octant`, `full` or `sphere`.
        seeds: B seeds of random draws, one for each crystal.
        input_transform: transform of the intensities, see `transform_input`.
        input_scaling: scaling of the transformed intensities, see `scale_samples`.
    """
    measured = observation.apply(ideal, layout, seeds)
    measured["input"] = scale_samples(transform_input(measured["intensity"], input_transform, layout), input_scaling)
    return measured


def _mix(*numbers: int) -> int:
    """Return a seed that depends on all numbers and on their order."""
    return int(np.random.SeedSequence([number % (1 << 63) for number in numbers]).generate_state(1, np.uint64)[0])
