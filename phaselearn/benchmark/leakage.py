"""Overlap of the training and test sets: formulas, structure types and near-duplicate |F|."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phaselearn.benchmark.fingerprints import alike, fingerprints
from phaselearn.data.structures import Crystal
from phaselearn.report.training_set import TrainingSet

SIMILARITY = 0.999  # cosine of two powder patterns from which |F| counts as a near-duplicate


@dataclass(frozen=True)
class Leakage:
    """Numbers of tested crystals that have something in common with the training set.

    Attributes:
        tested, training: sizes of the two sets.
        formulas: number of tested crystals with a reduced formula of the training set.
        prototypes: number of tested crystals with a structure type of the training set.
        patterns: number of tested crystals for which a training crystal with as many atoms has nearly the same powder
            pattern.
    """

    tested: int
    training: int
    formulas: int
    prototypes: int
    patterns: int

    def __str__(self) -> str:
        if not self.training:
            return (
                "no training set is kept apart: the networks of the package have learned from crystals of the training "
                "split, which are among those tested"
            )
        return (
            f"of {self.tested} tested crystals, {self.formulas} share the formula and {self.prototypes} the structure "
            f"type of one of the {self.training} training crystals, and {self.patterns} have a near-duplicate |F| "
            f"among them (powder patterns with a cosine of at least {SIMILARITY})"
        )


def audit(tested: Sequence[Crystal], training: Sequence[Crystal]) -> Leakage:
    """Compare the tested crystals with the training crystals."""
    formulas = {crystal.formula for crystal in training}
    prototypes = {crystal.prototype for crystal in training}
    near = {
        row
        for row, column in alike(fingerprints(tested), fingerprints(training), SIMILARITY)
        if len(tested[row].numbers) == len(training[column].numbers)
    }
    return Leakage(
        tested=len(tested),
        training=len(training),
        formulas=sum(crystal.formula in formulas for crystal in tested),
        prototypes=sum(crystal.prototype in prototypes for crystal in tested),
        patterns=len(near),
    )


def seen_by(training: TrainingSet, tested: Sequence[Crystal]) -> str:
    """Return what a network has learned of the tested crystals, in words."""
    formulas = sum(training.has_seen(crystal.formula) for crystal in tested)
    prototypes = sum(crystal.prototype in training.prototypes for crystal in tested)
    begun = "".join(f"; it began with {text}" for text in training.facts().values())
    return (
        f"of {len(tested)} tested crystals, training has seen the formulas of {formulas} and the structure types of "
        f"{prototypes}{begun}"
    )
