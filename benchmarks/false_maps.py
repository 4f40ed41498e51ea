"""Which phasing methods find molecules of equal atoms in groups without a centre, and on what false maps they agree.

    OMP_NUM_THREADS=1 python benchmarks/false_maps.py [--count 6] [--searches 2] [--regime lab0.8]
        [--starts flipping dual_space]

Takes random molecular crystals in P 2₁ and P 2₁2₁2₁, with C, N and O alone, and as many in P 2₁/c for comparison. Each
gets several searches by each method, and one by cctbx if that is installed. A search is false if its correlation is
below 0.7, and it agrees if two of its restarts do (0.95). `centring` is the highest correlation of a map with its
inverse over all shifts: 1 for a map with a centre of inversion. Prints one line a figure.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import torch
from figures import Figures, state_machine
from hydra.utils import instantiate
from torch import Tensor

from phaselearn.benchmark.contenders import composed_option, regime_from
from phaselearn.benchmark.peers import cctbx_phases
from phaselearn.benchmark.regimes import InputPreparation, Regime, batches
from phaselearn.commands.options import config_directory
from phaselearn.crystal.judgement import judge, with_phases_of
from phaselearn.crystal.layout import BOX, miller_box, shape_of
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.batch import Batch
from phaselearn.data.sources.molecular.source import Molecular
from phaselearn.data.structures import Crystal
from phaselearn.metrics.phasing import observed_of, scattering_of

EQUAL_ATOMS = {1, 6, 7, 8}
GROUPS = {"P 2₁": 4, "P 2₁2₁2₁": 19, "P 2₁/c": 14}
ATOMS = (23, 54)  # of a molecule, hydrogen not counted
SOLVED, FALSE, AGREES = 0.9, 0.7, 0.95
CCTBX_SECONDS = 10.0
KINDS = ("right", "nearly right", "false", "false, agreeing")


def crystals(group: int, count: int) -> Iterator[Crystal]:
    """Yield the first crystals of a space group with one molecule of equal atoms in general places."""
    source = Molecular(count=1, seed=300000001, cell="primitive", atoms=ATOMS, hydrogen=True)
    number = found = 0
    while found < count:
        crystal = source.crystal(number)
        number += 1
        if crystal.space_group == group and set(crystal.numbers.tolist()) <= EQUAL_ATOMS:
            found += 1
            yield crystal


def centring(factors: Tensor) -> Tensor:
    """Return (B,) the highest correlation of maps with their own inverses over all shifts, on the voxels of the box.

    The correlation of ρ(r) and ρ(t − r) is, as a function of t, the Fourier synthesis of F².
    """
    synthesis = torch.fft.ifftn(factors.square(), dim=BOX).real * factors[0].numel()
    return synthesis.flatten(1).amax(1) / factors.abs().square().flatten(1).sum(1)


def main() -> None:
    """Search, and say what false maps are like."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=6, help="number of crystals of each space group")
    parser.add_argument("--searches", type=int, default=2, help="number of searches of each crystal")
    parser.add_argument("--regime", default="lab0.8")
    parser.add_argument("--starts", nargs="+", default=["flipping", "dual_space"], help="options of conf/starts")
    options = parser.parse_args()
    state_machine()
    figures = Figures()
    folder = config_directory()
    methods = {name: instantiate(composed_option(folder, "starts", name)) for name in options.starts}
    observation = {options.regime: {"observation": options.regime}}
    regime = regime_from(folder, options.regime, observation)
    for group, number in GROUPS.items():
        kinds: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in KINDS} for name in methods}
        solved = dict.fromkeys([*methods, "cctbx"], 0)
        seconds = dict.fromkeys(methods, 0.0)
        true_centring = []
        taken = list(crystals(number, options.count))
        for _, batch in batches(taken, regime, InputPreparation(), frozenset(), 1, 0):
            observed = observed_of(batch, regime.definition)
            true_centring.append(centring(true_factors(observed, batch)).item())
            for name, method in methods.items():
                began = time.process_time()
                found = method(observed, batch["row"].tolist(), 0, range(options.searches))
                seconds[name] += time.process_time() - began
                best = 0.0
                for which in range(options.searches):
                    factors = found.factors[which : which + 1]
                    reached = correlation(factors, observed, batch, regime)
                    best = max(best, reached)
                    agrees = found.agreement is not None and found.agreement[which] >= AGREES
                    kinds[name][kind_of(reached, agrees)].append(centring(factors).item())
                solved[name] += best >= FALSE
            if find_spec("iotbx") is not None:
                factors, _ = cctbx_phases(observed, batch["row"].tolist(), CCTBX_SECONDS)
                solved["cctbx"] += correlation(factors, observed, batch, regime) >= FALSE
        figures.state(f"{group}, crystals", len(taken))
        figures.state(f"{group}, median centring of the true maps", float(np.median(true_centring)))
        if find_spec("iotbx") is not None:
            figures.state(f"{group}, cctbx in {CCTBX_SECONDS:g} s, right or nearly right", solved["cctbx"])
        for name in methods:
            figures.state(f"{group}, {name}, right or nearly right in {options.searches} searches", solved[name])
            figures.state(f"{group}, {name}, seconds a search", seconds[name] / options.searches / len(taken))
            for kind, values in kinds[name].items():
                if values:
                    figures.state(f"{group}, {name}, searches that are {kind}", len(values))
                    figures.state(f"{group}, {name}, median centring of these", float(np.median(values)))
    figures.finish()


def kind_of(correlation: float, agrees: bool) -> str:
    """Return the kind of a search with this map correlation, of which two restarts agree or not."""
    if correlation >= FALSE:
        return "right" if correlation >= SOLVED else "nearly right"
    return "false, agreeing" if agrees else "false"


def true_factors(observed: Observed, batch: Batch) -> Tensor:
    """Return FFT boxes with the measured amplitudes and the phases of the atoms."""
    indices = miller_box(shape_of(observed.mask))
    true = structure_factors(batch["lattice"], batch["numbers"], batch["positions"], indices)
    return with_phases_of(observed.map_amplitude(), true)


def correlation(factors: Tensor, observed: Observed, batch: Batch, regime: Regime) -> float:
    """Return the map correlation of one crystal's phases with its atoms."""
    judged, _ = judge(
        factors, observed, batch["numbers"], batch["positions"], scattering_of(batch, regime.definition), refine=False
    )
    return judged.correlation.item()


if __name__ == "__main__":
    main()
