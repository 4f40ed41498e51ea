"""The content of a folder."""

from __future__ import annotations

from pathlib import Path


def files_of(path: Path) -> dict[str, bytes]:
    """Return every file below a folder with its content."""
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}
