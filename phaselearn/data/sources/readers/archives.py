"""Packed files, unpacked into a temporary folder; an archive that would fill the disk is rejected."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phaselearn.data.structures import Unusable

# Structures as text pack to a tenth of their length or, with repetitions, to a fiftieth; zeros pack to a thousandth.
_MOST_RATIO = 200
_ALWAYS_ALLOWED = 256 << 20  # bytes
_MOST_ON_DISK = 4 << 30  # bytes

_UNPACKERS: dict[str, type[gzip.GzipFile] | type[bz2.BZ2File] | type[lzma.LZMAFile]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


def unpacked_name(file: Path) -> str:
    """Return the name of a file without the suffix of a packed file."""
    return file.stem if file.suffix.lower() in _UNPACKERS else file.name


def most_unpacked(file: Path) -> int:
    """Return how many bytes a packed file may unpack to, if they are not written to disk."""
    return max(_ALWAYS_ALLOWED, _MOST_RATIO * file.stat().st_size)


@contextmanager
def unpacked(file: Path) -> Iterator[Path]:
    """Give the file itself or, if it is packed, an unpacked copy that is removed afterwards.

    Raises:
        Unusable: the file unpacks to more than its size allows.
        OSError, EOFError, lzma.LZMAError, zlib.error: the file is damaged.
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
