"""Documents of the Materials Project as the rows that `source=file` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymatgen.core import PeriodicSite, Structure

from phaselearn.errors import UserError

NOT_RETURNED = "not returned by the Materials Project: unknown, deprecated, or outside the filters"
NO_STRUCTURE = "no structure in the Materials Project"
UNREADABLE = "structure unreadable"


def rows_of(
    ids: Sequence[str], documents: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the rows of those materials that have a structure, and of the others the reason, both by id.

    Raises:
        UserError: not one of the documents has a structure that can be read, so that their form has changed.
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
            except Exception:  # pymatgen has no error of its own for a dictionary that is no structure
                left_out[name] = UNREADABLE
    if documents and not rows:
        name = next(iter(documents))
        raise UserError(
            f"no document of the Materials Project has a structure that can be read, e.g. {name}, with the fields "
            f"{', '.join(sorted(documents[name])) or 'none'}: `pip install -U mp-api pymatgen`; what was fetched is "
            "kept, and the same command goes on"
        )
    return rows, left_out


def _row(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    structure = Structure.from_dict(document["structure"])
    return {
        "id": name,
        "formula": document.get("formula_pretty"),
        "lattice": structure.lattice.matrix.tolist(),
        "species": [_species(site) for site in structure],
        "frac_coords": structure.frac_coords.tolist(),
        "spacegroup": (document.get("symmetry") or {}).get("number"),
    }


def _species(site: PeriodicSite) -> str | dict[str, float]:
    if site.is_ordered:
        return site.specie.symbol
    # Kept as it is, for the reader to leave out.
    return {species.symbol: occupancy for species, occupancy in site.species.items()}
