"""Reads and merges files in a process of bounded memory: `python -m tests.measured.reading_worker JOBS.json`.

JOBS.json is a list of [path, arguments of read_reflections]. Each gives one line of JSON: [path, outcome, text].
"""

from __future__ import annotations

import json
import resource
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from phaselearn.errors import UserError
from phaselearn.measured.french_wilson import amplitudes
from phaselearn.measured.laue import choose_laue_class
from phaselearn.measured.merging import expanded, merge
from phaselearn.measured.readers import read_reflections
from phaselearn.measured.twinning import look_for_twins

MEMORY = 3 << 30  # bytes of address space, libraries included


def treated(path: str, arguments: dict[str, Any]) -> tuple[str, str]:
    """Return how a file ended: "read" with the number of its reflections, "refused" with the error, or "failed"."""
    try:
        data = read_reflections(path, **arguments)
        merged = merge(data, choose_laue_class(data).chosen.laue_class.rotations)
        look_for_twins(merged)
        amplitude, doubt = amplitudes(merged)
        hkl, intensity, _ = expanded(merged)
        sound = all(np.isfinite(some).all() for some in (data.intensity, amplitude, doubt, intensity))
        if not sound or (data.sigma <= 0).any() or (amplitude < 0).any() or np.abs(hkl).max() > 10_000:
            return "failed", "numbers that are none"
        return "read", str(len(data))
    except UserError as error:
        return "refused", str(error)
    except Exception:
        return "failed", traceback.format_exc()


def main() -> None:
    """Treat every file; a numerical warning counts as a failure."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("error", RuntimeWarning)
    for path, arguments in json.loads(Path(sys.argv[1]).read_text()):
        print(json.dumps([path, *treated(path, arguments)]), flush=True)


if __name__ == "__main__":
    main()
