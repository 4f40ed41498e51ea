"""A network on atoms as a model of conf/model: told what is in the cell, it moves atoms from random positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phaselearn.crystal.cartesian import cartesian_map
from phaselearn.crystal.density import blurred_structure_factors, map_from_structure_factors
from phaselearn.crystal.layout import shape_of
from phaselearn.crystal.observed import FEWEST_REFLECTIONS, Observed
from phaselearn.data.batch import Batch
from phaselearn.errors import UserError
from phaselearn.metrics.phasing import observed_of
from phaselearn.models.atom_flow import carried, random_positions, ways_to
from phaselearn.models.atom_network import AtomNetwork
from phaselearn.models.atom_view import CellContents
from phaselearn.models.base import DensityModel
from phaselearn.phasing.reflections import ReflectionList


@dataclass(frozen=True, kw_only=True)
class AtomTraining:
    """The data that the network is trained on.

    Attributes:
        finest, coarsest: resolutions in Å; each training batch is cut at a resolution drawn between them.
        atoms: largest number of atoms of a training crystal, hydrogen not counted.
        draws: ways that are drawn of each crystal of a batch.

    Raises:
        UserError: the resolutions are not a range.
    """

    finest: float
    coarsest: float
    atoms: int
    draws: int

    def __post_init__(self) -> None:
        if not 0 < self.finest <= self.coarsest:
            raise UserError(
                f"model.training.finest={self.finest}, model.training.coarsest={self.coarsest}: resolutions in Å, the "
                "finest first, e.g. model.training.finest=1.4 model.training.coarsest=2.1"
            )


class Atoms(DensityModel):
    """Carries the atoms of a known composition from random positions to those of the crystal, by `AtomNetwork`.

    The composition is a part of the truth that the model is told; a crystallographer nearly always knows it. Hydrogen
    is left out where there are heavier atoms. The map is that of the atoms.

    Args:
        network: the network.
        training: the data that it is trained on.
        steps: steps from random positions to the crystal.
        seed: seed of the random positions and resolutions.
        options: the arguments of `DensityModel`. The loss only judges: what is trained is the velocity of atoms.
    """

    told = frozenset({"numbers"})
    undetermined = frozenset({"origin", "inversion"})
    suited = MappingProxyType({"batching": "cell"})

    def __init__(
        self, *, network: AtomNetwork, training: AtomTraining, steps: int, seed: int, **options: Any
    ) -> None:
        super().__init__(**options)
        self.network, self.training_plan, self.steps, self.seed = network, training, steps, seed

    def training_losses(self, batch: Batch) -> Tensor:
        """Return the mean square error of the velocities of each crystal in Å², (B,); 0 for too few or many atoms."""
        plan = self.training_plan
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            words = np.random.SeedSequence([self.seed, self.current_epoch, int(batch["row"][0])])
            random = np.random.default_rng(words)
            observed = observed_of(batch, self.definition).cut(random.uniform(plan.finest, plan.coarsest))
            numbers, positions = heavy_atoms(batch["numbers"], batch["positions"])
            count = (numbers > 0).sum(1)
            usable = (observed.unique_reflections() >= FEWEST_REFLECTIONS) & (count > 1) & (count <= plan.atoms)
            rows = usable.nonzero()[:, 0]
            result = observed.amplitude.new_zeros(len(observed))
            if not len(rows):
                return result + 0 * torch.stack([parameter.sum() for parameter in self.parameters()]).sum()
            rows, most = rows.repeat(plan.draws), int(count[rows].max())
            numbers, positions = numbers[rows, :most], positions[rows, :most].to(observed.amplitude)
            contents = CellContents(ReflectionList.of(observed)[rows].trimmed(), numbers)
            draws = [number // (len(rows) // plan.draws) for number in range(len(rows))]
            epochs = [self.current_epoch * plan.draws + draw for draw in draws]
            start = random_positions(most, self.seed, batch["row"][rows].tolist(), epochs).to(positions)
            ways = ways_to(positions, numbers, observed.lattice[rows], start)
            time = torch.from_numpy(random.random(len(rows), dtype=np.float32)).to(positions)
            velocity = ways.shift @ observed.lattice[rows].to(positions)
        error = self.network(contents, ways.at(time), time) - velocity
        mean = error.square().sum((1, 2)) / (3 * count[rows])
        return result.index_add(0, rows, mean / plan.draws)

    @torch.no_grad()
    def positions(self, observed: Observed, numbers: Tensor, crystals: Sequence[int], starts: Sequence[int]) -> Tensor:
        """Return fractional positions (B, A, 3) of atoms (B, A), from random ones."""
        start = random_positions(numbers.shape[1], self.seed, crystals, starts).to(observed.amplitude)
        seen = ReflectionList.of(observed.cut(self.training_plan.finest)).trimmed()
        return carried(self.network, CellContents(seen, numbers), start, self.steps)

    def forward(self, batch: Batch) -> Tensor:
        """Return the density (B, N, N, N) in electrons/Å³ of the atoms found."""
        lattice = batch["lattice"].float()
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            observed = observed_of(batch, self.definition)
        numbers, _ = heavy_atoms(batch["numbers"], batch["positions"])
        found = self.positions(observed, numbers, batch["row"].tolist(), [0] * len(numbers))
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            factors = blurred_structure_factors(lattice, numbers, found, shape_of(observed.mask), self.definition.sigma)
            synthesis = cartesian_map if self.definition.frame == "cartesian" else map_from_structure_factors
            return synthesis(factors, lattice)


def heavy_atoms(numbers: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Return atoms sorted from heavy to light, without hydrogen where there are others: (B, A) and (B, A, 3)."""
    light = (numbers == 1) & (numbers > 1).any(1, keepdim=True)
    sorted_numbers, order = (numbers * ~light).sort(dim=1, descending=True, stable=True)
    longest = max(1, int((sorted_numbers > 0).sum(1).max()))
    order = order[:, :longest]
    return sorted_numbers[:, :longest], positions.gather(1, order[..., None].expand(-1, -1, 3))
