"""Files of a format that is not read: what they are if that can be seen, and what helps."""

from __future__ import annotations

import re
from pathlib import Path

from phaselearn.errors import UserError
from phaselearn.measured.readers.hklf import is_hklf
from phaselearn.measured.readers.listing import fault, quoted
from phaselearn.measured.readers.table import separator_of
from phaselearn.quoting import command

READ = "read are SHELX .hkl (HKLF 3 or 4), CIF, .fcf, MTZ, XDS_ASCII, and tables with columns named h, k, l, I, sigma"
_NAMES = ("h", "k", "l", "I", "sigma")
_MOST_COLUMNS = 20
_SEARCHED = 200  # lines in which a reflection is looked for
_SCALEPACK = re.compile(rb"\s*\d+\s*\n\s*-98[57]\s|\s*\d{1,3} +[PABCIFRH] ?-?\d[-\w/ ]*\n", re.IGNORECASE)


def unknown(path: Path, head: bytes) -> UserError:
    """Return the error of a file that begins so.

    Args:
        path: the file.
        head: its first bytes, not all of them blank.
    """
    if b"\x00" in head:
        return fault(path, "a format that is not known, and no text", READ)
    if head.lstrip().startswith(b"!") and re.search(rb"(?m)^!ITEM_|INTEGRATE", head):
        helps = "give the XDS_ASCII.HKL that CORRECT or XSCALE wrote: its intensities are scaled"
        return fault(path, "an output of XDS other than XDS_ASCII", helps)
    if _SCALEPACK.match(head):
        helps = f"convert it with `{command('pointless', 'scain', path, 'hklout', 'new.mtz')}` of CCP4"
        return fault(path, "a list of SCALEPACK, which is not read", helps)
    lines = head.split(b"\n")[:_SEARCHED]
    place, first = next((place, line) for place, line in enumerate([*lines, head]) if line.strip())
    what = f"a format that is not known: {quoted(first)} is not a reflection"
    separator, count = _columns_of_numbers(first)
    if count > len(_NAMES) - 2:
        return fault(path, "a table without names of columns", _advice_to_name(path, separator, count), place + 1)
    begin = next((number for number, line in enumerate(lines, 1) if is_hklf(line)), None)
    if begin is not None and len(first.split()) == len(lines[begin - 1].split()):
        return fault(path, what, f"{READ}: name h, k, l, I (or F) and sigma in its first line", place + 1)
    if begin is not None:
        cut = command(command("tail", "-n", f"+{begin}", path) + " >", f"new{path.suffix}")
        return fault(
            path, what, f"{READ}; if the list begins with line {begin}, `{cut}` leaves out the rest", place + 1
        )
    return fault(path, what, READ, place + 1)


def _columns_of_numbers(line: bytes) -> tuple[str, int]:
    """Return the sign between the numbers of a line, and how many there are; 0 if it has other words, too."""
    text = line.decode("latin-1").strip()
    separator = separator_of(text, last=3)
    words = text.split() if separator == " " else text.split(separator)
    numbers = [word for word in words if re.fullmatch(r"\s*[-+]?\d*[.,]?\d+(e[-+]?\d+)?\s*", word, re.IGNORECASE)]
    return separator, len(numbers) if len(numbers) == len(words) <= _MOST_COLUMNS else 0


def _advice_to_name(path: Path, separator: str, count: int) -> str:
    names = [*_NAMES, *(f"column{place}" for place in range(len(_NAMES) + 1, count + 1))][:count]
    line = command("echo", separator.join(names)) if separator != " " else command("echo", *names)
    cat = command("cat", path)
    return f"name them, F in place of I where they are amplitudes: `({line}; {cat}) > {command(f'new{path.suffix}')}`"
