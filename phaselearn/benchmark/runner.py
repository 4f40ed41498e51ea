"""Run a method on the crystals of a regime and judge it, unless its records exist already."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from phaselearn.benchmark.records import CrystalRecord, read_records, write_records
from phaselearn.benchmark.regimes import InputPreparation, Regime, batches
from phaselearn.crystal.judgement import Judgement, judge
from phaselearn.crystal.lattice import volume
from phaselearn.crystal.layout import multiplied
from phaselearn.crystal.observed import Observed
from phaselearn.data.batch import Batch, map_batch
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.structures import Crystal
from phaselearn.metrics.phasing import observed_of, predicted_factors, scattering_of
from phaselearn.models.base import DensityModel
from phaselearn.phasing.figures_of_merit import DENSITY_SHARE, inversion, peakiness, r_factor, skewness
from phaselearn.phasing.map_symmetry import symmetry_agreement
from phaselearn.phasing.measurement import Measurement, map_of
from phaselearn.phasing.solution import Solution, Solver
from phaselearn.progress import track


@dataclass(frozen=True)
class Outcome:
    """The result of a method on a batch.

    Attributes:
        solution: phases, and the method's own figures of merit.
        seconds: time of the whole batch: processor time of all cores together, or wall time with a GPU.
    """

    solution: Solution
    seconds: float


class Contender(Protocol):
    """A method in the benchmark."""

    @property
    def name(self) -> str:
        """The method's name in the tables."""

    @property
    def preparation(self) -> InputPreparation:
        """The preparation of its input."""

    @property
    def seen_prototypes(self) -> frozenset[str] | None:
        """The structure types of its training set; None for a method that was not trained."""

    @property
    def identity(self) -> str:
        """A text that changes whenever the results may."""

    def fits(self, regime: Regime) -> bool:
        """Whether the method can read the regime's data."""

    def run(self, batch: Batch, regime: Regime) -> Outcome:
        """Phase a batch."""


@dataclass(frozen=True)
class ModelContender:
    """A `DensityModel`, trained or without parameters.

    Attributes:
        name: name in the tables.
        build: returns the model for a definition of the pairs.
        definition: the only definition that the model can read; None if it reads any.
        preparation: preparation of its input.
        seen_prototypes: structure types of its training set; None for a method that was not trained.
        identity: a text that changes whenever the results may.
        device: device that it runs on, such as `cpu`.
    """

    name: str
    build: Callable[[PairDefinition], DensityModel]
    definition: PairDefinition | None
    preparation: InputPreparation
    seen_prototypes: frozenset[str] | None
    identity: str
    device: str

    def fits(self, regime: Regime) -> bool:
        """Whether the grid and the layout are those that the model was trained on."""
        return self.definition is None or regime.fits(self.definition)

    def run(self, batch: Batch, regime: Regime) -> Outcome:
        """Phase a batch."""
        model = self.build(self.definition or regime.definition).eval().to(self.device)
        batch = map_batch(batch, lambda values: values.to(self.device))
        start = self._clock()
        with torch.no_grad():
            if isinstance(model, Solver):
                solution = model.solve(observed_of(batch, model.definition), batch["row"].tolist())
            else:
                density = model(batch)
                solution = Solution(predicted_factors(density, batch, model.definition))
        return Outcome(solution, self._clock() - start)

    def _clock(self) -> float:
        """Return the processor time of all cores, which other programs do not affect; with a GPU, the wall time."""
        if not self.device.startswith("cuda"):
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()


@dataclass(frozen=True)
class RunSettings:
    """Settings of all runs.

    Attributes:
        folder: folder of the records.
        batch_size: number of crystals in a batch.
        seed: seed of noise, missing reflections and starting phases.
    """

    folder: Path
    batch_size: int
    seed: int


def run_contender(
    contender: Contender,
    regime: Regime,
    crystals: Sequence[Crystal],
    seen_prototypes: frozenset[str],
    settings: RunSettings,
) -> list[CrystalRecord]:
    """Return the records of a method in a regime; they are read from their file if they were computed before."""
    seen = seen_prototypes if contender.seen_prototypes is None else contender.seen_prototypes
    # The key makes the name unique. A run folder may have a longer name than a file can.
    name = f"{contender.name[:100]}_{regime.name}_{_key(contender, regime, crystals, seen, settings)}.csv"
    path = settings.folder / name
    if path.exists():
        return read_records(path)
    records: list[CrystalRecord] = []
    # Crystals of similar size share a batch, so that little of it is padding.
    ordered = sorted(crystals, key=lambda crystal: len(crystal.numbers))
    parts = batches(ordered, regime, contender.preparation, seen, settings.batch_size, settings.seed)
    count = -(-len(ordered) // settings.batch_size)
    for chosen, batch in track(parts, f"{contender.name} {regime.name}", count):
        records += _judged(contender, regime, chosen, batch)
    write_records(path, records)
    return records


def _key(
    contender: Contender,
    regime: Regime,
    crystals: Sequence[Crystal],
    seen: frozenset[str],
    settings: RunSettings,
) -> str:
    facts = {
        "contender": contender.identity,
        "regime": [regime.definition.as_dict(), repr(regime.observation)],
        "crystals": sorted(crystal.id for crystal in crystals),
        "seen": sorted(seen),
        "batch_size": settings.batch_size,
        "seed": settings.seed,
        "columns": [field.name for field in fields(CrystalRecord)],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def _judged(contender: Contender, regime: Regime, crystals: Sequence[Crystal], batch: Batch) -> Iterator[CrystalRecord]:
    outcome = contender.run(batch, regime)
    factors = outcome.solution.factors.cpu()
    observed = observed_of(batch, regime.definition)
    scattering = scattering_of(batch, regime.definition)
    judgement, _ = judge(factors, observed, batch["numbers"], batch["positions"], scattering)
    values = _values(judgement) | {
        name: figure.tolist() for name, figure in (figures_of(factors, observed) | _own(outcome.solution)).items()
    }
    for place, crystal in enumerate(crystals):
        yield CrystalRecord(
            method=contender.name,
            regime=regime.name,
            id=crystal.id,
            formula=crystal.formula,
            prototype=crystal.prototype,
            space_group=crystal.space_group,
            atoms=len(crystal.numbers),
            prototype_seen=bool(batch["prototype_seen"][place]),
            seconds=outcome.seconds / len(crystals),
            **{name: column[place] for name, column in values.items()},
        )


def _values(judgement: Judgement) -> dict[str, list[float | bool]]:
    columns = {name: tensor.tolist() for name, tensor in judgement.as_dict().items()}
    return columns | {"strict": [value > 0.5 for value in columns["strict"]]}


def _own(solution: Solution) -> dict[str, Tensor]:
    missing = torch.full((len(solution.factors),), torch.nan)
    own = {name: getattr(solution, name) for name in ("agreement", "cycles", "expected_correlation")}
    return {name: missing if figure is None else figure.float().cpu() for name, figure in own.items()}


def figures_of(factors: Tensor, observed: Observed) -> dict[str, Tensor]:
    """Return the figures of merit (B,) of the measured amplitudes with the phases of FFT boxes, without the truth."""
    measurement = Measurement.of(observed, multiplied(observed.shape, 2))
    phased = measurement.phased(factors)
    density = map_of(phased)
    return {
        "reflections": observed.unique_reflections(),
        "volume": volume(observed.lattice),
        "r_factor": r_factor(phased, measurement, DENSITY_SHARE),
        "skewness": skewness(density),
        "peakiness": peakiness(density),
        "symmetry": symmetry_agreement(factors, observed),
        "inversion": inversion(phased),
    }
