"""The probability that a solution is right, calibrated on calculated crystals."""

from __future__ import annotations

import math

import numpy as np

from phaselearn.measured.cells import lattice_of
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.neighbours import nearest_neighbours

CONFIDENT = 0.8  # from which on a structure counts as solved
# A logistic regression on calculated crystals, nearly half of them spoiled: benchmarks/fit_confidence.py fits it.
_CONSTANT = 0.54
_WEIGHTS = {
    "r1": -16.92,
    "log_overdetermination": 1.35,
    "agreement": 2.25,
    "loose": -9.1,
    "lacking": -1.97,
    "lower": -2.38,
    "spread": -8.02,
    "odd": -2.36,
}
_LEAST = 1e-4  # smallest value of a logarithm’s argument
_LOOSE = 0.15  # Å², U of an atom that is hardly there
_ODD = 0.2  # of the logarithm of a distance over the sum of covalent radii


def confidence(candidate: Candidate) -> float:
    """Return the probability that nine tenths of a candidate's atoms, and of the crystal's, are right."""
    values = features(candidate)
    score = _CONSTANT + sum(weight * values[name] for name, weight in _WEIGHTS.items())
    return 1 / (1 + math.exp(-score))


def features(candidate: Candidate) -> dict[str, float]:
    """Return the figures that the probability is computed from, by name.

    - r1: R1 of the strong reflections;
    - log_overdetermination: logarithm of the number of strong reflections for each parameter;
    - agreement: agreement of the phases with the space group;
    - loose: share of the atoms with a displacement as of atoms that are not there;
    - lacking: share of the stated atoms that the structure does not have;
    - lower: logarithm of how many times lower its Laue class is than that of the intensities;
    - spread, odd: standard deviation of the logarithm of nearest distances over the sums of covalent radii, and the
      share of distances for which that is far from 0.
    """
    fit, atoms = candidate.fit, candidate.atoms
    multiplicity = np.array([atom.multiplicity for atom in atoms])
    loose = np.array([atom.u_iso > _LOOSE for atom in atoms])
    nearest = nearest_neighbours(
        [atom.element for atom in atoms],
        np.array([atom.xyz for atom in atoms]),
        candidate.space_group,
        lattice_of(candidate.cell),
    )
    return {
        "r1": fit.r1,
        "log_overdetermination": math.log(max(fit.strong / max(fit.parameters, 1), _LEAST)),
        "agreement": candidate.symmetry.agreement,
        "loose": float((multiplicity * loose).sum() / multiplicity.sum()),
        "lacking": 1 - candidate.stated_share,
        "lower": -math.log(candidate.symmetry.laue_share),
        "spread": float(np.log(nearest).std()),
        "odd": float((np.abs(np.log(nearest)) > _ODD).mean()),
    }
