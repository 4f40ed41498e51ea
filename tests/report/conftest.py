"""Crystals, curves and tables to report on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from report_samples import lattice_of, shown

from phaselearn.report.content import ShownCrystal
from phaselearn.report.curves import Curves, Series
from phaselearn.report.results import ResultRow


@pytest.fixture(scope="session")
def rock_salt() -> ShownCrystal:
    """NaCl: atoms on corners, edges and faces of a cube."""
    faces = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    positions = np.concatenate([faces, np.array(faces) + 0.5]) % 1
    return shown("NaCl", 1, lattice_of(5.64, 5.64, 5.64, 90, 90, 90), [11] * 4 + [17] * 4, positions.tolist(), 0.04)


@pytest.fixture(scope="session")
def triclinic() -> ShownCrystal:
    """A made-up triclinic oxide, one atom near a corner."""
    positions = [[0.02, 0.97, 0.03], [0.4, 0.3, 0.62], [0.7, 0.75, 0.2], [0.15, 0.55, 0.3]]
    return shown("CaTiO2", 2, lattice_of(4.6, 5.3, 7.1, 78, 104, 112), [20, 22, 8, 8], positions, 0.25)


@pytest.fixture(scope="session")
def diverged(triclinic: ShownCrystal) -> ShownCrystal:
    """The triclinic oxide as a network leaves it whose training diverged."""
    nothing = {name: float("nan") for name in ("correlation", "gain", "phase_error")}
    return replace(triclinic, prediction=np.full_like(triclinic.truth, np.nan), **nothing)


@pytest.fixture(scope="session")
def rows() -> list[ResultRow]:
    """A table with every method and subset."""
    subsets = {"all": 200, "hard": 120, "seen_prototype": 150, "unseen_prototype": 50}
    methods = {"CNN": 0.92, "phase_zero": 0.81, "charge_flipping": 0.88}
    return [
        ResultRow(
            method, subset, n, max(cc - 0.4, 0), max(cc - 0.5, 0), cc, cc - 0.81, 90 * (1.2 - cc), 3, seconds=1 - cc
        )
        for subset, n in subsets.items()
        for method, cc in methods.items()
    ]


@pytest.fixture(scope="session")
def curves() -> Curves:
    """Sixty epochs."""
    epochs = np.arange(1, 61)
    fall = np.exp(-epochs / 15)
    return Curves(
        {
            "train/loss": Series(epochs, 0.05 + fall),
            "val/loss": Series(epochs, 0.12 + fall),
            "val/median_cc": Series(epochs, 0.92 - 0.4 * fall),
            "val/floor": Series(epochs, np.full(60, 0.81)),
        }
    )


@pytest.fixture(scope="session")
def judged() -> dict[str, np.ndarray]:
    """Judgements of 200 crystals."""
    random = np.random.default_rng(0)
    floor = random.beta(8, 2, 200)
    return {
        "floor": floor,
        "correlation": np.clip(floor + random.normal(0.04, 0.06, 200), 0, 1),
        "prototype_seen": random.random(200) < 0.7,
        "counted": random.random(200) < 0.97,
    }
