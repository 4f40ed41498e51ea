"""Regimes of a benchmark: the reflections that are measured, and their errors."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.layout import Shape, inside_nyquist, miller_box
from phaselearn.crystal.sphere import Sphere, sphere_box
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.batch import Batch, crystals_of_batch, map_batch
from phaselearn.data.pair_maps import make_intensity, pad_atoms, pad_displacements
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.preparation.joining import joined
from phaselearn.data.preparation.observation import ObservationModel
from phaselearn.data.preparation.preparation import measured_batch
from phaselearn.data.preparation.transforms import maps_of_input
from phaselearn.data.structures import Crystal

_POINTS_OF_A_BATCH = 1 << 22  # of the boxes of a batch; bounds the memory


@dataclass(frozen=True)
class Regime:
    """A named kind of data.

    Attributes:
        name: name in the tables.
        definition: size, layout and scattering of the pairs.
        observation: limits and errors of the measurement.
        resolution: resolution in Å to which all reflections are there, on boxes as large as the crystals need; None for
            the reflections that the definition holds.
    """

    name: str
    definition: PairDefinition
    observation: ObservationModel
    resolution: float | None = None

    def fits(self, definition: PairDefinition) -> bool:
        """Whether a network trained on such pairs can read these data."""
        return self.resolution is None and all(
            getattr(self.definition, name) == getattr(definition, name)
            for name in ("size", "layout", "scattering", "b_iso", "resolution")
        )

    @property
    def reach(self) -> float | None:
        """The resolution in Å for which boxes are as large as the crystals need; None for boxes of N³."""
        return self.definition.resolution if self.resolution is None else self.resolution

    def box(self, crystals: Sequence[Crystal]) -> Shape:
        """Return n₁, n₂, n₃ of the box that holds the reflections of each of these crystals."""
        if self.reach is None:
            return self.definition.box()
        return sphere_box(np.stack([crystal.lattice for crystal in crystals]), self.reach)

    def groups(self, crystals: Sequence[Crystal], batch_size: int) -> list[list[Crystal]]:
        """Split crystals into batches, each of similar ones, so that little of it is padding."""
        ordered = sorted(crystals, key=lambda crystal: (math.prod(self.box([crystal])), len(crystal.numbers)))
        groups: list[list[Crystal]] = []
        for crystal in ordered:
            together = [*groups[-1], crystal] if groups else [crystal]
            points = len(together) * math.prod(self.box(together))
            if not groups or len(together) > batch_size or points > _POINTS_OF_A_BATCH:
                groups.append([crystal])
            else:
                groups[-1].append(crystal)
        return groups


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
    for chosen in regime.groups(crystals, batch_size):
        lattice, numbers, positions = pad_atoms(chosen)
        u_iso = pad_displacements(chosen) if regime.observation.needs_atoms else None
        seeds = [crystal_seed(crystal, seed) for crystal in chosen]
        seen = torch.tensor([crystal.prototype in seen_prototypes for crystal in chosen])
        # Each crystal is measured on its own box: what is drawn for a reflection depends on its place in the box.
        boxes = [regime.box([crystal]) for crystal in chosen]
        parts, places = [], []
        for box in dict.fromkeys(boxes):
            rows = torch.tensor([row for row, own in enumerate(boxes) if own == box])
            own_seeds = [seeds[row] for row in rows.tolist()]
            ideal = crystals_of_batch(
                lattice=lattice[rows],
                atoms=(numbers[rows], positions[rows]),
                prototype_seen=seen[rows],
                row=torch.tensor([value % (1 << 31) for value in own_seeds]),
                u_iso=None if u_iso is None else u_iso[rows],
            )
            ideal["intensity"] = _intensity(lattice[rows].float(), numbers[rows], positions[rows], regime, box)
            if regime.resolution is None and regime.definition.resolution is not None:
                ideal["observed"] = _spheres([chosen[row] for row in rows.tolist()], regime.definition.resolution)
            layout = regime.definition.layout
            parts.append(
                measured_batch(ideal, regime.observation, layout, own_seeds, preparation.transform, preparation.scaling)
            )
            places.append(rows)
        order = torch.cat(places).argsort()
        whole = joined(parts, maps_of_input(preparation.transform))
        yield chosen, whole if len(parts) == 1 else map_batch(whole, partial(torch.index_select, dim=0, index=order))


def _spheres(crystals: Sequence[Crystal], resolution: float) -> Tensor:
    """Return a bool mask (B, n₁, n₂, n₃) of the reflections down to a resolution in Å, of crystals with equal boxes."""
    return torch.stack([Sphere.of(crystal.lattice, resolution).mask for crystal in crystals])


def _intensity(lattice: Tensor, numbers: Tensor, positions: Tensor, regime: Regime, shape: Shape) -> Tensor:
    """Return the ideal intensities (B, n₁, n₂, n₃)."""
    definition = regime.definition
    if regime.resolution is None:
        return make_intensity(lattice, numbers, positions, definition, shape)
    if regime.observation.needs_atoms:  # it calculates its own
        return lattice.new_zeros((len(lattice), *shape))
    factors = structure_factors(lattice, numbers, positions, miller_box(shape), definition.scattering, definition.b_iso)
    return (factors.real.square() + factors.imag.square()) * inside_nyquist(shape)


def crystal_seed(crystal: Crystal, seed: int) -> int:
    """Return a number that depends on the crystal's id and the seed alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{crystal.id}".encode()).digest()[:7], "big")
