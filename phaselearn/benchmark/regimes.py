"""Regimes of a benchmark: the reflections that are measured, and their errors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from phaselearn.data.batch import Batch, ideal_batch
from phaselearn.data.pairs import PairDefinition, make_intensity, pad_atoms
from phaselearn.data.preparation.observation import ObservationModel
from phaselearn.data.preparation.preparation import measured_batch
from phaselearn.data.structures import Crystal


@dataclass(frozen=True)
class Regime:
    """A named kind of data.

    Attributes:
        name: name in the tables.
        definition: size, layout and scattering of the pairs.
        observation: limits and errors of the measurement.
    """

    name: str
    definition: PairDefinition
    observation: ObservationModel

    def fits(self, definition: PairDefinition) -> bool:
        """Whether a network trained on such pairs can read these data."""
        return all(
            getattr(self.definition, name) == getattr(definition, name)
            for name in ("size", "layout", "scattering", "b_iso")
        )


@dataclass(frozen=True)
class InputPreparation:
    """The form of the intensities that a network reads, by the names of `phaselearn.data.preparation.transforms`."""

    transform: str = "amplitude"
    scaling: str = "deviation"


def batches(
    crystals: Sequence[Crystal],
    regime: Regime,
    preparation: InputPreparation,
    seen_prototypes: frozenset[str],
    batch_size: int,
    seed: int,
) -> Iterator[tuple[list[Crystal], Batch]]:
    """Yield crystals and their batch, which has no target density.

    Noise and missing reflections depend on the seed and on the id of a crystal alone. So every method gets the same
    |F|, whatever its batch size.
    """
    for start in range(0, len(crystals), batch_size):
        chosen = list(crystals[start : start + batch_size])
        lattice, numbers, positions = pad_atoms(chosen)
        definition = regime.definition
        seeds = [crystal_seed(crystal, seed) for crystal in chosen]
        ideal = ideal_batch(
            intensity=make_intensity(lattice.float(), numbers, positions, definition),
            density=None,
            lattice=lattice,
            atoms=(numbers, positions),
            prototype_seen=torch.tensor([crystal.prototype in seen_prototypes for crystal in chosen]),
            row=torch.tensor([value % (1 << 31) for value in seeds]),
        )
        measured = measured_batch(
            ideal, regime.observation, definition.layout, seeds, preparation.transform, preparation.scaling
        )
        yield chosen, measured


def crystal_seed(crystal: Crystal, seed: int) -> int:
    """Return a number that depends on the crystal's id and the seed alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{crystal.id}".encode()).digest()[:7], "big")
