"""Documents of the Materials Project as the rows that `source=file` reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from phaselearn.errors import UserError

NOT_RETURNED = "not returned by the Materials Project: unknown, deprecated, or outside the filters"
NO_STRUCTURE = "no structure in the Materials Project"
UNREADABLE = "structure unreadable"


def rows_of(
    ids: Sequence[str], documents: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return {id: row} of the materials with a structure, and {id: reason} of the others.

    Raises:
        UserError: no document has a structure that can be read, so their form must have changed.
    """
    rows: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for name in ids:
        if name not in documents:
            left_out[name] = NOT_RETURNED
        elif documents[name].get("structure") is None:
            left_out[name] = NO_STRUCTURE
        else:
            try:
                rows[name] = _row(name, documents[name])
            except (KeyError, IndexError, TypeError, ValueError, AttributeError):
                left_out[name] = UNREADABLE
    if documents and not rows:
        name = next(iter(documents))
        raise UserError(
            f"no document of the Materials Project has a structure that can be read, e.g. {name}, with the fields "
            f"{', '.join(sorted(documents[name])) or 'none'}: `pip install -U mp-api pymatgen`; what was fetched is "
            "kept, and the same command continues"
        )
    return rows, left_out


def _row(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    # Only plain values are taken: pymatgen's own reader would import the modules that a document names.
    structure = document["structure"]
    sites = structure["sites"]
    return {
        "id": name,
        "formula": document.get("formula_pretty"),
        "lattice": [[float(value) for value in vector] for vector in structure["lattice"]["matrix"]],
        "species": [_species(site["species"]) for site in sites],
        "frac_coords": [[float(value) for value in site["abc"]] for site in sites],
        "spacegroup": (document.get("symmetry") or {}).get("number"),
    }


def _species(kinds: Sequence[Mapping[str, Any]]) -> str | dict[str, float]:
    shares: dict[str, float] = defaultdict(float)
    for kind in kinds:
        shares[kind["element"]] += float(kind["occu"])
    symbols = list(shares)
    # A disordered site stays as it is; the reader leaves its material out.
    return symbols[0] if len(symbols) == 1 and abs(sum(shares.values()) - 1) < 1e-8 else dict(shares)
