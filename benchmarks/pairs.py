"""Pairs a second: batched against a loop over reflections and voxels, against gemmi, and against writing the bytes.

    python benchmarks/pairs.py [--structures FILE] [--count 4096]

Prints one line a figure, `name: value (at least|at most BOUND) ok|short`, and exits 1 if one falls short.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import gemmi
import numpy as np
import torch
import zarr
from figures import Figures, state_machine

from phaselearn.commands.memory import keep_freed_memory
from phaselearn.data.build.store_build import build_store
from phaselearn.data.build.write_pairs import PAIRS_A_SHARD, compute_pairs
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.sources.file import File
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store.files import PAIR_ARRAYS, create_pair_arrays
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.structures import Crystal

SIZE = 20
DEFINITION = PairDefinition(SIZE, "octant", "atomic_number", 0.0, "atomic_number", 0.35, "fractional", "point")
LOOPED = 3  # crystals that the loop, which takes seconds for each, is timed on


def loop_over_reflections_and_voxels(crystal: Crystal) -> tuple[np.ndarray, np.ndarray]:
    """The straightforward implementation: one NumPy sum over the atoms a reflection and a voxel."""
    sigma, weights, positions = DEFINITION.sigma, crystal.numbers.astype(float), crystal.positions
    intensity, density = np.zeros((2, SIZE, SIZE, SIZE))
    reach = np.ceil(6 * sigma * np.linalg.norm(np.linalg.inv(crystal.lattice), axis=0)).astype(int)
    images = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), -1).reshape(-1, 3)
    for h in range(SIZE):
        for k in range(SIZE):
            for m in range(SIZE):
                intensity[h, k, m] = abs(np.sum(weights * np.exp(2j * np.pi * (positions @ (h, k, m))))) ** 2
                apart = np.array([h, k, m]) / SIZE - positions
                apart = (apart - np.round(apart))[:, None, :] + images
                square = ((apart @ crystal.lattice) ** 2).sum(-1)
                density[h, k, m] = np.sum(weights[:, None] * np.exp(-square / (2 * sigma**2)))
    return intensity, density / (2 * np.pi * sigma**2) ** 1.5


def gemmi_pattern(crystal: Crystal) -> np.ndarray:
    """gemmi's direct summation of X-ray structure factors, one call a reflection: the pattern only, no density."""
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    cosines = [crystal.lattice[i] @ crystal.lattice[j] / lengths[i] / lengths[j] for i, j in ((1, 2), (0, 2), (0, 1))]
    structure = gemmi.SmallStructure()
    structure.cell = gemmi.UnitCell(*lengths, *np.degrees(np.arccos(cosines)))
    structure.spacegroup_hm = "P 1"
    structure.setup_cell_images()
    for number, position in zip(crystal.numbers.tolist(), crystal.positions.tolist(), strict=True):
        site = gemmi.SmallStructure.Site()
        site.element = gemmi.Element(number)
        site.fract = gemmi.Fractional(*position)
        structure.add_site(site)
    calculator = gemmi.StructureFactorCalculatorX(structure.cell)
    pattern = np.empty((SIZE, SIZE, SIZE))
    for h in range(SIZE):
        for k in range(SIZE):
            for m in range(SIZE):
                pattern[h, k, m] = abs(calculator.calculate_sf_from_small_structure(structure, (h, k, m))) ** 2
    return pattern


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def write_bytes(path: Path, store: PairStore) -> float:
    """Return the seconds that a plain copy of the same pairs into zarr takes, shard by shard."""
    rows = np.arange(len(store))
    pairs = {name: store.read_pairs(name, rows) for name in PAIR_ARRAYS}
    group = zarr.open_group(path, mode="w", zarr_format=3)

    def write() -> None:
        create_pair_arrays(group, len(store), store.definition.sample_shapes(), PAIRS_A_SHARD)
        for start in range(0, len(store), PAIRS_A_SHARD):
            for name, values in pairs.items():
                group[name][start : start + PAIRS_A_SHARD] = values[start : start + PAIRS_A_SHARD]

    return seconds(write)


def nearest_to(crystals: Sequence[Crystal], atoms: int, count: int) -> list[Crystal]:
    return sorted(crystals, key=lambda crystal: abs(len(crystal.numbers) - atoms))[:count]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--structures", help="JSON-lines file; default: the embedded prototypes")
    arguments.add_argument("--count", type=int, help="crystals; default: all of a file, 4,096 prototypes")
    given = arguments.parse_args()
    state_machine()
    torch.set_num_threads(1)
    keep_freed_memory()  # as `phaselearn prepare` does
    source = (
        File(given.structures, given.count, "", "")
        if given.structures
        else Prototypes(given.count or 4096, seed=0, cell="primitive")
    )
    # Read once here, so that the prototypes' library, a fixed cost of seconds, is loaded before any clock starts.
    everything = [crystal for crystal in source if isinstance(crystal, Crystal)]
    crystals = nearest_to(everything, 12, 1024)
    atoms = np.mean([len(crystal.numbers) for crystal in crystals])
    print(f"{len(crystals)} crystals of {atoms:.1f} atoms on average, {SIZE}³, one thread")

    compute_pairs(crystals[:32], DEFINITION)
    ours = seconds(lambda: compute_pairs(crystals, DEFINITION)) / len(crystals)
    looped = nearest_to(crystals, 12, LOOPED)
    loop = seconds(lambda: [loop_over_reflections_and_voxels(crystal) for crystal in looped]) / LOOPED
    by_gemmi = seconds(lambda: [gemmi_pattern(crystal) for crystal in looped]) / LOOPED
    expected = [np.stack(values) for values in zip(*map(loop_over_reflections_and_voxels, looped[:1]), strict=True)]
    for found, wanted in zip(compute_pairs(looped[:1], DEFINITION), expected, strict=True):
        assert np.abs(found - wanted).max() < 1e-5 * wanted.max(), "the two implementations disagree"
    figures = Figures()
    figures.state("pairs a second, batched", 1 / ours)
    figures.state("pairs a second, NumPy loop", 1 / loop)
    figures.state("patterns a second, gemmi", 1 / by_gemmi)
    figures.at_least("batched against NumPy loop", loop / ours, 300)
    figures.at_least("batched pairs against gemmi's patterns alone", by_gemmi / ours, 1)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        store: list[PairStore] = []
        build = seconds(lambda: store.append(build_store(source, DEFINITION, path / "pairs.zarr", 30.0, {})))
        # Twice, and the faster: the first copy also warms the disk cache.
        copy = min(write_bytes(path / f"copy{i}.zarr", store[0]) for i in range(2))
        figures.state("whole build, pairs a second", len(store[0]) / build)
        figures.state("plain zarr copy, pairs a second", len(store[0]) / copy)
        figures.at_most("whole build against writing the same bytes", build / copy, 2)
    figures.finish()


if __name__ == "__main__":
    main()
