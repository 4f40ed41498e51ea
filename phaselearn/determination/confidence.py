"""The probability that a solution is right, calibrated on calculated crystals."""

from __future__ import annotations

import math

from phaselearn.measured.merging import Merged
from phaselearn.structure.candidate import Candidate

CONFIDENT = 0.9  # from which on a structure counts as solved


def confidence(candidate: Candidate, merged: Merged) -> float:
    """Return the probability that the atoms of a candidate are right.

    Args:
        candidate: the refined structure.
        merged: the reflections that it was refined on.
    """
    return 1 / (1 + math.exp(-_score(features(candidate, merged))))


def features(candidate: Candidate, merged: Merged) -> dict[str, float]:
    """Return the figures that the probability is computed from."""
    fit = candidate.fit
    return {
        "r1": fit.r1,
        "overdetermination": fit.strong / max(fit.parameters, 1),
        "agreement": candidate.symmetry.agreement,
    }


def _score(of: dict[str, float]) -> float:
    return 40 * (0.22 - of["r1"]) + 2.0 * min(0.0, math.log(max(of["overdetermination"], 1e-6) / 3))
