"""From phased structure factors of P1 to ranked structures."""

from __future__ import annotations

import math
import string
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from phaselearn.measured.cells import lattice_of
from phaselearn.measured.merging import Merged
from phaselearn.measured.reflection_data import Experiment, ReflectionData
from phaselearn.measured.stated_symmetry import stated_group
from phaselearn.structure.asymmetric_unit import SitePeak, site_peaks
from phaselearn.structure.calculated import Calculator
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.completion import Completion
from phaselearn.structure.composition import Composition
from phaselearn.structure.hand import hand_of
from phaselearn.structure.phased import PhasedFactors
from phaselearn.structure.ranking import ranked
from phaselearn.structure.reflections import Reflections, laue_rotations
from phaselearn.structure.solved import Solved
from phaselearn.structure.space_groups import Hypothesis, hypotheses

_SPACING = 0.25  # Å, of voxels of the map whose peaks are atoms
_LAST_CYCLES = 15
_PEAKS = 1.6  # looked for, for each atom expected
_ATOM_VOLUME = 9.0  # Å³, least one where nothing is stated
_MOST_PEAKS = 1200
_USUAL_VOLUME = 18.0  # Å³ of an atom where nothing is stated
_CYCLES = 40  # of least squares in a group
_PRODUCTS_A_SECOND = 2e9  # that one core adds up
_SECONDS = 60.0
# Figures from which on lower groups are tried, whether their phases agree better or not.
_DOUBTFUL, _DOUBTFUL_FOR_TRIVIAL = 0.08, 0.15
_UNEXPLAINED = 2.0  # goodness of fit, the same for groups of the same Laue class: σ says that the data are better
# A figure from which on the stated numbers of atoms are doubted, and how much better it must be without them.
_UNFIT, _BETTER = 0.25, 0.7
_COMPLETE = 0.85  # share of the stated atoms, below which the numbers are doubted, too
_NOTABLE = 0.05  # more agreement, for which a lower group is tried anyway
_EXPLAINED = 0.03  # unless the figure is as low as this


def determine(
    factors: torch.Tensor,
    merged: Merged,
    experiment: Experiment,
    *,
    unmerged: ReflectionData | None = None,
    seconds: float | None = None,
) -> list[Candidate]:
    """Find space group and atoms.

    Args:
        factors: FFT box (n₁, n₂, n₃) of phased structure factors of P1, Hermitian, about any origin and of either
            hand; amplitudes as of atoms that are nearly points.
        merged: intensities with the rotations of their Laue group.
        experiment: cell, contents, probe and wavelength, and the stated operations, whose space group is tried whatever
            the phases say.
        unmerged: reflections as listed, Friedel mates apart, for the hand; None where they are not known.
        seconds: wall seconds after which no further group and no further change is tried; None for 60.

    Returns:
        The candidates, the best first; none where no map shows an atom.
    """
    deadline = time.monotonic() + (_SECONDS if seconds is None else seconds)
    cell, probe = experiment.cell, experiment.probe
    lattice = lattice_of(cell)
    phased = PhasedFactors.of_box(factors)
    if not len(phased.hkl):
        return []
    composition = Composition.of(experiment.contents, abs(float(np.linalg.det(lattice))), probe)
    search = _Search(phased, merged, lattice, composition, probe, experiment.wavelength, deadline)
    stated = stated_group(experiment.operations)
    trials = hypotheses(phased, merged, lattice, stated.number if stated is not None else None)
    candidates = []
    for name, each in zip(string.ascii_lowercase, ranked(search.run(trials)), strict=False):
        hand = hand_of(each.refined, each.calculator, unmerged, lattice) if unmerged is not None else None
        if hand is not None and hand.is_wrong:
            each, hand = each.turned(lattice), hand.of_the_other
        candidates.append(each.as_candidate(name, cell, composition, hand))
    return candidates


