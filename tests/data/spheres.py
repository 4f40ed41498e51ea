"""A small store of the layout `sphere`, and sums over atoms that its pairs are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from phaselearn.data.build.store_build import build_store
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.structures import Crystal

SPHERE = PairDefinition(
    None, "sphere", "atomic_number", 0.0, "atomic_number", 0.225, "fractional", "band_limited", resolution=1.2
)


@dataclass
class LongCells:
    """A source of random triclinic crystals with an edge that is several times as long as the others."""

    count: int
    name: str = "long cells"
    licence: str = "none"
    attribution: str = "nobody"

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Crystal]:
        return iter(map(self.crystal, range(self.count)))

    def raw_entries(self) -> Iterator[int]:
        return iter(range(self.count))

    def reader(self):
        return self._read

    def _read(self, number: int) -> Iterator[Crystal]:
        yield self.crystal(number)

    def fingerprint(self) -> str:
        return f"long cells {self.count}"

    def crystal(self, number: int) -> Crystal:
        random = np.random.default_rng(number)
        edges = random.permuted([random.uniform(3, 4), random.uniform(3, 6), random.uniform(6, 16)])
        lattice = np.diag(edges) + random.uniform(-0.4, 0.4, (3, 3))
        # Along the longest edge, so that no atoms are too close.
        positions = np.outer(np.arange(4) / 4 + 0.02, edges == edges.max()) + random.uniform(0, 0.02, (4, 3))
        return Crystal(f"long-{number:04}", lattice, random.integers(19, 36, 4), positions, "long", 1)


def build(path: Path, count: int = 40, workers: int = 1) -> PairStore:
    return build_store(LongCells(count), SPHERE, path, 30.0, {}, workers=workers)


def factors_at(crystal: Crystal, hkl: np.ndarray) -> np.ndarray:
    """Return Σ_j Z_j exp(2πi h·x_j) at reflections (m, 3)."""
    return np.exp(2j * np.pi * hkl @ crystal.positions.T) @ crystal.numbers


def listed_hkl(crystal: Crystal, resolution: float) -> np.ndarray:
    """Return the reflections (m, 3) in the order that the dataset card states."""
    reach = [int(np.linalg.norm(edge) / resolution) + 1 for edge in crystal.lattice]
    first, second, third = ([*range(n + 1), *range(-n, 0)] for n in reach)
    inverse = np.linalg.inv(crystal.lattice)
    return np.array(
        [
            (h, k, l)
            for h in first
            for k in second
            for l in third  # noqa: E741
            if (l > 0 or (l == 0 and (k > 0 or (k == 0 and h >= 0))))
            and np.linalg.norm(inverse @ (h, k, l)) <= 1 / resolution
        ]
    )
