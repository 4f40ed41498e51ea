"""Text files in pieces: plain or gzipped, of bounded size, with the numbers of their lines.

Line ends of Windows and of old Macs become those of Unix, and the mark that Windows puts before UTF-8 is taken off, so
that no reader of a format has to know of them.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from phaselearn.errors import UserError
from phaselearn.files import told_of
from phaselearn.measured.readers.listing import fault
from phaselearn.quoting import command

MOST_BYTES = 256 << 20  # of text, unpacked
_HEAD = 1 << 16  # bytes by which a format is known
_PIECE = 1 << 22  # bytes that are read at once
_GZIP = b"\x1f\x8b"
_OTHER_PACKINGS = {  # what a packed file begins with: its name, and the command that unpacks it
    b"PK\x03\x04": ("a ZIP archive", ("unzip",)),
    b"BZh": ("packed by bzip2", ("bunzip2", "-k")),
    b"\xfd7zXZ": ("packed by xz", ("unxz", "-k")),
    b"7z\xbc\xaf": ("a 7-Zip archive", ("7z", "e")),
}


@dataclass(frozen=True)
class TextSource:
    """Bytes that are read piece by piece.

    Attributes:
        path: the file, for errors.
        content: bytes that are in memory already, such as a text inside a CIF; None for those of the file.
        passed_over: number of lines at the beginning that `lines` leaves out.
    """

    path: Path
    content: bytes | None = None
    passed_over: int = 0

    @property
    def is_packed(self) -> bool:
        """Whether the file is gzipped."""
        with self._opened() as file:
            return isinstance(file, gzip.GzipFile)

    def head(self) -> bytes:
        """Return the first bytes.

        Raises:
            UserError: the file cannot be read.
        """
        return next(self._pieces(_HEAD, MOST_BYTES), b"")

    def whole(self, most: int = MOST_BYTES) -> bytes:
        """Return all bytes.

        Raises:
            UserError: the file cannot be read, or it is too large.
        """
        return b"".join(self._pieces(_PIECE, most))

    def lines(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the number of a line, from 1, and some thousand lines that begin with it.

        Raises:
            UserError: the file cannot be read, or it is too large.
        """
        number, rest = 1, b""
        for piece in self._pieces(_PIECE, MOST_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            before = max(0, self.passed_over + 1 - number)
            if lines[before:]:
                yield number + before, lines[before:]
            number += len(lines)
        if rest and number > self.passed_over:
            yield number, [rest]

    def _pieces(self, size: int, most: int) -> Iterator[bytes]:
        total, begun = 0, b""
        try:
            with self._opened() as file:
                while piece := file.read(size):
                    if not total:
                        self._check_beginning(piece)
                        piece = piece.removeprefix(codecs.BOM_UTF8)
                    total += len(piece)
                    if total > most:
                        helps = "merge equivalents in the program that wrote it"
                        raise fault(self.path, f"more than {most >> 20} MB of text", helps)
                    piece = begun + piece
                    begun = b"\r" if piece.endswith(b"\r") else b""  # the other half of the line end may follow
                    yield piece.removesuffix(begun).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if begun:
                yield b"\n"
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            helps = f"check it with `{command('gzip', '-t', self.path)}`"
            raise fault(self.path, f"it cannot be unpacked ({error})", helps) from error
        except IsADirectoryError as error:
            raise fault(self.path, "a folder", "name a file of reflections") from error
        except OSError as error:
            raise UserError(told_of(error)) from error

    def _check_beginning(self, piece: bytes) -> None:
        """Check that a file is neither packed nor written in a way that no reader knows.

        Raises:
            UserError: it is.
        """
        for begins, (what, unpack) in _OTHER_PACKINGS.items():
            if piece.startswith(begins):
                raise fault(self.path, what, f"unpack it with `{command(*unpack, self.path)}`")
        if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            convert = command("iconv -f UTF-16 -t UTF-8", self.path) + " >"
            raise fault(self.path, "text in UTF-16", f"convert it with `{command(convert, f'new{self.path.suffix}')}`")

    def _opened(self) -> io.BufferedIOBase:
        if self.content is not None:
            return io.BytesIO(self.content)
        if self.path.exists() and not self.path.is_file() and not self.path.is_dir():
            raise fault(self.path, "a pipe, a socket or a device", "name a file of reflections")
        file = open(self.path, "rb")  # noqa: SIM115 - the caller closes it
        packed = file.read(2) == _GZIP
        file.seek(0)
        return gzip.GzipFile(fileobj=file) if packed else file
