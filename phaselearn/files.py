"""Files that are whole whenever they are there."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file in one step, down to the disk: whoever is killed meanwhile leaves the old file or none.

    Raises:
        OSError: it cannot be written, with its path; the old file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def links_out_of(folder: Path) -> Iterator[Path]:
    """Yield the links in a folder, and in the folders below, that lead out of it."""
    inside = os.path.realpath(folder) + os.sep
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(where, name)
            if path.is_symlink() and not os.path.realpath(path).startswith(inside):
                yield path


def without_room(error: OSError) -> str | None:
    """Return what was not written for want of room, and why; None if the error is another one."""
    if error.errno not in _NO_ROOM:
        return None
    return f"{error.strerror}: {error.filename or 'a file'} was not written"
