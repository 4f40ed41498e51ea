"""Three hundred files of structures that went wrong, read by a process under limits of memory and time.

The longer run is `benchmarks/fuzz_readers.py`; both make the same inputs of the same numbers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.folders import REPO

sys.path.insert(0, str(REPO / "benchmarks"))
import fuzz_readers
from fuzz_readers import Reader, faults, impossible
from sound_files import SOUND

SALT = {
    "lattice": (5.64 * np.eye(3)).tolist(),
    "numbers": [11, 17],
    "positions": [[0.0, 0, 0], [0.5, 0.5, 0.5]],
    "formula": "NaCl",
    "space_group": 221,
}


# Of twenty mutants of a file of pymatgen's JSON about two still hold a crystal, and of those from 100 to 199 none does.
@pytest.mark.parametrize(
    "numbers", [range(100), pytest.param(range(100, 300), marks=pytest.mark.slow)], ids=["first", "more"]
)
def test_nothing_that_went_wrong_hurts_or_is_taken_for_a_crystal(
    monkeypatch: pytest.MonkeyPatch, numbers: range
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    found, counts = faults(numbers, seed=0)
    assert found == []
    for kind in SOUND:
        with_crystal, without = (counts[f"{kind}, {has} a crystal"] for has in ("with", "without"))
        assert with_crystal + without == len(numbers) / len(SOUND)
        # Neither is everything broken, nor anything taken.
        assert with_crystal >= 2
        assert without >= 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"lattice": [[5.64, 0, 0], [0, 5.64, 0], [5.64, 5.64, 0]]}, "no volume or no atoms"),
        ({"lattice": [[float("nan"), 0, 0], [0, 5.64, 0], [0, 0, 5]]}, "numbers that are not finite"),
        ({"positions": [[0.0, 0, 0], [0.5, 0.5, 1.5]]}, "positions outside the cell"),
        ({"positions": [[0.0, 0, 0], [0.0, 0.95, 0.99]]}, "atoms too close"),
        ({"lattice": [[5.64, 0, 0], [17 * 5.64, 0.4, 0], [0, 0, 9.0]]}, "atoms too close"),
        ({"formula": "KBr"}, "a formula of other atoms"),
        ({"space_group": 999}, "no space group"),
    ],
)
def test_the_judge_sees_what_is_impossible(changes: dict, told: str | None) -> None:
    assert impossible(SALT | changes) == told


def test_the_watch_sees_a_crash_a_hang_and_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import os, sys, time\n"
        "print('{\"ready\": true}', flush=True)\n"
        "for line in sys.stdin:\n"
        "    if 'crash' in line: os.abort()\n"
        "    if 'hang' in line: time.sleep(99)\n"
        "    print('{\"crystals\": []}', flush=True)\n"
    )
    monkeypatch.setattr(fuzz_readers, "_WORKER", worker)
    monkeypatch.setattr(fuzz_readers, "_LIMIT", 2.0)
    reader = Reader()
    told = [reader.read(Path(name)) for name in ("sound", "crash", "sound", "hang", "sound")]
    reader.stop()
    assert told == [{"crystals": []}, {"crash": True}, {"crystals": []}, {"hang": True}, {"crystals": []}]
    assert fuzz_readers._fault(json.loads('{"traceback": "a\\nValueError: x"}')) == "traceback: ValueError: x"
