"""The files that this package writes: stores and runs in a folder of structures are passed over."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_ENDINGS = (".zarr", ".partial", ".lock", ".log")  # of stores, those being built, locks, and logs
_STORE = "zarr.json"
_RUN, _NAMES_A_CLASS, _MOST_BYTES = "config.yaml", b"_target_: phaselearn.", 1 << 20


def is_own(file: Path, folder: Path) -> bool:
    """Return whether a file below a folder is part of a store or of a run, or a lock or log.

    Args:
        file: the file.
        folder: the folder that is searched; what it is itself does not matter.
    """
    below = file.relative_to(folder)
    return any(part.endswith(_ENDINGS) for part in below.parts) or any(
        _belongs_to_the_package(folder / parent) for parent in below.parents if parent != Path()
    )


@cache
def _belongs_to_the_package(folder: Path) -> bool:
    if (folder / _STORE).is_file():
        return True
    try:
        with open(folder / _RUN, "rb") as file:
            return _NAMES_A_CLASS in file.read(_MOST_BYTES)
    except OSError:
        return False
