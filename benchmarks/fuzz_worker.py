"""The process that reads the inputs of `fuzz_readers.py`: a path a line comes in, a line of JSON about it goes out.

It imports once and reads many files, under a limit of memory; whoever started it watches the time, and its end.
"""

from __future__ import annotations

import json
import resource
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from phaselearn.data.screening import screen
from phaselearn.data.sources.file import File
from phaselearn.data.sources.folder import Folder
from phaselearn.data.structures import Crystal, Source
from phaselearn.errors import UserError

LONGEST_EDGE = 1000.0  # Å
_MORE_MEMORY = 2 << 30  # bytes of address space beyond what the imports take


def source(path: Path) -> Source:
    """Return the source that a user would read a file by."""
    if ".jsonl" in path.suffixes:
        return File(str(path), None, "none", "nobody", "primitive")
    return Folder(str(path), "**/*", None, "primitive", "none", "nobody")


def judged(path: Path) -> dict[str, Any]:
    """Return the outcome of a file: the usable crystals, the reasons of the others, or the error."""
    try:
        entries = list(source(path))
    except UserError as error:
        return {"refused": str(error)}
    except BaseException:
        return {"traceback": traceback.format_exc()}
    crystals = [entry for entry in entries if isinstance(entry, Crystal)]
    reasons = screen(crystals, LONGEST_EDGE)
    return {
        "crystals": [
            {
                "lattice": crystal.lattice.tolist(),
                "numbers": crystal.numbers.tolist(),
                "positions": crystal.positions.tolist(),
                "formula": crystal.formula,
                "space_group": crystal.space_group,
            }
            for crystal, reason in zip(crystals, reasons, strict=True)
            if reason is None
        ],
        "reasons": [entry.reason for entry in entries if not isinstance(entry, Crystal)] + [r for r in reasons if r],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,  # MiB
    }


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _MORE_MEMORY,) * 2)


def main() -> None:
    """Read until no more paths come."""
    warnings.simplefilter("ignore")
    if sys.platform == "linux":
        _limit_memory()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(judged(Path(line.rstrip("\n")))), flush=True)


if __name__ == "__main__":
    main()
