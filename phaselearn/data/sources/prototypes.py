"""The embedded source: AFLOW prototypes, which pymatgen ships, decorated with chemically similar elements."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
from pymatgen.core import Element, Structure

from phaselearn.data.sources.structure_type import Cell, choose_cell, structure_type, symmetry_of, wrap
from phaselearn.data.sources.substitution import (
    bond_radius,
    covalent_radius,
    electronegativity_spread,
    replacements,
)
from phaselearn.data.structures import Crystal, LeftOut, Source
from phaselearn.errors import UserError, choose

_CELLS = ("primitive", "conventional")
_STRAIN = 0.015  # standard deviation of the strain that is added, within the symmetry
_CONTACT = 1.3  # longest distance that counts as a contact, relative to that of the nearest neighbour
_TIGHTEST_CONTACT = 0.8  # length of a contact relative to its radii, at least so much of the parent's
_SHORTEST_BOND = 0.75  # distance of any two atoms, relative to the sum of their covalent radii
_VOLUMES = (3.0, 120.0)  # Å³ for each atom
_MOST_DECORATIONS = 5000  # decorations of one prototype
_LARGEST_PARENT = 110  # atoms
_LAST_ORTHORHOMBIC = 74  # space group
_TRIAL_SCALES = (0.75, 0.85, 0.95, 1.05, 1.15, 1.3)


@dataclass(frozen=True)
class _Parent:
    """A prototype as it was published: its cell, and the values that decorating it needs."""

    name: str
    cell: Cell
    element_of: np.ndarray  # (n,) place in `elements` of each atom
    elements: tuple[str, ...]
    amounts: tuple[int, ...]  # atoms of each element in the cell
    choices: tuple[tuple[str, ...], ...]  # allowed elements in place of each of `elements`
    prototype: str
    space_group: int
    type_varies: bool  # the letters of the Wyckoff positions change with the axial ratios
    rotations: np.ndarray  # point group, Cartesian (m, 3, 3)
    contacts: np.ndarray  # (k, 2) places in `elements` of two that touch
    contact_weights: np.ndarray  # (k,) share of all contacts
    separations: np.ndarray  # (e, e) shortest distance in Å between atoms of two of `elements`

    @property
    def decorations(self) -> int:
        return min(math.prod(map(len, self.choices)), _MOST_DECORATIONS)


class Prototypes(Source):
    """Decorated prototypes; the same seed gives the same crystals, and fewer crystals are the first of more.

    Each element is replaced by a similar one that can have its charge (see `substitution.replacements`). The cell is
    scaled by the bond lengths between neighbours, and strained at random by about 1.5 % within its symmetry, so that
    axial ratios vary. Decorations with atoms that are too close are passed over.

    Args:
        count: number of crystals.
        seed: seed of the choice and the strain.
        cell: the cell that each crystal gets: `primitive` (Niggli-reduced) or `conventional`.

    Raises:
        UserError: the count is below 1 or too large, the seed is below 0, or the cell is unknown.
    """

    name = "prototypes"
    licence = "MIT (pymatgen's package data)"
    attribution = (
        "AFLOW prototype encyclopedia: Mehl et al., Comput. Mater. Sci. 136, S1 (2017); "
        "Hicks et al., Comput. Mater. Sci. 161, S1 (2019); packaged with pymatgen"
    )

    def __init__(self, count: int, seed: int, cell: str) -> None:
        if count < 1:
            raise UserError(f"source.count={count}: at least 1 is needed, e.g. source.count=2000")
        if seed < 0:
            raise UserError(f"source.seed={seed}: a seed is 0 or more, e.g. source.seed=0")
        choose("source.cell", cell, _CELLS)
        self.count = count
        self.seed = seed
        self.cell = cell

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> str:
        """Return a digest of the settings and of the versions of the libraries that make the crystals."""
        versions = ":".join(version(name) for name in ("phaselearn", "pymatgen", "spglib"))
        return hashlib.sha256(
            f"{self.name}:{self.rules}:{self.count}:{self.seed}:{self.cell}:{versions}".encode()
        ).hexdigest()

    def __iter__(self) -> Iterator[Crystal | LeftOut]:
        made = 0
        seen: set[tuple[str, str]] = set()
        for parent, rank in self._order():
            crystal = self._decorate(parent, rank)
            if crystal is None or (crystal.prototype, crystal.formula) in seen:
                continue
            seen.add((crystal.prototype, crystal.formula))
            yield crystal
            made += 1
            if made == self.count:
                return
        raise UserError(
            f"source.count={self.count}: the prototypes give {made} distinct crystals; ask for at most so many, "
            f"e.g. source.count={made}, or use source=file"
        )

    def _order(self) -> Iterator[tuple[_Parent, int]]:
        """Yield every decoration: one of each prototype in turn, so that no structure type outweighs the others."""
        parents = list(_parents(self.cell))
        random.Random(self.seed).shuffle(parents)
        ranks = [
            random.Random(f"{self.seed}:{parent.name}").sample(
                range(math.prod(map(len, parent.choices))), parent.decorations
            )
            for parent in parents
        ]
        for turn in range(max(map(len, ranks))):
            for parent, order in zip(parents, ranks, strict=True):
                if turn < len(order):
                    yield parent, order[turn]

    def _decorate(self, parent: _Parent, rank: int) -> Crystal | None:
        elements = []
        for options in parent.choices:
            rank, choice = divmod(rank, len(options))
            elements.append(options[choice])
        if len(set(elements)) < len(elements):
            return None
        ratios = _lengths(parent, tuple(elements)) / _lengths(parent, parent.elements)
        scale = float(parent.contact_weights @ ratios)
        radii = np.array([covalent_radius(symbol) for symbol in elements])
        bonds = scale * parent.separations / (radii[:, None] + radii)
        if scale / ratios.max() < _TIGHTEST_CONTACT or bonds.min() < _SHORTEST_BOND:
            return None
        identifier = f"{parent.name}:{'-'.join(elements)}"
        draw = np.random.default_rng([self.seed, int(hashlib.sha256(identifier.encode()).hexdigest()[:12], 16)])
        lattice = scale * _strained(parent.cell[0], parent.rotations, draw, _STRAIN)
        positions = parent.cell[1]
        if not _VOLUMES[0] <= abs(np.linalg.det(lattice)) / len(positions) <= _VOLUMES[1]:
            return None
        numbers = np.array([Element(symbol).Z for symbol in elements], dtype=np.int64)[parent.element_of]
        prototype, space_group = parent.prototype, parent.space_group
        if parent.type_varies:
            prototype, space_group = structure_type((lattice, positions, numbers))
        return Crystal(
            id=identifier,
            lattice=lattice,
            numbers=numbers,
            positions=positions,
            prototype=prototype,
            space_group=space_group,
        )


def _lengths(parent: _Parent, elements: tuple[str, ...]) -> np.ndarray:
    """Return the expected bond length (k,) in Å of each kind of contact."""
    spread = electronegativity_spread(elements, parent.amounts)
    radii = np.array([bond_radius(symbol, spread) for symbol in elements])
    return radii[parent.contacts].sum(1)


def _strained(lattice: np.ndarray, rotations: np.ndarray, draw: np.random.Generator, size: float) -> np.ndarray:
    """Return the lattice under a random strain that keeps its symmetry, since it is averaged over the point group."""
    strain = draw.normal(scale=size, size=(3, 3))
    strain = (strain + strain.T) / 2
    strain = (rotations @ strain @ rotations.transpose(0, 2, 1)).mean(0)
    return lattice @ (np.eye(3) + strain)


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


@cache
def _parents(cell: str) -> tuple[_Parent, ...]:
    """Return the prototypes that can be decorated, in the library's order."""
    found: list[_Parent] = []
    names: Counter[str] = Counter()
    for label, structure in aflow_library():
        names[label] += 1
        # Some labels belong to several structures, which differ in axial ratios or free coordinates.
        name = label if names[label] == 1 else f"{label}.{names[label]}"
        if structure.is_ordered and len(structure) <= _LARGEST_PARENT:
            parent = _parent(name, structure, cell)
            if parent is not None:
                found.append(parent)
    return tuple(found)


