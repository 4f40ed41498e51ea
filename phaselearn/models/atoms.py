"""A network on atoms as a model of conf/model: told what is in the cell, it moves atoms from random positions."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.cartesian import cartesian_map
from phaselearn.crystal.density import blurred_structure_factors, map_from_structure_factors
from phaselearn.crystal.layout import shape_of
from phaselearn.crystal.observed import FEWEST_REFLECTIONS
from phaselearn.data.batch import Batch
from phaselearn.errors import UserError
from phaselearn.metrics.phasing import observed_of
from phaselearn.models.atom_network import AtomNetwork
from phaselearn.models.atom_view import CellContents
from phaselearn.models.base import DensityModel
from phaselearn.models.nearest_equivalent import way_to
from phaselearn.phasing.composition import heaviest_atoms
from phaselearn.phasing.random_atoms import random_positions
from phaselearn.phasing.reflections import ReflectionList


@dataclass(frozen=True, kw_only=True)
class AtomTraining:
    """The data that the network is trained on.

    Attributes:
        finest, coarsest: resolutions in Å; each training batch is cut at a resolution drawn between them.
        atoms: largest number of atoms of a training crystal, hydrogen not counted.
        begun: share of the crystals whose atoms begin somewhere on the way to the crystal; others begin at random.
        ahead: largest number of steps that the network makes before those that are trained.
        steps: number of steps that are trained.

    Raises:
        UserError: the resolutions are not a range, or another number is out of its range.
    """

    finest: float
    coarsest: float
    atoms: int
    begun: float
    ahead: int
    steps: int

    def __post_init__(self) -> None:
        if not 0 < self.finest <= self.coarsest:
            raise UserError(
                f"model.training.finest={self.finest}, model.training.coarsest={self.coarsest}: resolutions in Å, the "
                "finest first, e.g. model.training.finest=1.4 model.training.coarsest=2.1"
            )
        if self.atoms < 2 or not 0 <= self.begun <= 1 or self.ahead < 0 or self.steps < 1:
            raise UserError(
                f"model.training.atoms={self.atoms}, begun={self.begun}, ahead={self.ahead}, steps={self.steps}: at "
                "least 2 atoms, a share from 0 to 1, steps ahead from 0 and steps from 1 are allowed, e.g. "
                "model.training.steps=3"
            )


class Atoms(DensityModel):
    """Moves the atoms of a known composition from random positions to those of the crystal, by `AtomNetwork`.

    The composition is a part of the truth that the model is told; a crystallographer nearly always knows it. Hydrogen
    is left out where there are heavier atoms. The map is that of the atoms.

    Args:
        network: the network.
        training: the data that it is trained on.
        steps: steps from random positions to the crystal.
        seed: seed of the random positions and resolutions.
        options: the arguments of `DensityModel`. The loss only judges: what is trained are the moves of atoms.

    Raises:
        UserError: the number of steps is negative.
    """

    told = frozenset({"numbers"})
    undetermined = frozenset({"origin", "inversion"})
    suited = MappingProxyType({"batching": "cell"})

    def __init__(self, *, network: AtomNetwork, training: AtomTraining, steps: int, seed: int, **options: Any) -> None:
        super().__init__(**options)
        if steps < 0:
            raise UserError(f"model.steps={steps}: steps from 0 are allowed, e.g. model.steps=12")
        self.network, self.training_plan, self.steps, self.seed = network, training, steps, seed

    def training_losses(self, batch: Batch) -> Tensor:
        """Return the mean square error of the moves of each crystal in Å², (B,); 0 for too few or many atoms.

        Targets are the ways from where the network itself has brought the atoms, so it learns to correct itself.
        """
        plan = self.training_plan
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            words = np.random.SeedSequence([self.seed, self.current_epoch, int(batch["row"][0])])
            random = np.random.default_rng(words)
            observed = observed_of(batch, self.definition).cut(random.uniform(plan.finest, plan.coarsest))
            numbers, place = heaviest_atoms(batch["numbers"])
            positions = batch["positions"].gather(1, place[..., None].expand(-1, -1, 3))
            count = (numbers > 0).sum(1)
            usable = (observed.unique_reflections() >= FEWEST_REFLECTIONS) & (count > 1) & (count <= plan.atoms)
            rows = usable.nonzero()[:, 0]
            result = observed.amplitude.new_zeros(len(observed))
            if not len(rows):
                return result + 0 * torch.stack([parameter.sum() for parameter in self.parameters()]).sum()
            most = int(count[rows].max())
            numbers, positions = numbers[rows, :most], positions[rows, :most].to(observed.amplitude)
            observed = observed[rows]
            contents = CellContents(ReflectionList.of(observed).trimmed(), numbers)
            named, epochs = batch["row"][rows].tolist(), [self.current_epoch] * len(rows)
            position = random_positions(most, self.seed, named, epochs).to(positions)
            way = way_to(positions, numbers, observed.lattice, position)
            done = random.random(len(rows)) * (random.random(len(rows)) < plan.begun)
            position = position + way * torch.from_numpy(done).to(position)[:, None, None]
        with torch.no_grad():
            for _ in range(random.integers(plan.ahead + 1)):
                position = self.network.after(contents, position, self.network(contents, position))
        errors = []
        for _ in range(plan.steps):
            aim = way_to(positions, numbers, observed.lattice, position) @ observed.lattice.to(position)
            moves = self.network(contents, position)
            errors.append((moves - aim).square().sum((1, 2)))
            position = self.network.after(contents, position, moves.detach())
        return result.index_add(0, rows, torch.stack(errors).mean(0) / (3 * count[rows]))

    def forward(self, batch: Batch) -> Tensor:
        """Return the density (B, N, N, N) in electrons/Å³ of the atoms found."""
        lattice = batch["lattice"].float()
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            observed = observed_of(batch, self.definition)
        numbers, _ = heaviest_atoms(batch["numbers"])
        start = random_positions(numbers.shape[1], self.seed, batch["row"].tolist(), [0] * len(numbers))
        seen = observed.cut(self.training_plan.finest)
        found = self.network.place(seen, numbers, start.to(seen.amplitude), self.steps)
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            factors = blurred_structure_factors(lattice, numbers, found, shape_of(observed.mask), self.definition.sigma)
            synthesis = cartesian_map if self.definition.frame == "cartesian" else map_from_structure_factors
            return synthesis(factors, lattice)
