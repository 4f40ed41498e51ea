"""Which crystals a method leaves unsolved: shares of the hard ones by what might make a crystal difficult.

    python benchmarks/failures.py --crystals RUN/crystals.csv [--method solver] [--regimes d1.5 d2.0]

Reads what `phaselearn benchmark` wrote. Each property cuts the hard crystals of a regime into quarters; prints a
Markdown table of the shares unsolved in %, and the rank correlation (Spearman) of the property with the CC.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pymatgen.core import Composition
from scipy.stats import spearmanr

from phaselearn.benchmark.records import CrystalRecord, read_records


def _numbers(record: CrystalRecord) -> list[tuple[int, float]]:
    """Return atomic numbers with how many of each there are in a formula unit."""
    return [(element.Z, amount) for element, amount in Composition(record.formula).items()]


def light_share(record: CrystalRecord) -> float:
    """Return the share of the scattering power Σ Z² that is not the heaviest element's."""
    powers = {number: amount * number**2 for number, amount in _numbers(record)}
    return 1 - powers[max(powers)] / sum(powers.values())


def contrast(record: CrystalRecord) -> float:
    """Return the ratio of the largest to the smallest atomic number."""
    numbers = [number for number, _ in _numbers(record)]
    return max(numbers) / min(numbers)


PROPERTIES: dict[str, Callable[[CrystalRecord], float]] = {
    "atoms in the cell": lambda record: record.atoms,
    "unique reflections": lambda record: record.reflections,
    "reflections an atom": lambda record: record.reflections / record.atoms,
    "largest / smallest atomic number": contrast,
    "scattering power beside the heaviest element": light_share,
    "phase-zero floor": lambda record: record.floor,
    "number of the space group": lambda record: record.space_group,
}


def table(records: list[CrystalRecord]) -> str:
    """Return the Markdown table of one regime."""
    unsolved = np.array([not record.solved for record in records])
    correlation = np.array([record.correlation for record in records])
    quarters = " | ".join(f"quarter {number}" for number in (1, 2, 3, 4))
    lines = [
        f"| property (median of each quarter) | {quarters} | rank correlation with CC |",
        "|---" + "|---:" * 5 + "|",
    ]
    for name, measure in PROPERTIES.items():
        values = np.array([measure(record) for record in records], dtype=float)
        parts = np.array_split(values.argsort(kind="stable"), 4)
        cells = [f"{100 * unsolved[part].mean():.0f} ({np.median(values[part]):.3g})" for part in parts]
        lines.append(f"| {name} | {' | '.join(cells)} | {spearmanr(values, correlation).statistic:.2f} |")
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--crystals", type=Path, required=True, help="crystals.csv of a benchmark's run folder")
    arguments.add_argument("--method", default="solver")
    arguments.add_argument("--regimes", nargs="+", default=["d1.5", "d2.0"])
    given = arguments.parse_args()
    every = [record for record in read_records(given.crystals) if record.method == given.method]
    for regime in given.regimes:
        records = [record for record in every if record.regime == regime and record.hard and record.counted]
        share = 100 * np.mean([not record.solved for record in records])
        nearly = np.mean([record.correlation >= 0.8 for record in records if not record.solved])
        counts = f"{len(records)} hard crystals, {share:.1f} % unsolved, of which {100 * nearly:.0f} % at CC ≥ 0.8"
        print(f"\n**{regime}**: {counts}\n")
        print(table(records))


if __name__ == "__main__":
    main()
