"""From measured reflections to a structure: merged, phased again and again, and atoms looked for in the best maps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from phaselearn.crystal.judgement import with_phases_of
from phaselearn.crystal.layout import multiplied
from phaselearn.crystal.observed import Observed
from phaselearn.determination.atoms import atoms_of, factors_of
from phaselearn.determination.bounds import within_bounds
from phaselearn.determination.confidence import CONFIDENT, confidence
from phaselearn.determination.determination import Determination, Trial
from phaselearn.determination.hidden_lattice import in_primitive_axes
from phaselearn.determination.known_isotype import KnownIsotype, known_isotype
from phaselearn.determination.missed_symmetry import has_missed_symmetry, is_higher_and_fits
from phaselearn.determination.point_atoms import listed_atoms, observed_in_p1
from phaselearn.errors import UserError
from phaselearn.measured.cells import lattice_of
from phaselearn.measured.laue import choose_laue_class
from phaselearn.measured.merging import Merged, merge
from phaselearn.measured.reflection_data import ReflectionData
from phaselearn.measured.stated_symmetry import stated_group
from phaselearn.measured.twinning import look_for_twins
from phaselearn.phasing.figures_of_merit import DENSITY_SHARE, r_factor
from phaselearn.phasing.measurement import Measurement
from phaselearn.phasing.solution import Solution, TrialSolver
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.determine import determine

_BETTER_MAP = 0.005  # of R, for which atoms are looked for in a map at once
_SHORTEST_LOOK, _LONGEST_LOOK = 1.0, 20.0  # seconds for the atoms of one map


def determine_structure(
    data: ReflectionData,
    starts: TrialSolver,
    name: str,
    seconds: float,
    report: Callable[[Trial], None] = lambda trial: None,
) -> Determination:
    """Determine a structure, until its confidence passes the threshold or the time is over.

    Trial phases cost little and atoms much. So atoms are looked for where a map is better than all before it, and in
    others as long as that has taken less time than the phases. Ctrl-C ends the search; the best result is kept.

    Args:
        data: measured reflections.
        starts: make the trial phases.
        name: name of the starts in the result.
        seconds: wall seconds; the trial that is under way is finished.
        report: told of every trial.

    Raises:
        UserError: there are too few reflections for phases to be right or wrong, or the cell is too large.
    """
    began = time.monotonic()
    data, notes = within_bounds(data)
    if not len(data):
        raise UserError(f"{data.source}: no reflection is left: see that cell and file belong together")
    data, told = in_primitive_axes(data)
    notes += told
    laue = choose_laue_class(data)
    merged = merge(data, laue.chosen.laue_class.rotations)
    observed, wilson = observed_in_p1(merged, data.experiment.probe)
    observed = replace(observed, contents=listed_atoms(data.experiment.contents))
    if not bool(observed.is_judged()[0]):
        raise UserError(
            f"{data.source}: {len(merged)} unique reflections are too few for phases: give a file with more, or a "
            "higher resolution"
        )
    search = _Search(data, merged, observed, starts, began, seconds)
    ended = search.run(report)
    return Determination(
        data=data,
        laue=laue,
        merged=merged,
        wilson=wilson,
        starts=name,
        trials=tuple(search.trials),
        candidates=tuple(search.candidates),
        isotype=_isotype(search.candidates),
        seconds=time.monotonic() - began,
        ended=ended,
        notes=(*notes, *look_for_twins(merged).warnings, *_about_the_stated_group(data, search.candidates)),
    )


class _Search:
    """Trials and the best candidates so far."""

    def __init__(
        self,
        data: ReflectionData,
        merged: Merged,
        observed: Observed,
        starts: TrialSolver,
        began: float,
        seconds: float,
    ) -> None:
        self.data, self.merged, self.observed, self.starts = data, merged, observed, starts
        self.began, self.deadline = began, began + seconds
        self.trials: list[Trial] = []
        self.candidates: list[Candidate] = []
        self.confidence = 0.0
        self.lowest = float("inf")
        self.phasing, self.looking = 0.0, 0.0

    def run(self, report: Callable[[Trial], None]) -> str:
        """Try until convinced; return why the search ended."""
        try:
            while not self.trials or time.monotonic() < self.deadline:
                self.trials.append(self._tried(len(self.trials)))
                report(self.trials[-1])
                if self.confidence >= CONFIDENT:
                    return "convinced"
        except KeyboardInterrupt:
            return "interrupted"
        return "time"

    def _tried(self, number: int) -> Trial:
        start = time.monotonic()
        solution = self.starts.trial(self.observed, number)
        r_map = _map_r_factor(solution, self.observed)
        self.phasing += time.monotonic() - start
        agreement = float(solution.agreement[0]) if solution.agreement is not None else 0.0
        trial = Trial(number=number, seconds=time.monotonic() - self.began, agreement=agreement, r_map=r_map)
        if r_map > self.lowest - _BETTER_MAP and self.looking > self.phasing:
            return trial
        self.lowest = min(self.lowest, r_map)
        return self._looked_into(trial, solution)

    def _looked_into(self, trial: Trial, solution: Solution) -> Trial:
        """Look for atoms in a map, and keep them if they are the best so far."""
        start = time.monotonic()
        found = self._atoms_of(solution.factors[0], start)
        if found and (found[0].symmetry.laue_share < 1 or has_missed_symmetry(found[0])):
            # Phases of atoms are cleaner than those of a map, so they may show the symmetry that these hide.
            own = factors_of(atoms_of(found[0]), self.observed, self.data.experiment.probe)
            again = self._atoms_of(with_phases_of(self.observed.amplitude, own)[0], start)
            found = again if is_higher_and_fits(again, found) else max(found, again, key=_confidence)
        self.looking += time.monotonic() - start
        if not found:
            return replace(trial, seconds=time.monotonic() - self.began)
        sure = _confidence(found)
        if not self.candidates or sure > self.confidence:
            self.candidates, self.confidence = found, sure
        return replace(
            trial,
            seconds=time.monotonic() - self.began,
            r1=found[0].fit.r1,
            space_group=found[0].space_group.symbol,
            confidence=sure,
        )

    def _atoms_of(self, factors: torch.Tensor, start: float) -> list[Candidate]:
        """Return structures in phased factors; the look began at `start` and has its time in all."""
        left = min(start + _LONGEST_LOOK, self.deadline) - time.monotonic()
        return determine(
            factors, self.merged, self.data.experiment, unmerged=self.data, seconds=max(_SHORTEST_LOOK, left)
        )


def _about_the_stated_group(data: ReflectionData, candidates: list[Candidate]) -> tuple[str, ...]:
    stated = stated_group(data.experiment.operations)
    if stated is None or not candidates or candidates[0].space_group.number == stated.number:
        return ()
    found = candidates[0].space_group.symbol
    return (f"space group {stated.xhm()} is stated, and {found} explains the intensities best",)


def _isotype(candidates: list[Candidate]) -> KnownIsotype | None:
    """Return the known crystal that the best candidate is isotypic with."""
    if not candidates:
        return None
    try:
        return known_isotype(atoms_of(candidates[0]), lattice_of(candidates[0].cell))
    except (KeyboardInterrupt, Exception):  # a name is not worth the structure that was found
        return None


def _confidence(candidates: list[Candidate]) -> float:
    return confidence(candidates[0]) if candidates else 0.0


def _map_r_factor(solution: Solution, observed: Observed) -> float:
    """Return R of the map that keeps its highest voxels alone."""
    fine = Measurement.of(observed, multiplied(observed.shape, 2))
    return float(r_factor(fine.phased(solution.factors), fine, DENSITY_SHARE)[0])
