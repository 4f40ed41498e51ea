"""Hostile files end in reflections or in one line, within bounds of memory and time."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers import hklf as hklf_module
from phaselearn.measured.readers import read_reflections
from phaselearn.measured.readers import text as text_module
from tests.measured.files import INS, hklf, write
from tests.measured.hostile_files import hostile_files, sound_rows

ROOT = Path(__file__).parents[2]


def outcomes(folder: Path, jobs: list[tuple[str, dict[str, object]]]) -> list[tuple[str, str, str]]:
    """Treat files in a process of their own."""
    listed = folder / "jobs.json"
    listed.write_text(json.dumps(jobs))
    done = subprocess.run(
        [sys.executable, "-m", "tests.measured.reading_worker", listed],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_five_hundred_hostile_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    jobs = [(str(path), arguments) for path, arguments in hostile_files(tmp_path)]
    ended = outcomes(tmp_path, jobs)
    assert [path for path, _, _ in ended] == [path for path, _ in jobs]
    assert [one for one in ended if one[1] == "failed"] == []
    for path, outcome, told in ended:
        if outcome == "refused":
            assert told.isprintable(), told
            assert len(told) < 600, told
            assert Path(path).stem[:3] in told or ".ins" in told or "cell" in told, told
    counted = Counter(outcome for _, outcome, _ in ended)
    assert counted["read"] > 100 < counted["refused"]


def test_repeated_reflections_are_merged_and_impossible_ones_left_out(tmp_path: Path) -> None:
    rows = sound_rows()
    text = hklf([*rows, *[rows[0]] * 300, (1, 1, 1, -500.0, 1.0), (900, 1, 1, 5.0, 1.0)])
    data = read_reflections(write(tmp_path, "a.hkl", text, INS))
    assert len(data) == len(rows) + 300
    assert any("beyond d =" in one for one in data.warnings)
    assert any("nothing that is measured lies so far below zero" in one for one in data.warnings)


@pytest.mark.parametrize("packed", [False, True])
def test_too_many_reflections_are_refused_before_they_are_all_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    path = tmp_path / ("a.hkl.gz" if packed else "a.hkl")
    text = hklf(end=False).encode() * 5000
    path.write_bytes(gzip.compress(text) if packed else text)
    monkeypatch.setattr(hklf_module, "MOST_REFLECTIONS", 10_000)
    with pytest.raises(UserError, match=r"more than 5,000,000 reflections; merge equivalents"):
        read_reflections(path, cell=(6, 7, 8, 90, 90, 90))
    monkeypatch.undo()
    monkeypatch.setattr(text_module, "MOST_BYTES", 1 << 18)
    with pytest.raises(UserError, match=r"more than 0 MB of text; merge equivalents"):
        read_reflections(path, cell=(6, 7, 8, 90, 90, 90))


@pytest.mark.slow
def test_ten_million_lines_are_refused_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "big.hkl.gz"
    block = hklf(end=False).encode() * 25_000
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(100):
            file.write(block)
    [(_, outcome, told)] = outcomes(tmp_path, [(str(path), {"cell": [6, 7, 8, 90, 90, 90]})])
    assert outcome == "refused"
    assert "more than 5,000,000 reflections" in told
