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

from phaselearn.benchmark.crystals import digest
from phaselearn.benchmark.records import Attempt, CrystalRecord, read_records, write_records
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
from phaselearn.phasing.solution import Solution, Solver, Stage, StagedSolver
from phaselearn.progress import track
from phaselearn.report.training_set import TrainingSet


@dataclass(frozen=True)
class Timed:
    """A stage of a search, and its time.

    Attributes:
        stage: the best phases so far.
        seconds: (B,) each crystal's share of the time so far: processor time of all cores together, or wall time with a
            GPU.
    """

    stage: Stage
    seconds: Tensor

    @classmethod
    def only(cls, solution: Solution, seconds: float) -> Timed:
        """Return the one stage of a method without starts; the crystals share the time of the batch."""
        count = len(solution.factors)
        return cls(Stage(1, solution, torch.ones(count, dtype=torch.bool)), torch.full((count,), seconds / count))


class Contender(Protocol):
    """A method in the benchmark."""

    @property
    def name(self) -> str:
        """The method's name in the tables."""

    @property
    def preparation(self) -> InputPreparation:
        """The preparation of its input."""

    @property
    def training(self) -> TrainingSet | None:
        """The crystals that it was trained on; None for a method that was not trained, or trained by us."""

    @property
    def identity(self) -> str:
        """A text that changes whenever the results may."""

    def fits(self, regime: Regime) -> bool:
        """Whether the method can read the regime's data."""

    def run(self, batch: Batch, regime: Regime) -> list[Timed]:
        """Phase a batch; the last stage is the result."""


@dataclass(frozen=True)
class ModelContender:
    """A `DensityModel`, trained or without parameters.

    Attributes:
        name: name in the tables.
        build: returns the model for a definition of the pairs.
        definition: the only definition that the model can read; None if it reads any.
        preparation: preparation of its input.
        training: the crystals that it was trained on; None for a method that was not trained, or trained by us.
        identity: a text that changes whenever the results may.
        device: device that it runs on, such as `cpu`.
    """

    name: str
    build: Callable[[PairDefinition], DensityModel]
    definition: PairDefinition | None
    preparation: InputPreparation
    training: TrainingSet | None
    identity: str
    device: str

    def fits(self, regime: Regime) -> bool:
        """Whether the grid and the layout are those that the model was trained on."""
        return self.definition is None or regime.fits(self.definition)

    def run(self, batch: Batch, regime: Regime) -> list[Timed]:
        """Phase a batch; the last stage is the result."""
        model = self.build(self.definition or regime.definition).eval().to(self.device)
        batch = map_batch(batch, lambda values: values.to(self.device))
        with torch.no_grad():
            if isinstance(model, StagedSolver):
                return self._timed(model.stages(observed_of(batch, model.definition), batch["row"].tolist()))
            start = self._clock()
            if isinstance(model, Solver):
                solution = model.solve(observed_of(batch, model.definition), batch["row"].tolist())
            else:
                density = model(batch)
                solution = Solution(predicted_factors(density, batch, model.definition))
        return [Timed.only(solution, self._clock() - start)]

    def _timed(self, stages: Iterator[Stage]) -> list[Timed]:
        """Run a search, and share the time of each stage among the crystals that took part."""
        timed: list[Timed] = []
        start = self._clock()
        for stage in stages:
            ran = stage.ran.float().cpu()
            share = (self._clock() - start) / ran.sum() * ran
            timed.append(Timed(stage, timed[-1].seconds + share if timed else share))
            start = self._clock()
        return timed

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
    seen = seen_prototypes if contender.training is None else contender.training.prototypes
    # The key makes the name unique. A run folder may have a longer name than a file can.
    name = f"{contender.name[:100]}_{regime.name}_{_key(contender, regime, crystals, seen, settings)}.csv"
    path = settings.folder / name
    if path.exists():
        return read_records(path)
    records: list[CrystalRecord] = []
    parts = batches(crystals, regime, contender.preparation, seen, settings.batch_size, settings.seed)
    count = len(regime.groups(crystals, settings.batch_size))
    for chosen, batch in track(parts, f"{contender.name} {regime.name}", count):
        records += _judged(contender, regime, chosen, batch)
    write_records(path, records, exact=True)
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
        "regime": [regime.definition.as_dict(), repr(regime.observation), regime.resolution],
        "crystals": digest(crystals),
        "seen": sorted(seen),
        "batch_size": settings.batch_size,
        "seed": settings.seed,
        "columns": [field.name for field in fields(CrystalRecord)],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def _judged(contender: Contender, regime: Regime, crystals: Sequence[Crystal], batch: Batch) -> Iterator[CrystalRecord]:
    timed = contender.run(batch, regime)
    solution = timed[-1].stage.solution
    factors = solution.factors.cpu()
    observed = observed_of(batch, regime.definition)

    def judged(factors: Tensor, rows: Tensor) -> Judgement:
        scattering = scattering_of(batch, regime.definition)[rows]
        return judge(factors[rows], observed[rows], batch["numbers"][rows], batch["positions"][rows], scattering)[0]

    judgement = judged(factors, torch.arange(len(factors)))
    attempts = _attempts(timed, judgement.solved, judged)
    values = _values(judgement) | {
        name: figure.tolist() for name, figure in (figures_of(factors, observed) | _own(solution)).items()
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
            seconds=float(timed[-1].seconds[place]),
            attempts=attempts[place],
            **{name: column[place] for name, column in values.items()},
        )


def _attempts(
    timed: Sequence[Timed], solved: Tensor, judged: Callable[[Tensor, Tensor], Judgement]
) -> list[tuple[Attempt, ...]]:
    """Return the states of the search of each crystal; only results that changed are judged."""
    attempts: list[list[Attempt]] = [[] for _ in solved]
    for each, later in zip(timed, (*timed[1:], None), strict=True):
        ran = each.stage.ran.cpu()
        # The last state of a crystal is its result, which is judged already.
        goes_on = later.stage.ran.cpu() if later is not None else torch.zeros_like(ran)
        right = solved.clone()
        rows = (ran & goes_on).nonzero()[:, 0]
        if len(rows):
            right[rows] = judged(each.stage.solution.factors.cpu(), rows).solved
        for row in ran.nonzero()[:, 0].tolist():
            attempts[row].append(Attempt(each.stage.starts, float(each.seconds[row]), bool(right[row])))
    return [tuple(states) for states in attempts]


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
