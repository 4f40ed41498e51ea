"""A record of a crystal for the tests."""

from phaselearn.benchmark.records import Attempt, CrystalRecord


def record(**changes):
    values = {
        "method": "m",
        "regime": "r",
        "id": "1",
        "formula": "NaCl",
        "prototype": "p",
        "space_group": 225,
        "atoms": 2,
        "prototype_seen": True,
        "correlation": 0.95,
        "floor": 0.8,
        "gain": 0.75,
        "phase_error": 10.0,
        "solved": True,
        "atoms_found": 0.5,
        "strict": False,
        "hard": True,
        "counted": True,
        "failed": False,
        "seconds": 0.1,
        "reflections": 500,
        "volume": 120.0,
        "r_factor": 0.1,
        "skewness": 5.0,
        "peakiness": 50.0,
        "symmetry": 0.98,
        "inversion": 0.97,
        "agreement": 0.99,
        "cycles": 80.0,
        "expected_correlation": float("nan"),
        "attempts": (Attempt(1, 0.06, False), Attempt(2, 0.1, True)),
    }
    return CrystalRecord(**(values | changes))
