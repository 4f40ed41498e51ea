"""Errors of a command's work that a user can correct: mistakes, full disks, too little memory."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from phaselearn.commands.console import reader_has_ended
from phaselearn.commands.suggestions import explain, name_of
from phaselearn.errors import UserError
from phaselearn.files import told_of
from phaselearn.quoting import command, one_line, setting
from phaselearn.report.run_files import CONFIG_FILE


def told_of_task(error: Exception, name: str, folder: Path) -> str | None:
    """Return the line about an error of a command that a user can correct; None for any other error.

    Args:
        error: an exception of the task.
        name: the command.
        folder: its run folder.
    """
    if isinstance(error, UserError | HydraException | OmegaConfBaseException):
        return explain(error, name)
    if isinstance(error, BrokenPipeError) and reader_has_ended():
        return None
    if isinstance(error, OSError) and error.errno is not None:  # an OSError without a number comes from a library
        resumable = name == "train" and os.access(folder / CONFIG_FILE, os.R_OK)
        go_on = command("phaselearn train", setting("resume", folder))
        return f"{told_of(error)}, then continue with {f'`{go_on}`' if resumable else 'the same command'}"
    if type(error).__name__ == "MisconfigurationException":  # Lightning's, which is not imported for its name
        return f"{one_line(str(error))}; see `{name_of(name)} --cfg job -p trainer`"
    if isinstance(error, RuntimeError | MemoryError) and _is_out_of_memory(error):
        said = next(iter(str(error).strip().splitlines()), "MemoryError")
        return (
            f"there is not enough memory ({said}): take smaller batches, e.g. data.batch_size=8, a smaller model, "
            "or data.loading.cache=none"
        )
    return None


def _is_out_of_memory(error: Exception) -> bool:
    # torch has no exception class for running out of memory on a CPU.
    return isinstance(error, MemoryError) or re.search("can't allocate memory|out of memory", str(error)) is not None
