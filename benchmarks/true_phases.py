"""The ceiling of every method: the judgement of the true phases, which no other phases can be expected to beat.

    python benchmarks/true_phases.py --structures FILE [--count 400] [--regimes d1.5 d2.0]

The crystals are those of `phaselearn benchmark source=file source.path=FILE split=validation`. Not all are solved
strictly: a map that ends at 2 Å does not show a light atom beside heavy ones. Prints a line for each regime.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from solver import contender_of, named_regimes, shipped, tested_crystals

from phaselearn.benchmark.runner import batches
from phaselearn.crystal.judgement import Judgement, judge, true_map_factors
from phaselearn.metrics.phasing import observed_of, scattering_of


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--structures", type=Path, required=True, help="JSON-lines file")
    arguments.add_argument("--count", type=int, default=400)
    arguments.add_argument("--regimes", nargs="+", default=["d1.5", "d2.0"])
    given = arguments.parse_args()
    tested = tested_crystals(given.structures, given.count)
    for regime in named_regimes(given.regimes):
        parts = []
        for _, batch in batches(tested, regime, contender_of(shipped()).preparation, frozenset(), 128, seed=0):
            observed = observed_of(batch, regime.definition)
            atoms = batch["numbers"], batch["positions"], scattering_of(batch, regime.definition)
            parts.append(judge(true_map_factors(observed, *atoms), observed, *atoms)[0])
        judged = Judgement.joined(parts)
        hard = judged[judged.hard & judged.counted]
        solved, strict = (100 * each.double().mean().item() for each in (hard.solved, hard.strict))
        print(f"{regime.name}: of {len(hard)} hard crystals {solved:.1f} % solved, {strict:.1f} % strictly", flush=True)


if __name__ == "__main__":
    main()
