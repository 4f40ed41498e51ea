"""Text of a file, in UTF-8 or UTF-16, as Windows may save it."""

from __future__ import annotations

import codecs
from pathlib import Path

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_of(path: Path) -> str:
    """Return the text of a file without a byte order mark; what cannot be decoded is replaced."""
    content = path.read_bytes()
    return content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig", errors="replace")