def _parent(name: str, structure: Structure, kind: str) -> _Parent | None:
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
    operations = symmetry_of(cell).rotations
    # A rotation W of fractional coordinates is Lᵀ W L⁻ᵀ on Cartesian ones.
    rotations = lattice.T @ np.unique(operations, axis=0) @ np.linalg.inv(lattice.T)
    contacts, weights, separations = _contacts(lattice, positions, element_of)
    divisor = math.gcd(*amounts.tolist())
    return _Parent(
        name=name,
        cell=(lattice, wrap(np.asarray(positions)), np.asarray(numbers)),
        element_of=element_of,
        elements=elements,
        amounts=tuple(amounts.tolist()),
        choices=replacements(dict(zip(elements, (amounts // divisor).tolist(), strict=True))),
        prototype=prototype,
        space_group=space_group,
        type_varies=_type_varies(cell, (prototype, space_group), rotations),
        rotations=rotations,
        contacts=contacts,
        contact_weights=weights,
        separations=separations,
    )


def _type_varies(cell: Cell, declared: tuple[str, int], rotations: np.ndarray) -> bool:
    """Return whether scale, strain within the symmetry or other elements change the name of the structure type.

    In triclinic to orthorhombic groups, the lengths of the axes and the order of the atomic numbers decide between
    settings, in which the Wyckoff positions have different letters. And some structures are so close to a higher
    symmetry that they have it at some axial ratios.
    """
    if declared[1] > _LAST_ORTHORHOMBIC:
        return False
    lattice, positions, numbers = cell
    draw = np.random.default_rng(0)
    # Each trial puts the elements in another order.
    kinds = np.unique(numbers, return_inverse=True)[1]
    trials = (
        (
            scale * _strained(lattice, rotations, draw, 3 * _STRAIN),
            positions,
            draw.permutation(kinds.max() + 1)[kinds] + 1,
        )
        for scale in _TRIAL_SCALES
    )
    return any(structure_type(trial) != declared for trial in trials)


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
