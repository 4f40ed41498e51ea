"""The parts of a formula: `CaSO4·2H2O` is a salt and its water."""

from __future__ import annotations

import re
import unicodedata

_SUBSCRIPT = re.compile(r"\$?_(?:\{([\d.]+)\}|([\d.]+))\$?|<sub>([\d.]+)</sub>|~([\d.]+)~")  # of TeX, HTML and CIF
_SEPARATORS = re.compile(r"[,·•⋅*]")
_MOLECULES = (
    *("H2O", "D2O", "OH2", "HOH", "NH3", "HCl", "HF", "CH3OH", "CH4O", "C2H5OH", "C2H6O", "CH3CN", "C2H3N", "CHCl3"),
    *("CH2Cl2", "C6H6", "C3H7NO"),
)
# An element or bracket with its count, a full stop, the number of molecules, and a molecule up to the end of the part.
_BEFORE_MOLECULE = re.compile(
    r"([A-Za-z)\]}]\s?(?!0\.)\d*)\s?\.\s*"
    rf"((?:\d+(?:\.\d+)?|[nx])?\s*\(?(?:{'|'.join(_MOLECULES)})\)?\s*)(?=$|[.,·•⋅*])"
)
_BEFORE_SYMBOL = re.compile(r"(?<=[A-Za-z\d)\]}])\.(?=\s*[A-Z(\[{])")
_DOUBTFUL = re.compile(r"[)\]}]\.\d")


def parts_of(formula: str) -> list[str]:
    """Return the parts of a formula, each with the factor before it.

    Subscripts become numbers, those of TeX (`Fe$_{2}$O$_3$`), HTML and CIF (`Fe~2~O~3~`), too.

    Commas, `·`, `•`, `⋅` and `*` separate parts. So does a full stop before a symbol, and before a number of common
    molecules: `CuSO4.5H2O` is CuSO₄·5H₂O, since nobody writes O₄.₅H₂O. Elsewhere it is a decimal point, as in `Fe0.95O`
    and `Na0.5H2O`.

    Raises:
        ValueError: a full stop between a bracket and a number may be either, as in `K3[Fe(CN)6].2KCl`.
    """
    plain = _SUBSCRIPT.sub(lambda found: "".join(filter(None, found.groups())), unicodedata.normalize("NFKC", formula))
    parts = _BEFORE_SYMBOL.sub("·", _BEFORE_MOLECULE.sub(r"\1·\2", plain))
    if _DOUBTFUL.search(parts):
        raise ValueError("a full stop behind a bracket")
    return _SEPARATORS.split(parts)
