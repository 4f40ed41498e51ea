"""Lines of a title or of comments before a list of HKLF lines: SHELX writes none, people do."""

from __future__ import annotations

import re
from dataclasses import replace

from phaselearn.measured.readers.cif import is_cif
from phaselearn.measured.readers.hklf import is_hklf, read_hklf
from phaselearn.measured.readers.instructions import Instructions, is_instructions
from phaselearn.measured.readers.listing import Listing, quoted
from phaselearn.measured.readers.text import TextSource

_MARKED = re.compile(rb"\s*#|(TITL|REM)\b", re.IGNORECASE)  # any number of such lines, and one of another kind
_TITLE = re.compile(rb"[^\W\d_]")
_TRIED = 3  # lines behind the title
_MOST_TOLD = 5  # lines of it that warnings repeat


def is_titled(head: bytes) -> bool:
    """Return whether a file that begins so holds HKLF lines behind a title.

    Values must have a decimal point, and the title another number of words: it may be one of column names.
    """
    before, behind = _parted(head)
    title = b"\n".join(before).strip()
    tried = [line for line in behind[:_TRIED] if line.strip()]
    if not title or not tried or is_cif(title) or is_instructions(title):
        return False
    words = len(title.rpartition(b"\n")[2].lstrip(b"# \t").split())
    columns = max(len(line.split()) for line in tried)  # numbers may touch
    return words != columns and all(is_hklf(line) and b"." in line for line in tried)


def read_titled(source: TextSource, instructions: Instructions) -> Listing:
    """Return the reflections of such a file.

    Raises:
        UserError: a line behind the title is not a reflection, there is none, or there are too many.
    """
    before, _ = _parted(source.head())
    listing = read_hklf(replace(source, passed_over=len(before)), instructions)
    told = [f"{quoted(line)} stands before the reflections" for line in before if _TITLE.match(line)]
    return replace(listing, warnings=(*listing.warnings, *told[:_MOST_TOLD]))


def _parted(head: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the lines of a title, and those behind them."""
    lines = head.split(b"\n")
    titles = 0
    for place, line in enumerate(lines):
        is_marked = not line.strip() or _MARKED.match(line) is not None
        titles += not is_marked
        if titles > 1 or not (is_marked or _TITLE.match(line)):
            return lines[:place], lines[place:]
    return lines, []
