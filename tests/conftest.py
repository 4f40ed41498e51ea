"""Fixtures that many tests share: small random crystals, a tiny store, and the shared structures where they are."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from phaselearn.data.build.store_build import build_store
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store.pair_store import PairStore

pytest_plugins = ["tests.skips"]
torch.set_num_threads(1)


def pytest_collection() -> None:
    """Let imports make their million objects without looking for garbage among them."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave what was imported out of every later search for garbage."""
    gc.freeze()
    gc.enable()


OCTANT = PairDefinition(10, "octant", "atomic_number", 0.0, "atomic_number", 0.35, "fractional", "point")
FULL = PairDefinition(10, "full", "atomic_number", 0.0, "atomic_number", 0.225, "fractional", "band_limited")


@pytest.fixture(scope="session")
def shared_structures() -> Path:
    """The shared structures, or a skip with the reason."""
    folder = Path(os.environ.get("PHASELEARN_SHARED", Path(__file__).parents[2] / "shared" / "data"))
    path = folder / "structures.jsonl.gz"
    if not path.exists():
        pytest.skip("the shared structures are not here (PHASELEARN_SHARED names their folder)")
    return path


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of small inputs that went wrong once, or a skip with the reason."""
    path = Path(os.environ.get("PHASELEARN_SHARED", Path(__file__).parents[2] / "shared" / "data")).parent / "cases"
    if not path.is_dir():
        pytest.skip("the shared cases are not here (PHASELEARN_SHARED names the folder beside them)")
    return path


def random_crystals(
    count: int, atoms: int, seed: int, edges: tuple[float, float] = (4.0, 9.0)
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return lattice (B, 3, 3), numbers (B, A), positions (B, A, 3), float64, of random triclinic crystals."""
    generator = np.random.default_rng(seed)
    angles = np.deg2rad(generator.uniform(65, 115, size=(count, 3)))
    lengths = generator.uniform(*edges, size=(count, 3))
    cosine = np.cos(angles)
    lattice = np.zeros((count, 3, 3))
    lattice[:, 0, 0] = lengths[:, 0]
    lattice[:, 1, 0] = lengths[:, 1] * cosine[:, 2]
    lattice[:, 1, 1] = lengths[:, 1] * np.sin(angles[:, 2])
    lattice[:, 2, 0] = lengths[:, 2] * cosine[:, 1]
    lattice[:, 2, 1] = lengths[:, 2] * (cosine[:, 0] - cosine[:, 1] * cosine[:, 2]) / np.sin(angles[:, 2])
    lattice[:, 2, 2] = np.sqrt(lengths[:, 2] ** 2 - lattice[:, 2, 0] ** 2 - lattice[:, 2, 1] ** 2)
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    numbers = generator.integers(1, 90, size=(count, atoms))
    # Rows of different lengths, so that padding is always tried.
    numbers[np.arange(atoms) >= generator.integers(1, atoms + 1, size=(count, 1))] = 0
    positions = generator.random((count, atoms, 3)) * (numbers > 0)[..., None]
    return torch.from_numpy(lattice @ rotation), torch.from_numpy(numbers), torch.from_numpy(positions)


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    """Three hundred prototypes at 10³, octant layout; read only."""
    source = Prototypes(count=300, seed=0, cell="primitive")
    path = tmp_path_factory.mktemp("store") / "tiny.zarr"
    return build_store(source, OCTANT, path, longest_edge=30.0, source_config={"count": 300})
