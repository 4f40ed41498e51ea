"""Prepare the prototypes that `source=prototypes` decorates: `python -m phaselearn.data.sources.parent_library`.

It writes the file that `parents` reads. To prepare them takes seconds and the charges of all compounds, so that it is
done here, once for a release of pymatgen, and not in every process that makes crystals.
"""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
from pymatgen.core import Element, Structure

from phaselearn.data.sources.parents import PARENT_CELLS, PARENTS_FILE, STRAIN, Parent
from phaselearn.data.sources.structure_type import choose_cell, structure_type, symmetry_of, wrap
from phaselearn.data.sources.substitution import replacements
from phaselearn.files import write_whole

_CONTACT = 1.3  # longest distance that counts as a contact, relative to that of the nearest neighbour
_LARGEST_PARENT = 110  # atoms
_LAST_ORTHORHOMBIC = 74  # space group
_TRIAL_SCALES = (0.75, 0.85, 0.95, 1.05, 1.15, 1.3)


def aflow_library() -> Iterator[tuple[str, Structure]]:
    """Yield the labels and structures of pymatgen's `AFLOW_PROTOTYPE_LIBRARY`.

    They are read from its file, since on import pymatgen parses the BibTeX of every entry, which takes longer than a
    short training.
    """
    module = find_spec("pymatgen.analysis.prototypes")
    if module is None or module.origin is None:
        raise ModuleNotFoundError("pymatgen has no module pymatgen.analysis.prototypes")
    file = Path(module.origin).with_name("aflow_prototypes.json.gz")
    with gzip.open(file, "rt", encoding="utf-8") as text:
        for entry in json.load(text):
            yield entry["tags"]["aflow"], Structure.from_dict(entry["snl"])


def prepared(cell: str) -> Iterator[Parent]:
    """Yield the prototypes that can be decorated, in the library's order.

    Args:
        cell: the cell that they get, one of PARENT_CELLS.
    """
    names: Counter[str] = Counter()
    for label, structure in aflow_library():
        names[label] += 1
        # Some labels belong to several structures, which differ in axial ratios or free coordinates.
        name = label if names[label] == 1 else f"{label}.{names[label]}"
        if structure.is_ordered and len(structure) <= _LARGEST_PARENT:
            parent = _parent(name, structure, cell)
            if parent is not None:
                yield parent


def write_parents() -> None:
    """Write the file of prepared prototypes anew."""
    content = {cell: [asdict(parent) for parent in prepared(cell)] for cell in PARENT_CELLS}
    text = json.dumps(content, default=np.ndarray.tolist, separators=(",", ":"))
    # Without a time in its header, the file is the same whenever it is written.
    write_whole(PARENTS_FILE, gzip.compress(text.encode(), mtime=0))


def _parent(name: str, structure: Structure, kind: str) -> Parent | None:
    given = (structure.lattice.matrix, structure.frac_coords, np.array(structure.atomic_numbers))
    try:
        cell = choose_cell(given, kind)
        prototype, space_group = structure_type(cell)
    except ValueError:
        return None
    lattice, positions, numbers = cell
    present, element_of, amounts = np.unique(numbers, return_inverse=True, return_counts=True)
    elements = tuple(Element.from_Z(int(number)).symbol for number in present)
    if any(Element(symbol).atomic_radius is None for symbol in elements):
        return None
    contacts, weights, separations = _contacts(lattice, positions, element_of)
    divisor = math.gcd(*amounts.tolist())
    parent = Parent(
        name=name,
        lattice=np.asarray(lattice),
        positions=wrap(np.asarray(positions)),
        element_of=element_of,
        elements=elements,
        amounts=tuple(amounts.tolist()),
        choices=replacements(dict(zip(elements, (amounts // divisor).tolist(), strict=True))),
        prototype=prototype,
        space_group=space_group,
        type_varies=False,
        point_group=np.unique(symmetry_of(cell).rotations, axis=0),
        contacts=contacts,
        contact_weights=weights,
        separations=separations,
    )
    return replace(parent, type_varies=_type_varies(parent))


def _type_varies(parent: Parent) -> bool:
    """Return whether scale, strain within the symmetry or other elements change the name of the structure type.

    In triclinic to orthorhombic groups, the lengths of the axes and the order of the atomic numbers decide between
    settings, in which the Wyckoff positions have different letters. And some structures are so close to a higher
    symmetry that they have it at some axial ratios.
    """
    if parent.space_group > _LAST_ORTHORHOMBIC:
        return False
    draw = np.random.default_rng(0)
    # Each trial puts the elements in another order.
    trials = (
        (
            scale * parent.strained(draw, 3 * STRAIN),
            parent.positions,
            draw.permutation(len(parent.elements))[parent.element_of] + 1,
        )
        for scale in _TRIAL_SCALES
    )
    return any(structure_type(trial) != (parent.prototype, parent.space_group) for trial in trials)


def _contacts(
    lattice: np.ndarray, positions: np.ndarray, element_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the kinds of contact (k, 2) between neighbours, the share (k,) of each, and the separations (e, e)."""
    images = np.array(list(product((-1, 0, 1), repeat=3)))
    vectors = (positions[None, :, None, :] + images - positions[:, None, None, :]) @ lattice
    distance = np.linalg.norm(vectors, axis=-1)
    distance[distance < 1e-6] = np.inf
    nearest = distance.min(axis=(1, 2))
    first, second, _ = np.nonzero(distance <= _CONTACT * nearest[:, None, None])
    pairs = np.sort(np.stack([element_of[first], element_of[second]], axis=1), axis=1)
    kinds, amounts = np.unique(pairs, axis=0, return_counts=True)
    separations = np.full((element_of.max() + 1,) * 2, np.inf)
    np.minimum.at(separations, (element_of[:, None], element_of), distance.min(axis=2))
    return kinds, amounts / amounts.sum(), separations


if __name__ == "__main__":
    write_parents()
