"""The result of a structure determination, as it is reported."""

from __future__ import annotations

from dataclasses import dataclass, field

from phaselearn.crystal.wilson import Wilson
from phaselearn.determination.confidence import CONFIDENT, confidence
from phaselearn.determination.known_isotype import KnownIsotype
from phaselearn.measured.laue import LaueChoice
from phaselearn.measured.merging import Merged
from phaselearn.measured.reflection_data import ReflectionData
from phaselearn.structure.candidate import Candidate


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One start, and what became of it.

    Attributes:
        number: 0, 1, …
        seconds: wall seconds from the beginning of the determination to the end of this trial.
        agreement: map correlation of the two best restarts.
        r_map: R of the amplitudes of the map that keeps its highest voxels alone.
        r1: R1 of the best candidate's atoms; None where no atoms were looked for.
        space_group: symbol of the best candidate; None as above.
        confidence: probability that this candidate is right; 0 where there is none.
    """

    number: int
    seconds: float
    agreement: float
    r_map: float
    r1: float | None = None
    space_group: str | None = None
    confidence: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Determination:
    """A determination: what was measured, what was tried, and what explains the reflections best.

    Attributes:
        data: the reflections as they were read.
        laue: the Laue classes that were tried on them.
        merged: the reflections merged in the class that was chosen.
        wilson: scale and displacement.
        starts: name of what made the trial phases.
        trials: the trials in the order of time.
        candidates: the best first; empty where no atoms were found.
        isotype: the known crystal that the best candidate is isotypic with; None if there is none.
        seconds: wall seconds, without reading.
        ended: why it ended: `convinced`, `time` or `interrupted`.
        notes: lines about what is doubtful.
    """

    data: ReflectionData
    laue: LaueChoice
    merged: Merged
    wilson: Wilson
    starts: str
    trials: tuple[Trial, ...]
    candidates: tuple[Candidate, ...]
    isotype: KnownIsotype | None
    seconds: float
    ended: str
    notes: tuple[str, ...] = field(default=())

    @property
    def best(self) -> Candidate | None:
        """The best candidate; None where there is none."""
        return self.candidates[0] if self.candidates else None

    @property
    def confidence(self) -> float:
        """Calibrated probability that the best candidate is right."""
        return confidence(self.best) if self.best else 0.0

    @property
    def solved(self) -> bool:
        """Whether the confidence passes the threshold."""
        return self.confidence >= CONFIDENT
