"""The embedded source: AFLOW prototypes that pymatgen ships, decorated with chemically similar elements."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import product

import numpy as np
import spglib
from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY
from pymatgen.core import Composition, Element, Structure

from phaselearn.data.sources.symmetry import SYMMETRY_PRECISION, Cell, choose_cell, structure_type
from phaselearn.data.structures import Crystal, LeftOut, Source
from phaselearn.errors import UserError

_CELLS = ("primitive", "conventional")
_STRAIN = 0.015  # standard deviation of the strain that is added, within the symmetry
_TIGHTEST_CONTACT = 0.8  # of a decorated contact, relative to its radii, against the parent's
_VOLUMES = (3.0, 120.0)  # Å³ an atom
_MOST_DECORATIONS = 5000  # of one prototype
_LARGEST_PARENT = 110  # atoms


@dataclass(frozen=True)
class _Parent:
    """A prototype as it was published: its cell, and what a decoration needs of it."""

    name: str
    cell: Cell
    elements: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]  # allowed elements in place of each of `elements`
    prototype: str
    space_group: int
    rotations: np.ndarray  # point group, Cartesian (m, 3, 3)
    contacts: tuple[tuple[str, str], ...]  # pairs of elements that touch

    @property
    def decorations(self) -> int:
        return min(math.prod(map(len, self.choices)), _MOST_DECORATIONS)


class Prototypes(Source):
    """Decorated prototypes, as many as asked for, the same for the same seed; fewer are the first of more.

    An element is replaced by one of its group (for the d block also of the neighbouring groups, for the lanthanides
    by any of them); the cell is scaled by the radii of the atoms that touch, and strained at random by about 1.5 %
    within its symmetry, so that axial ratios vary. Decorations whose contacts become too tight are not made.

    Args:
        count: number of crystals.
        seed: of choice and strain.
        cell: `primitive` (Niggli-reduced) or `conventional`.

    Raises:
        UserError: a count below 1 or above what there is, an unknown cell.
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
        if cell not in _CELLS:
            raise UserError(f"source.cell={cell} is unknown: allowed are {', '.join(_CELLS)}, e.g. source.cell=primitive")
        self.count = count
        self.seed = seed
        self.cell = cell

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> str:
        """Return a digest of the settings and of pymatgen's version."""
        text = f"{self.name}:{self.count}:{self.seed}:{self.cell}:{version('pymatgen')}"
        return hashlib.sha256(text.encode()).hexdigest()

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
            f"source.count={self.count}: the prototypes give {made} distinct crystals; ask for at most so many, e.g. "
            f"source.count={made}, or use source=file"
        )

    def _order(self) -> Iterator[tuple[_Parent, int]]:
        """Yield every decoration: in turn one of each prototype, so that no type outweighs the others."""
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
        new = dict(zip(parent.elements, elements, strict=True))
        ratios = [
            (_radius(new[a]) + _radius(new[b])) / (_radius(a) + _radius(b)) for a, b in parent.contacts
        ]
        scale = sum(ratios) / len(ratios)
        if scale / max(ratios) < _TIGHTEST_CONTACT:
            return None
        lattice, positions, numbers = parent.cell
        draw = np.random.default_rng([self.seed, int(hashlib.sha256(f"{parent.name}:{elements}".encode()).hexdigest()[:12], 16)])
        strain = draw.normal(scale=_STRAIN, size=(3, 3))
        strain = (strain + strain.T) / 2
        # Averaged over the point group a strain keeps every symmetry.
        strain = (parent.rotations @ strain @ parent.rotations.transpose(0, 2, 1)).mean(0)
        lattice = scale * lattice @ (np.eye(3) + strain)
        if not _VOLUMES[0] <= abs(np.linalg.det(lattice)) / len(numbers) <= _VOLUMES[1]:
            return None
        numbers = np.array([Element(new[Element.from_Z(int(z)).symbol]).Z for z in np.unique(numbers)])[
            np.unique(numbers, return_inverse=True)[1]
        ]
        symbols, counts = np.unique(numbers, return_counts=True)
        formula = Composition({Element.from_Z(int(z)).symbol: int(n) for z, n in zip(symbols, counts, strict=True)})
        return Crystal(
            id=f"{parent.name}:{'-'.join(elements)}",
            formula=formula.reduced_formula,
            lattice=lattice,
            numbers=numbers.astype(np.int64),
            positions=positions,
            prototype=parent.prototype,
            space_group=parent.space_group,
        )


