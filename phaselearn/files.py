"""Files that are written in one step, what names tell, and messages for files that the machine cannot read or write."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_DIGITS = 6  # significant ones of a number that a person reads
_LONGEST_STEM = 100  # characters; a file name has at most 255 bytes, its suffix included
_REFLECTIONS = re.compile(r"\.(hkl|fcf|mtz)(\.(gz|bz2|xz))?$", re.IGNORECASE)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
# Faults of the machine or of the connection to a disk; at another time the same file may be read or written.
_FAULTS = (
    *_NO_ROOM,
    *_NO_DESCRIPTORS,
    *_NO_RIGHT,
    *(errno.EIO, errno.ENOMEM, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.ENOTCONN, errno.ETIMEDOUT),
    *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.EBUSY),
    *(errno.EAGAIN, errno.ECONNRESET, errno.ECONNABORTED, errno.ESHUTDOWN, errno.ENOLCK),
)
# SQLite's own numbers: PERM, BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL.
_SQLITE_FAULTS = (3, 5, 6, 7, 8, 10, 13, 14, 15)


def write_whole(path: Path, content: bytes | memoryview, contested: bool = False) -> None:
    """Write a file in one step, down to the disk: a process that is killed meanwhile leaves the old file or none.

    Args:
        path: the file to write.
        content: its bytes.
        contested: whether another process may write the same file at the same time. Each then writes under a name of
            its own, `NAME.<32 hexadecimal digits>.partial`, and the last one wins.

    Raises:
        OSError: the file cannot be written; the error names it, and the old file is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial" if contested else f"{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def readable(value: Any) -> Any:
    """Return plain values as a person reads them: numbers with six significant digits, in lists and mappings, too."""
    if isinstance(value, Mapping):
        return {key: readable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [readable(each) for each in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def write_csv(path: Path, rows: Iterable[Mapping[str, object]], columns: Sequence[str], *, exact: bool = False) -> None:
    """Write a table as CSV in one step.

    Args:
        path: the file to write.
        rows: {column: value} of each row; missing columns stay empty.
        columns: names of the columns in order, which become the first line.
        exact: whether a program goes on with the numbers, so that all digits are written; otherwise six are.

    Raises:
        OSError: the file cannot be written; the error names it, and the old file is unchanged.
        ValueError: a row has a value that belongs to no column.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=columns)
    writer.writeheader()
    writer.writerows(rows if exact else map(readable, rows))
    write_whole(path, text.getvalue().encode())


def foreign_entries(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the entries that a folder from a stranger should not hold, with their kinds, including those in subfolders.

    These are links that lead out of the folder, and whatever is neither file nor folder: reading a pipe never ends.
    """
    inside = os.path.realpath(folder) + os.sep
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(where, name)
            if path.is_symlink() and not os.path.realpath(path).startswith(inside):
                yield path, "a link that leads out of the folder"
            elif path.exists() and not path.is_file() and not path.is_dir():
                yield path, "a pipe, a socket or a device"


def file_stem(name: str, *more: bytes) -> str:
    """Return a file name, without suffix, for a name of any characters.

    Different names have different stems, even where the file system ignores case, since a stem ends with a digest.

    Args:
        name: any text; its first 100 characters are kept, except those that not every file system accepts.
        more: further content that distinguishes the named thing from others of this name.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass"))
    for part in more:
        digest.update(hashlib.sha256(part).digest())
    readable = re.sub(r"[^A-Za-z0-9.+-]+", "_", name)[:_LONGEST_STEM].strip("._-")
    return f"{readable}_{digest.hexdigest()[:12]}".lstrip("_")


def holds_reflections(path: Path) -> bool:
    """Whether a file's name says that it holds measured reflections, not structures."""
    return _REFLECTIONS.search(path.name) is not None


def fault_behind(error: BaseException, file: Path | None = None) -> OSError | None:
    """Return the fault of the machine behind an error; None if the content of a file caused it.

    Libraries wrap the errors of `open` in their own, so the causes of an error are searched, too.

    Args:
        error: any exception.
        file: the file that was being read; its absence is also a fault.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FAULTS:
            return seen
        if isinstance(seen, MemoryError):
            return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), file and str(file))
        if getattr(seen, "sqlite_errorcode", 0) & 0xFF in _SQLITE_FAULTS:
            return OSError(errno.EIO, str(seen), file and str(file))
        seen = seen.__cause__ or seen.__context__
    if file is not None and isinstance(error, OSError) and not file.exists():
        return error
    return None


def told_of(error: OSError) -> str:
    """Return one line about an error of the system: the cause, the file, and what helps."""
    said = error.strerror or str(error) or type(error).__name__
    about = f"{said}: {error.filename}" if error.filename else said
    if error.errno in _NO_ROOM:
        return f"{about} was not written: make room on that disk" if error.filename else f"{about}: make room"
    if error.errno in _NO_DESCRIPTORS:
        return f"{about}: allow more open files, e.g. `ulimit -n 8192`"
    if error.errno in _NO_RIGHT:
        return f"{about}: change its permissions, or name another place"
    if error.errno == errno.ENOENT:
        return f"{about}: see that the path is right"
    return f"{about}: see that the disk is there and the path is right"
