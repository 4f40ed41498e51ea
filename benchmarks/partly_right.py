"""Phases that are partly right, improved by the unrolled network and by low-density elimination.

    OMP_NUM_THREADS=1 python benchmarks/partly_right.py --structures FILE [--count 400] [--angles 40 50 90]

The crystals are those of `phaselearn benchmark source=file source.path=FILE split=validation`, and hard ones count.
Their phases are those of cos θ of the true unit factor plus sin θ of a random one. Elimination sets what is negative to
zero, on a grid twice as fine, and restores |F|. Prints the mean map correlation and the share solved, before and after.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from solver import contender_of, named_regimes, shipped, tested_crystals
from torch import Tensor

from phaselearn.benchmark.runner import batches
from phaselearn.crystal.judgement import Judgement, judge, true_map_factors
from phaselearn.crystal.layout import BOX
from phaselearn.crystal.observed import Observed
from phaselearn.metrics.phasing import observed_of, scattering_of
from phaselearn.models.unrolled_network import UnrolledNetwork
from phaselearn.phasing.measurement import AmplitudeConstraint, Measurement
from phaselearn.phasing.projections import eliminate_low_density
from phaselearn.phasing.solution import Solution
from phaselearn.solver.network_starts import Completion, NetworkStarts

_POSITIVE = 1.0  # share of the voxels that may hold density: all that are not negative
_FINER = 2  # voxels along an axis for each voxel of the data's grid
_COMPLETION = Completion(finest=1.4, keep=False, density_share=0.12, cycles=6)  # that of conf/starts/unrolled.yaml


def partly_right(true: Tensor, degrees: float, random: torch.Generator) -> Tensor:
    """Return FFT boxes (B, n₁, n₂, n₃) of unit factors between the true phases (0°) and random ones (90°)."""
    noise = torch.fft.fftn(torch.randn(true.shape, generator=random), dim=BOX)
    right, wrong = (torch.polar(torch.ones_like(each.real), each.angle()) for each in (true, noise))
    return right * math.cos(math.radians(degrees)) + wrong * math.sin(math.radians(degrees))


def eliminated(factors: Tensor, observed: Observed, cycles: int) -> Tensor:
    """Return FFT boxes after cycles of elimination."""
    first, second, third = observed.shape
    measurement = Measurement.of(observed, (_FINER * first, _FINER * second, _FINER * third))
    constraint = AmplitudeConstraint.of(measurement)
    return measurement.full_box(eliminate_low_density(measurement.phased(factors), constraint, _POSITIVE, cycles))


def improved(network: UnrolledNetwork, factors: Tensor, observed: Observed) -> Tensor:
    """Return FFT boxes after a trajectory of the network."""
    starts = NetworkStarts(network, lambda *_: Solution(factors), _COMPLETION, "32-true")
    return starts(observed, range(len(observed)), 0, range(1)).factors


@torch.no_grad()
def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--structures", type=Path, required=True, help="JSON-lines file")
    arguments.add_argument("--count", type=int, default=400)
    arguments.add_argument("--regime", default="d2.0")
    arguments.add_argument("--angles", type=float, nargs="+", default=[40, 50, 90], help="θ in degrees")
    given = arguments.parse_args()
    network = UnrolledNetwork(width=32, hidden=16, cycles=8, weights="unrolled").eval()
    (regime,) = named_regimes([given.regime])
    judged: dict[tuple[float, str], list[Judgement]] = {}
    tested = tested_crystals(given.structures, given.count)
    for _, batch in batches(tested, regime, contender_of(shipped()).preparation, frozenset(), 64, seed=0):
        observed = observed_of(batch, regime.definition)
        atoms = batch["numbers"], batch["positions"], scattering_of(batch, regime.definition)
        true = true_map_factors(observed, *atoms)
        for angle in given.angles:
            begun = partly_right(true, angle, torch.Generator().manual_seed(0))
            ends = {"before": begun, "network, 8 cycles": improved(network, begun, observed)}
            ends |= {f"elimination, {cycles} cycles": eliminated(begun, observed, cycles) for cycles in (8, 30)}
            for name, factors in ends.items():
                judged.setdefault((angle, name), []).append(judge(factors, observed, *atoms)[0])
    for (angle, name), parts in judged.items():
        whole = Judgement.joined(parts)
        hard = whole[whole.hard & whole.counted]
        correlation, solved = hard.correlation.double().mean(), 100 * hard.solved.double().mean()
        print(
            f"θ {angle:g}°, {name}: {len(hard)} hard crystals, CC {correlation:.3f}, solved {solved:.1f} %", flush=True
        )


if __name__ == "__main__":
    main()