@cache
def _radius(symbol: str) -> float:
    """Return Slater's atomic radius in Å: its sums are bond lengths in ionic, covalent and metallic crystals.

    Slater, J. Chem. Phys. 41, 3199 (1964), as tabulated by pymatgen.
    """
    return float(Element(symbol).atomic_radius)


@cache
def _similar(symbol: str) -> tuple[str, ...]:
    """Return the elements that may stand in an element's place, itself included."""
    own = Element(symbol)
    if own.is_noble_gas or own.atomic_radius is None:
        return (symbol,)

    def alike(other: Element) -> bool:
        if other.atomic_radius is None or other.Z > 94 or other.is_noble_gas:
            return False
        if own.is_lanthanoid or own.is_actinoid:
            return other.is_lanthanoid if own.is_lanthanoid else other.is_actinoid
        if other.is_lanthanoid or other.is_actinoid or (own.symbol == "H") != (other.symbol == "H"):
            return False
        reach = 1 if own.block == "d" and other.block == "d" else 0
        return own.block == other.block and abs(own.group - other.group) <= reach

    return tuple(element.symbol for element in sorted(Element, key=lambda element: element.Z) if alike(element))


@cache
def _parents(cell: str) -> tuple[_Parent, ...]:
    """Return the prototypes that can be decorated, in the library's order."""
    found: dict[str, _Parent] = {}
    for entry in AFLOW_PROTOTYPE_LIBRARY:
        structure: Structure = entry["snl"].structure if hasattr(entry["snl"], "structure") else entry["snl"]
        if not structure.is_ordered or len(structure) > _LARGEST_PARENT:
            continue
        parent = _parent(entry["tags"]["aflow"], structure, cell)
        if parent is not None:
            found.setdefault(parent.name, parent)
    return tuple(found.values())


def _parent(name: str, structure: Structure, kind: str) -> _Parent | None:
    given = (structure.lattice.matrix, structure.frac_coords, np.array(structure.atomic_numbers))
    try:
        cell = choose_cell(given, kind)
        prototype, space_group = structure_type(cell)
    except ValueError:
        return None
    lattice, positions, numbers = cell
    elements = tuple(Element.from_Z(int(number)).symbol for number in np.unique(numbers))
    if any(Element(symbol).atomic_radius is None for symbol in elements):
        return None
    operations = spglib.get_symmetry_dataset(cell, symprec=SYMMETRY_PRECISION).rotations
    # A rotation W of fractional coordinates is Lᵀ W L⁻ᵀ on Cartesian ones.
    rotations = lattice.T @ operations @ np.linalg.inv(lattice.T)
    return _Parent(
        name=name,
        cell=(lattice, np.asarray(positions), np.asarray(numbers)),
        elements=elements,
        choices=tuple(_similar(symbol) for symbol in elements),
        prototype=prototype,
        space_group=space_group,
        rotations=rotations,
        contacts=_contacts(lattice, positions, numbers),
    )


def _contacts(lattice: np.ndarray, positions: np.ndarray, numbers: np.ndarray) -> tuple[tuple[str, str], ...]:
    """Return one pair of elements for each atom and its nearest neighbours (within 10 % of the nearest)."""
    images = np.array(list(product((-1, 0, 1), repeat=3)))
    vectors = (positions[None, :, None, :] + images - positions[:, None, None, :]) @ lattice
    distance = np.linalg.norm(vectors, axis=-1)
    distance[distance < 1e-6] = np.inf
    nearest = distance.min(axis=(1, 2))
    first, second, _ = np.nonzero(distance <= 1.1 * nearest[:, None, None])
    symbols = [Element.from_Z(int(number)).symbol for number in numbers]
    return tuple((symbols[i], symbols[j]) for i, j in zip(first, second, strict=True))
