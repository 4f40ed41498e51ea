"""Failed jobs of a multirun: a note in each job's folder gives the reason, whichever machine it ran on."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from phaselearn.files import write_whole
from phaselearn.quoting import command, one_line

FAILED_FILE = "failed.txt"
_MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class Failure:
    """The note of a job that failed.

    Attributes:
        reason: the reason, on one line.
        command: the command that runs this job alone; empty if it is not known.
    """

    reason: str
    command: str

    def choices(self, fixed: Collection[str]) -> str:
        """Return the overrides of the job without those of the fixed keys, which all jobs share."""
        try:
            words = shlex.split(self.command)[2:]
        except ValueError:
            return ""
        return " ".join(word for word in words if word.partition("=")[0].lstrip("+~") not in fixed)


def note_failure(folder: Path, reason: str, program: str, overrides: Sequence[str]) -> None:
    """Write the note into the folder of a job of `phaselearn PROGRAM`."""
    told = f"{one_line(reason)}\n{command(f'phaselearn {program}', *overrides)}\n"
    write_whole(folder / FAILED_FILE, told.encode(errors="backslashreplace"))


def read_failure(folder: Path) -> Failure | None:
    """Return the note in a folder; None if there is none."""
    path = folder / FAILED_FILE
    if not path.is_file():
        return None
    with open(path, encoding="utf-8", errors="backslashreplace") as file:
        reason, again, *_ = [*file.read(_MOST_BYTES).splitlines(), "", ""]
    return Failure(one_line(reason), one_line(again))
