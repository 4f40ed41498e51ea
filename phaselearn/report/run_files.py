"""The files that a run folder shows, and the command in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phaselearn.files import write_whole
from phaselearn.quoting import command

CONFIG_FILE = "config.yaml"
RESULTS_FILE = "results.csv"
CRYSTALS_FILE = "crystals.csv"
NAMED_FILE = "also_shown.csv"
REPORT_FILE = "report.html"
COMMAND_FILE = "command.txt"
TRAINING_SET_FILE = "training_set.json"  # from the beginning of a run

_NOT_REPEATED = ("run", "trust", "quiet")


def write_command(path: Path, overrides: Sequence[str], *, resumed: bool = False) -> None:
    """Write the command that repeats the training, without the run folder, and what later commands changed in it.

    Args:
        path: the file.
        overrides: the overrides of the command.
        resumed: whether the command goes on with a run; its overrides then follow as a comment.
    """
    kept = [override for override in overrides if override.partition("=")[0] not in _NOT_REPEATED]
    if not resumed and not path.exists():
        write_whole(path, f"{command('phaselearn train', *kept)}\n".encode())
    if resumed and kept and path.exists():
        line = f"{command('# resumed with', *kept)}\n"
        before = path.read_text(encoding="utf-8")
        if not before.endswith(line):  # after a kill, a command is given again
            write_whole(path, (before + line).encode())
