"""A trained network that phases crystals: each is measured, prepared as the network reads it, predicted and judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from phaselearn.benchmark.regimes import InputPreparation, Regime, batches
from phaselearn.crystal.density import interpolated
from phaselearn.data.batch import map_batch
from phaselearn.data.structures import Crystal
from phaselearn.files import file_stem
from phaselearn.metrics.phasing import superimposed
from phaselearn.models.base import DensityModel
from phaselearn.report.volumes import write_ccp4


@dataclass(frozen=True)
class Prediction:
    """The density that a network predicts for a crystal, and how good its phases are.

    Attributes:
        crystal: the crystal.
        density: density (n₁, n₂, n₃) float32 of the unit cell, voxel (i, j, k) at (i/n₁, j/n₂, k/n₃). It is moved to
            the origin and hand of the crystal, which |F| leaves open. Its scale is the network's.
        correlation: map correlation CC.
        floor: map correlation CC₀ of the map with all phases zero.
        gain: (CC − CC₀)/(1 − CC₀).
        phase_error: amplitude-weighted mean phase error in degrees.
        solved: whether CC ≥ 0.90.
        judged: whether there are enough reflections to judge; if not, the five figures mean nothing.
    """

    crystal: Crystal
    density: np.ndarray
    correlation: float
    floor: float
    gain: float
    phase_error: float
    solved: bool
    judged: bool

    @property
    def map_name(self) -> str:
        """The name of its map file, which no other crystal of any source shares."""
        crystal = self.crystal
        stem = file_stem(f"{crystal.formula}_{crystal.id}", crystal.lattice.tobytes(), crystal.positions.tobytes())
        return f"{stem}.ccp4"

    def write_map(self, path: str | Path) -> None:
        """Write the density as a CCP4 map, which VESTA, ChimeraX, Coot and PyMOL read."""
        write_ccp4(Path(path), self.density, self.crystal.lattice)


@dataclass(frozen=True)
class Predictor:
    """A network with all that it takes to apply it to crystals.

    Attributes:
        model: the trained network.
        regime: the pairs that it reads, and the measurement of the crystals.
        preparation: preparation of its input.
        seed: seed of noise, missing reflections and starting phases. They depend on it and on a crystal's id alone.
        batch_size: number of crystals that are predicted together.
        device: device that it runs on, such as `cpu`.
    """

    model: DensityModel
    regime: Regime
    preparation: InputPreparation
    seed: int = 0
    batch_size: int = 32
    device: str = "cpu"

    def predictions(self, crystals: Iterable[Crystal]) -> Iterator[Prediction]:
        """Yield the predictions of crystals, in their order."""
        crystals = iter(crystals)
        while block := list(islice(crystals, self.batch_size)):
            yield from self._predicted(block)

    @torch.inference_mode()
    def _predicted(self, crystals: Sequence[Crystal]) -> list[Prediction]:
        model = self.model.eval().to(self.device)
        found: dict[int, Prediction] = {}
        prepared = batches(crystals, self.regime, self.preparation, frozenset(), self.batch_size, self.seed)
        for chosen, batch in prepared:
            batch = map_batch(batch, lambda values: values.to(self.device))
            judgement, maps = superimposed(model(batch), batch, model.definition)
            maps = maps.float().cpu()
            columns = {name: values.tolist() for name, values in judgement.as_dict().items()}
            for place, crystal in enumerate(chosen):
                found[id(crystal)] = Prediction(
                    crystal=crystal,
                    density=interpolated(maps[place, None], self.regime.box([crystal]))[0].numpy(),
                    correlation=columns["correlation"][place],
                    floor=columns["floor"][place],
                    gain=columns["gain"][place],
                    phase_error=columns["phase_error"][place],
                    solved=columns["solved"][place],
                    judged=columns["counted"][place],
                )
        return [found[id(crystal)] for crystal in crystals]
