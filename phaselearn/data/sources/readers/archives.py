"""Packed files, unpacked to a file beside no other; an archive that would fill the disk is left out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phaselearn.data.structures import Unusable

# Text of structures packs to a tenth or, where it repeats itself, a fiftieth; a thousandth is what zeros pack to.
_MOST_RATIO = 200
_ALWAYS_ALLOWED = 256 << 20  # bytes
_MOST_ON_DISK = 4 << 30  # bytes

_UNPACKERS: dict[str, type[gzip.GzipFile] | type[bz2.BZ2File] | type[lzma.LZMAFile]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


def unpacked_name(file: Path) -> str:
    """Return the name of a file without the suffix of its packing."""
    return file.stem if file.suffix.lower() in _UNPACKERS else file.name


def most_unpacked(file: Path) -> int:
    """Return how many bytes a packed file may unpack to where they are read as they come."""
    return max(_ALWAYS_ALLOWED, _MOST_RATIO * file.stat().st_size)


@contextmanager
def unpacked(file: Path) -> Iterator[Path]:
    """Give the file itself, or an unpacked copy of it that is removed afterwards.

    Raises:
        Unusable: it unpacks to more than its size allows.
        OSError, EOFError, lzma.LZMAError, zlib.error: it is damaged.
    """
    unpack = _UNPACKERS.get(file.suffix.lower())
    if unpack is None:
        yield file
        return
    most = min(most_unpacked(file), _MOST_ON_DISK)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / unpacked_name(file)
        with unpack(file) as packed, open(plain, "wb") as target:
            written = 0
            while block := packed.read(1 << 20):
                written += len(block)
                if written > most:
                    raise Unusable(f"an archive that unpacks to more than its size allows ({most:,} bytes)")
                target.write(block)
        yield plain
