"""JSON with pymatgen's structures anywhere in it: one, a list, entries, documents; or a database of ASE."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from phaselearn.data.sources.readers.ase_files import read_database
from phaselearn.data.sources.readers.pymatgen_files import cell_of
from phaselearn.data.sources.symmetry import Cell
from phaselearn.data.structures import Unusable


def read(path: Path) -> Iterator[tuple[str, Cell | Unusable]]:
    """Yield every structure, labelled by its place: keys and numbers from the outside in.

    Of an object with the field `structure` (a `ComputedStructureEntry`, a document of the Materials Project) only
    that one is taken.

    Raises:
        Unusable: not valid JSON.
        UserError: it is a database of ASE, and ASE is missing.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Unusable("not valid JSON") from error
    if isinstance(content, dict) and {"ids", "nextid"} <= content.keys():
        yield from read_database(path)
        return
    for label, found in _structures(content, ()):
        try:
            yield label, cell_of(Structure.from_dict(found))
        except Unusable as error:
            yield label, error
        except Exception as error:  # any damage to one entry; the next may be sound
            yield label, Unusable(f"unreadable ({type(error).__name__})")


def _structures(node: Any, place: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict) and {"lattice", "sites"} <= node.keys():
        yield "/".join(place), node
    elif isinstance(node, dict) and "structure" in node:
        yield from _structures(node["structure"], place)
    elif isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            yield from _structures(value, (*place, str(key)))
