"""The confidence rises with each figure in favour of a structure, and is low where the fit is bad."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phaselearn import solve
from phaselearn.determination.confidence import CONFIDENT, confidence
from phaselearn.structure.candidate import Candidate
from tests.determination.samples import EXAMPLE


@pytest.fixture(scope="module")
def right() -> Candidate:
    best = solve(EXAMPLE).best
    assert best is not None
    return best


def test_a_right_structure_passes_and_a_high_r1_does_not(right: Candidate) -> None:
    assert confidence(right) >= CONFIDENT
    assert confidence(replace(right, fit=replace(right.fit, r1=0.45))) < 0.5


@pytest.mark.parametrize("better", ["r1", "parameters", "agreement", "displacements", "stated", "laue", "cell"])
def test_it_rises_with_each_figure(right: Candidate, better: str) -> None:
    worse = {
        "r1": replace(right, fit=replace(right.fit, r1=1.5 * right.fit.r1)),
        "parameters": replace(right, fit=replace(right.fit, parameters=3 * right.fit.parameters)),
        "agreement": replace(right, symmetry=replace(right.symmetry, agreement=0.3)),
        "stated": replace(right, stated_share=0.5),
        "laue": replace(right, symmetry=replace(right.symmetry, laue_share=0.5)),
        "cell": replace(right, cell=tuple(1.4 * edge for edge in right.cell[:3]) + right.cell[3:]),
        "displacements": replace(right, atoms=(*right.atoms[1:], replace(right.atoms[0], u_iso=0.4))),
    }[better]
    assert confidence(worse) < confidence(right)
