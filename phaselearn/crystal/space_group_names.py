"""Space groups by their Hermann–Mauguin symbols, in the spellings that files have."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import gemmi

_LONGEST = 60  # characters of a symbol
# `:2` and `:R` of the International Tables; of the ICSD, S for an origin on a special position and Z for one on a
# centre of inversion.
_SETTING = re.compile(r"(.+?)\s*(?::\s*([12HRSZ])|([HRSZ]))", re.IGNORECASE)
_EXTENSIONS = {"S": "1", "Z": "2"}
_SUBSCRIPT = re.compile(r"(?<=[2346])\((?=[1-5]\))|(?<=\([1-5])\)|_")  # of P 2_1/c and P 2(1)/c
_BAR = re.compile("([1-6])[\N{COMBINING MACRON}\N{COMBINING OVERLINE}]")
_MONOCLINIC = range(3, 16)
_AXIS_AND_PLANE = re.compile(r"-?[2-6][1-5]?/([a-emn])", re.IGNORECASE)


def settings_named(symbol: str) -> list[gemmi.SpaceGroup]:
    """Return the settings to which a symbol may refer: unique axes, kinds of axes, origins.

    It may be short or full (`F m -3 m`, `F 4/m -3 2/m`), and may write a screw axis in any way (`P 2_1/n`, `P 2(1)/n`).
    The settings come in the order of the International Tables; there are none where the symbol cannot be read.
    """
    if not symbol.strip(" 0") or len(symbol) > _LONGEST:  # to gemmi, 0 is P1
        return []
    # Typeset ones, too: P2₁/c, P−1, and a bar above the digit.
    name = _BAR.sub(r"-\1", unicodedata.normalize("NFKC", symbol).replace("\N{MINUS SIGN}", "-"))
    if not name.isascii():
        return []
    name = _SUBSCRIPT.sub("", name)
    stated = _SETTING.fullmatch(name)
    name, extension = (stated[1], (stated[2] or stated[3]).upper()) if stated else (name, "")
    groups = _named(name) or _named(_abbreviated(name))
    if extension or name[:1] in ("H", "h"):
        wanted = _EXTENSIONS.get(extension, extension or "H")
        groups = [group for group in groups if group.ext == wanted]
    return groups


def settings_numbered(number: str) -> list[gemmi.SpaceGroup]:
    """Return the settings of the group of a number, in the order of the International Tables."""
    return [group for group in _settings() if number == str(group.number)]


def _named(name: str) -> list[gemmi.SpaceGroup]:
    found = gemmi.find_spacegroup_by_name(name)
    short = [group for group in _settings() if _short(group) == "".join(name.split()).lower()]
    return short or [group for group in _settings() if found is not None and group.hm == found.hm]


def _abbreviated(name: str) -> str:
    """Return the short symbol of a full one: F m -3 m of F 4/m -3 2/m, P 63/m m c of P 63/m 2/m 2/c."""
    centring, *directions = name.split()
    main = directions[:1] if directions and directions[0][0] in "46" and "-3" not in directions[1:2] else []
    others = (_AXIS_AND_PLANE.sub(r"\1", direction) for direction in directions[len(main) :])
    return " ".join([centring, *main, *others])


@cache
def _settings() -> tuple[gemmi.SpaceGroup, ...]:
    return tuple(gemmi.spacegroup_table())


def _short(group: gemmi.SpaceGroup) -> str:
    """Return the symbol of a monoclinic group without the axes that have no symmetry: P21/b of P 1 1 21/b."""
    return "".join(part for part in group.hm.split() if part != "1").lower() if group.number in _MONOCLINIC else ""
