"""JSON and YAML files with structures anywhere in them: pymatgen's, alone or in documents, or rows of `source=file`.

pymatgen's own reader imports the modules that a file names, and checks no number. Here only plain values are taken.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from phaselearn.data.admission import MOST_ATOMS, lattice_of
from phaselearn.data.sources.readers.ase_files import read_database
from phaselearn.data.sources.readers.elements import ATOMIC_NUMBERS
from phaselearn.data.sources.readers.rows import FIELDS, cell_of_row
from phaselearn.data.sources.structure_type import Cell
from phaselearn.data.structures import Unusable

MOST_BYTES = 1 << 30  # largest file; reading it takes ten times as much memory
_MOST_BYTES_OF_YAML = 64 << 20  # YAML takes a hundred times as long to read


def read(path: Path) -> Iterator[tuple[str, Cell | Unusable]]:
    """Yield every structure, labelled by its place: the keys and numbers that lead to it.

    From an object with the field `structure` (a `ComputedStructureEntry`, a document of the Materials Project) only
    this field is taken.

    Raises:
        Unusable: the file is not valid JSON, or too large.
        UserError: the file is a database of ASE, and ASE is missing.
    """
    try:
        content = json.loads(_content(path, MOST_BYTES))
    except (ValueError, RecursionError) as error:
        raise Unusable("not valid JSON") from error
    if isinstance(content, dict) and {"ids", "nextid"} <= content.keys():
        yield from read_database(path)
    else:
        yield from _entries(content)


def read_yaml(path: Path) -> Iterator[tuple[str, Cell | Unusable]]:
    """Yield every structure of a YAML file, labelled as those of JSON are.

    Raises:
        Unusable: the file is not valid YAML, or too large.
    """
    try:
        content = yaml.load(_content(path, _MOST_BYTES_OF_YAML), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unusable("not valid YAML") from error
    yield from _entries(content)


def _content(path: Path, most: int) -> bytes:
    size = path.stat().st_size
    if size > most:
        raise Unusable(f"a file of more than {most >> 20} MiB, which is read whole ({size >> 20} MiB)")
    return path.read_bytes()


def _entries(content: Any) -> Iterator[tuple[str, Cell | Unusable]]:
    for label, found in _structures(content):
        try:
            yield label, cell_of_row(found) if "sites" not in found else cell_of_structure(found)
        except Unusable as error:
            yield label, error


def _structures(content: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    waiting: list[tuple[Any, tuple[str, ...]]] = [(content, ())]
    seen: set[int] = set()
    while waiting:
        node, place = waiting.pop()
        # With YAML's aliases, very many ways may lead to one object.
        if not isinstance(node, dict | list) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict) and ({"lattice", "sites"} <= node.keys() or node.keys() >= set(FIELDS)):
            yield "/".join(place), node
        elif isinstance(node, dict) and isinstance(node.get("structure"), dict | list):
            waiting.append((node["structure"], place))
        else:
            items = node.items() if isinstance(node, dict) else enumerate(node)
            waiting += [(value, (*place, str(key))) for key, value in reversed(list(items))]


def cell_of_structure(content: dict[str, Any]) -> Cell:
    """Return lattice, positions and atomic numbers of a `Structure` that pymatgen has written as a dictionary.

    Raises:
        Unusable: a site is partially occupied or no element, the structure is not periodic in three directions, or
            fields are missing or of the wrong kind.
    """
    try:
        lattice, sites = content["lattice"], content["sites"]
        if not all(lattice.get("pbc") or [True]):
            raise Unusable("not periodic in three directions")
        if len(sites) > MOST_ATOMS:
            raise Unusable(f"more than {MOST_ATOMS:,} atoms ({len(sites):,})")
        numbers = np.array([_atomic_number(site["species"]) for site in sites], dtype=np.int64)
        positions = np.array([site["abc"] for site in sites], dtype=np.float64).reshape(len(sites), 3)
        return _lattice(lattice), positions, numbers
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Unusable("a structure with fields missing or of the wrong kind") from error


def _lattice(content: dict[str, Any]) -> np.ndarray:
    if "matrix" in content:
        return np.array(content["matrix"], dtype=np.float64).reshape(3, 3)
    lengths, angles = ([float(content[name]) for name in names] for names in (_LENGTHS, _ANGLES))
    return lattice_of(lengths, angles)


_LENGTHS, _ANGLES = ("a", "b", "c"), ("alpha", "beta", "gamma")


def _atomic_number(species: list[dict[str, Any]]) -> int:
    """Return the element of a site; Fe²⁺ and Fe³⁺ that share one are iron."""
    shares: dict[str, float] = defaultdict(float)
    for kind in species:
        shares[kind["element"]] += float(kind["occu"])
    if len(shares) != 1 or not abs(sum(shares.values()) - 1) <= 1e-8:  # NaN is none
        raise Unusable("partial occupancy")
    [symbol] = shares
    if symbol not in ATOMIC_NUMBERS:
        raise Unusable(f"unknown element ({symbol!r:.40})")
    return ATOMIC_NUMBERS[symbol]