@dataclass(frozen=True, eq=False)
class _Search:
    """The input of a search through space groups."""

    phased: PhasedFactors
    merged: Merged
    lattice: NDArray[np.float64]
    composition: Composition
    probe: str
    wavelength: float | None
    deadline: float

    def run(self, trials: list[Hypothesis]) -> list[Solved]:
        """Return the structures in the groups that were worth a trial.

        Where a lower group was needed, groups between it and those that failed get their turn, too.
        """
        solved: list[Solved] = []
        skipped = []
        for trial in trials:
            if solved and (not self._has_time_for(trial) or not _is_worth_trying(trial, solved)):
                skipped.append(trial)
            else:
                solved += self._structures(trial)
        for trial in skipped:
            is_between = bool(solved) and trial.group.order > ranked(solved)[0].hypothesis.group.order
            if is_between and self._has_time_for(trial):
                solved += self._structures(trial)
        return solved

    def _has_time_for(self, trial: Hypothesis) -> bool:
        """Return whether least squares in a group, whose work grows with the cube of the atoms, end in time."""
        group, volume = trial.group, abs(float(np.linalg.det(self.lattice)))
        parameters = 4 * (self.composition.atoms() or volume / _USUAL_VOLUME) / group.order
        reflections = len(self.phased.hkl) / len(laue_rotations(group))
        seconds = _CYCLES * reflections * parameters**2 / _PRODUCTS_A_SECOND
        return time.monotonic() + seconds < self.deadline

    def _structures(self, hypothesis: Hypothesis) -> list[Solved]:
        """Return the structure in a group, by the stated numbers of atoms or, where these do not fit, without them."""
        reflections = Reflections.of(self.merged, hypothesis.group, self.lattice)
        if not len(reflections):
            return []
        calculator = Calculator(reflections, hypothesis.group, self.probe, self.wavelength)
        completion = Completion(calculator, self.lattice, self.composition, self.deadline)
        peaks = _peaks(self.phased, hypothesis, self.lattice, completion)
        found = _solved(hypothesis, completion, peaks, self.composition)
        if self.composition.budget and (found is None or not found.fits):
            completion = Completion(calculator, self.lattice, self.composition.without_numbers(), self.deadline)
            other = _solved(hypothesis, completion, peaks, self.composition)
            if other is not None and (found is None or other.figure < _BETTER * found.figure):
                found = other
        return [] if found is None else [found]


def _solved(
    hypothesis: Hypothesis, completion: Completion, peaks: list[SitePeak], stated: Composition
) -> Solved | None:
    first = completion.begun(peaks)
    if first is None:
        return None
    calculator = completion.calculator
    refined = completion.refined(completion.completed(first).model, _LAST_CYCLES)
    share = stated.share_of(refined.model.contents())
    figure = completion.figure(refined) * (2 - share)
    fits = figure < _UNFIT and share > _COMPLETE and not completion.is_short(refined)
    return Solved(hypothesis, calculator, refined, figure, fits)


def _peaks(
    phased: PhasedFactors, hypothesis: Hypothesis, lattice: NDArray[np.float64], completion: Completion
) -> list[SitePeak]:
    volume = abs(float(np.linalg.det(lattice)))
    averaged = phased.moved(hypothesis.origin).averaged(hypothesis.group)
    density = averaged.density(volume, (_SPACING / np.linalg.norm(lattice, axis=1)).tolist())
    expected = completion.composition.atoms() or volume / _ATOM_VOLUME
    count = min(math.ceil(_PEAKS * expected) + 20, _MOST_PEAKS)
    return site_peaks(density, hypothesis.group, lattice, replace(completion.search, count=count))


def _is_worth_trying(hypothesis: Hypothesis, solved: list[Solved]) -> bool:
    """Return whether a lower group may be better than what is solved already."""
    best = ranked(solved)[0]
    if not best.fits:
        return True
    if len(hypothesis.group.primitive) == 1:
        return best.figure > _DOUBTFUL_FOR_TRIVIAL
    gain = hypothesis.evidence.agreement - best.hypothesis.evidence.agreement
    # Displacements that are not isotropic raise the goodness of fit, too, and then a lower class fits better by chance.
    keeps_class = hypothesis.evidence.laue_share == 1
    is_rival = hypothesis.group.order == best.hypothesis.group.order
    is_doubtful = best.figure > _DOUBTFUL or (keeps_class and best.refined.goodness > _UNEXPLAINED)
    return is_rival or is_doubtful or (gain > _NOTABLE and best.figure > _EXPLAINED)
