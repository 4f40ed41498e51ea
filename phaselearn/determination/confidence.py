"""The probability that a solution is right, calibrated on calculated crystals."""

from __future__ import annotations

import math

import numpy as np

from phaselearn.measured.cells import lattice_of
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.neighbours import nearest_neighbours

CONFIDENT = 0.8  # from which on a structure counts as solved
_CONSTANT, _LOG_R1, _LOG_OVERDETERMINATION, _AGREEMENT, _LOOSE_ATOMS = -9.9, -2.66, 1.38, 2.28, -6.6
_LEAST = 1e-4  # smallest value of a logarithm’s argument
_LOOSE = 0.15  # Å², U of an atom that is hardly there


def confidence(candidate: Candidate) -> float:
    """Return the probability that nine tenths of a candidate's atoms, and of the crystal's, are right."""
    return 1 / (1 + math.exp(-_score(features(candidate))))


def features(candidate: Candidate) -> dict[str, float]:
    """Return the figures that the probability is computed from.

    `overdetermination` is the number of strong reflections for each parameter, `agreement` that of the phases with the
    space group, `loose` the share of atoms with a displacement as of atoms that are not there, `lacking` that of the
    stated atoms that the structure does not have, and `lower` the logarithm of how much lower its Laue class is than
    that of the intensities.
    """
    fit, atoms = candidate.fit, candidate.atoms
    neighbours = nearest_neighbours(
        [atom.element for atom in atoms],
        np.array([atom.xyz for atom in atoms]),
        candidate.space_group,
        lattice_of(candidate.cell),
    )
    loose = sum(atom.multiplicity for atom in atoms if atom.u_iso > _LOOSE)
    return {
        "r1": fit.r1,
        "overdetermination": fit.strong / max(fit.parameters, 1),
        "agreement": candidate.symmetry.agreement,
        "spread": float(np.log(neighbours).std()),
        "odd": float((np.abs(np.log(neighbours)) > 0.2).mean()),
        "r1_all": fit.r1_all,
        "goodness": fit.goodness,
        "wr2": fit.wr2,
        "background": candidate.symmetry.background,
        "weakest": candidate.symmetry.weakest,
        "lacking": 1 - candidate.stated_share,
        "lower": -math.log(candidate.symmetry.laue_share),
        "loose": loose / max(sum(atom.multiplicity for atom in atoms), 1),
    }


def _score(of: dict[str, float]) -> float:
    """Return the logit: a logistic regression on 136 calculated crystals and 64 with scrambled intensities.

    Refitted without each crystal in turn, it calls 113 of them solved, and three of these are wrong, none of them
    scrambled (benchmarks/fit_confidence.py, benchmarks/RESULTS.md).
    """
    return (
        _CONSTANT
        + _LOG_R1 * math.log(max(of["r1"], _LEAST))
        + _LOG_OVERDETERMINATION * math.log(max(of["overdetermination"], _LEAST))
        + _AGREEMENT * of["agreement"]
        + _LOOSE_ATOMS * of["loose"]
    )
