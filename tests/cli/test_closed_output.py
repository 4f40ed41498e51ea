"""Output that nobody reads to its end, as with `phaselearn … | head`: a real pipe, closed by its reader."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from phaselearn.commands.console import ending_with_its_reader

_CLOSED_PIPE = 141  # 128 + SIGPIPE


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("words", [["--help"], ["weights"], ["train", "--cfg", "job"]])
def test_a_command_ends_without_a_word_when_its_reader_has(
    words: list[str], unbuffered: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1" if unbuffered else "")
    monkeypatch.chdir(tmp_path)
    started = subprocess.Popen(
        [sys.executable, "-c", "from phaselearn.commands.main import main; main()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    started.stdout.close()
    _, told = started.communicate(timeout=120)
    assert (started.returncode, told) == (_CLOSED_PIPE, "")


def test_another_broken_pipe_is_an_error() -> None:
    with pytest.raises(BrokenPipeError, match="a worker"), ending_with_its_reader():
        raise BrokenPipeError("a worker")
