"""The embedded source: AFLOW prototypes, which pymatgen ships, decorated with chemically similar elements."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from importlib.metadata import version

import numpy as np
from pymatgen.core import Element

from phaselearn.data.sources.parents import PARENT_CELLS, STRAIN, Parent, parents
from phaselearn.data.sources.structure_type import SYMMETRY_PRECISION, structure_type
from phaselearn.data.sources.substitution import bond_radius, covalent_radius, electronegativity_spread
from phaselearn.data.split import bucket, split_of
from phaselearn.data.structures import Crystal, LeftOut, Source
from phaselearn.errors import UserError, check_whole, choose

_TIGHTEST_CONTACT = 0.8  # length of a contact relative to its radii, at least so much of the parent's
_SHORTEST_BOND = 0.75  # distance of any two atoms, relative to the sum of their covalent radii
_HELD_OUT = 20  # % of the structure types, by the bucket of the name
_VOLUMES = (3.0, 120.0)  # Å³ for each atom


class Prototypes(Source):
    """Decorated prototypes; the same seed gives the same crystals, and fewer crystals are the first of more.

    Each element is replaced by a similar one that can have its charge (see `substitution.replacements`). The cell is
    scaled by the bond lengths between neighbours, and strained at random by about 1.5 % within its symmetry, so that
    axial ratios vary. Decorations with atoms that are too close are passed over.

    A fifth of the structure types are held out of training: of these only formulas of the other splits are made.

    Args:
        count: number of crystals.
        seed: seed of the choice and the strain.
        cell: the cell that each crystal gets: `primitive` (Niggli-reduced) or `conventional`.

    Raises:
        UserError: the count is below 1 or too large, the seed is below 0, or the cell is unknown.
    """

    name = "prototypes"
    rules = 2
    licence = "MIT (pymatgen's package data)"
    attribution = (
        "AFLOW prototype encyclopedia: Mehl et al., Comput. Mater. Sci. 136, S1 (2017); "
        "Hicks et al., Comput. Mater. Sci. 161, S1 (2019); packaged with pymatgen"
    )

    def __init__(self, count: int, seed: int, cell: str) -> None:
        check_whole("source.count", count, least=1, example=2000)
        check_whole("source.seed", seed, least=0, example=1)
        choose("source.cell", cell, PARENT_CELLS)
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
            if bucket(crystal.prototype) < _HELD_OUT and split_of(crystal.formula) == "train":
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

    def _order(self) -> Iterator[tuple[Parent, int]]:
        """Yield every decoration: one of each prototype in turn, so that no structure type outweighs the others."""
        shuffled = list(parents(self.cell))
        random.Random(self.seed).shuffle(shuffled)
        ranks = [
            random.Random(f"{self.seed}:{parent.name}").sample(range(parent.combinations), parent.decorations)
            for parent in shuffled
        ]
        for turn in range(max(map(len, ranks))):
            for parent, order in zip(shuffled, ranks, strict=True):
                if turn < len(order):
                    yield parent, order[turn]

    def _decorate(self, parent: Parent, rank: int) -> Crystal | None:
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
        lattice = scale * parent.strained(draw, STRAIN)
        positions = parent.positions
        if not _VOLUMES[0] <= abs(np.linalg.det(lattice)) / len(positions) <= _VOLUMES[1]:
            return None
        numbers = np.array([Element(symbol).Z for symbol in elements], dtype=np.int64)[parent.element_of]
        prototype, space_group = parent.prototype, parent.space_group
        if parent.type_varies or _is_nearly_special(lattice):
            prototype, space_group = structure_type((lattice, positions, numbers))
        return Crystal(
            id=identifier,
            lattice=lattice,
            numbers=numbers,
            positions=positions,
            prototype=prototype,
            space_group=space_group,
        )


def _is_nearly_special(lattice: np.ndarray) -> bool:
    """Whether edges are nearly but not quite equal, or angles nearly 60°, 90° or 120°: strain can make it so.

    Within the tolerance of a determination, such a crystal may have more symmetry than its prototype.
    """
    lengths = np.linalg.norm(lattice, axis=1)
    products = [(i, j, lattice[i] @ lattice[j] / (lengths[i] * lengths[j])) for i, j in ((0, 1), (0, 2), (1, 2))]
    differences = [abs(lengths[i] - lengths[j]) for i, j, _ in products]
    differences += [abs(abs(cosine) - special) * lengths.max() for *_, cosine in products for special in (0.0, 0.5)]
    return any(1e-6 < difference < 3 * SYMMETRY_PRECISION for difference in differences)


def _lengths(parent: Parent, elements: tuple[str, ...]) -> np.ndarray:
    """Return the expected bond length (k,) in Å of each kind of contact."""
    spread = electronegativity_spread(elements, parent.amounts)
    radii = np.array([bond_radius(symbol, spread) for symbol in elements])
    return radii[parent.contacts].sum(1)
