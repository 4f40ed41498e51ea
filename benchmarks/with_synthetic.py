"""Write the structures of a file and synthetic crystals behind them into one file, to train on both.

    python benchmarks/with_synthetic.py FILE.jsonl.gz TARGET.jsonl.gz [--count 8000] [--seed 77]

The synthetic ones are those of `source=synthetic` with this seed.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

from resolution_set import line_of

from phaselearn.data.sources.synthetic import Synthetic
from phaselearn.files import write_whole


def main() -> None:
    """Write the file."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("file", type=Path, help="structures, gzipped JSON lines")
    arguments.add_argument("target", type=Path)
    arguments.add_argument("--count", type=int, default=8000, help="synthetic crystals")
    arguments.add_argument("--seed", type=int, default=77)
    given = arguments.parse_args()
    synthetic = Synthetic(
        count=given.count, seed=given.seed, cell="primitive", space_groups="inorganic", atoms=[2, 40], closest=0.8
    )
    lines = "".join(f"{line_of(synthetic.crystal(number))}\n" for number in range(given.count))
    # Gzip files one after another are a gzip file of their contents.
    write_whole(given.target, given.file.read_bytes() + gzip.compress(lines.encode(), mtime=0))
    print(f"{given.count} synthetic crystals behind those of {given.file} in {given.target}")


if __name__ == "__main__":
    main()
