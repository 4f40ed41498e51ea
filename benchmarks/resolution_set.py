"""Write the crystals of the resolution table into one file: inorganic validation crystals, and molecular crystals.

    python benchmarks/resolution_set.py TARGET.jsonl --inorganic FILE [--count 120] --molecular FILE [--most 66]

The inorganic ones are the first of `phaselearn benchmark split=validation` on the first file, without those that have
carbon and hydrogen; the molecular ones are the first, in the same order of choice, of those in the second file that
have both.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import gemmi

from phaselearn.benchmark.crystals import choose_crystals, crystals_of_source
from phaselearn.benchmark.table import is_molecular
from phaselearn.data.sources.file import File
from phaselearn.data.structures import Crystal

LONGEST_EDGE = 30.0  # Å


def crystals_of(path: Path, split: str, count: int, molecular: bool) -> list[Crystal]:
    """Return the first crystals of a file that are molecular, or that are not."""
    source = File(str(path), None, licence="", attribution="")
    tested = choose_crystals(crystals_of_source(source, LONGEST_EDGE), split, None, seed=0).tested
    return [crystal for crystal in tested if is_molecular(crystal.formula) == molecular][:count]


def line_of(crystal: Crystal) -> str:
    """Return a crystal as a JSON line."""
    return json.dumps(
        {
            "id": crystal.id,
            "lattice": crystal.lattice.tolist(),
            "species": [gemmi.Element(number).name for number in crystal.numbers.tolist()],
            "frac_coords": crystal.positions.tolist(),
            "prototype": crystal.prototype,
            "spacegroup": crystal.space_group,
        }
    )


def main() -> None:
    """Write the file."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("target", type=Path)
    arguments.add_argument("--inorganic", type=Path, required=True, help="JSON-lines file")
    arguments.add_argument("--count", type=int, default=120)
    arguments.add_argument("--molecular", type=Path, required=True, help="JSON-lines file")
    arguments.add_argument("--most", type=int, default=66)
    given = arguments.parse_args()
    inorganic = crystals_of(given.inorganic, "validation", given.count, molecular=False)
    molecular = crystals_of(given.molecular, "all", given.most, molecular=True)
    given.target.write_text("".join(f"{line_of(crystal)}\n" for crystal in [*inorganic, *molecular]))
    print(f"{len(inorganic)} inorganic and {len(molecular)} molecular crystals in {given.target}")


if __name__ == "__main__":
    main()
