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


def write_command(path: Path, overrides: Sequence[str]) -> None:
    """Write the command that repeats the training, without the run folder; a resumed run keeps its first command."""
    if not path.exists():
        kept = [override for override in overrides if override.partition("=")[0] != "run"]
        write_whole(path, f"{command('phaselearn train', *kept)}\n".encode())
