"""Random crystals without end: space groups, cells, elements and orbits are drawn, and atoms keep their distance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import product

import numpy as np
from pymatgen.core import Element

from phaselearn.data.sources.random_source import RandomSource
from phaselearn.data.sources.space_groups import WEIGHTINGS, random_cell, weights
from phaselearn.data.sources.structure_type import Cell, crystal_of
from phaselearn.data.sources.substitution import HARDLY_ANY_COMPOUND, HEAVIEST, covalent_radius
from phaselearn.data.sources.wyckoff import WyckoffPosition, primitive_vectors, wyckoff_positions
from phaselearn.data.structures import Crystal, Unusable
from phaselearn.errors import UserError, choose

_ELEMENT_COUNTS = (0.02, 0.25, 0.52, 0.17, 0.04)  # probabilities of 1, 2, … elements, about as in inorganic crystals
_SMALLEST_RADIUS = 0.5  # Å; with its covalent radius, hydrogen would come closer than in its molecule
_VOLUMES = (1.0, 1.9)  # volume of the cell, relative to that of spheres with these radii
_CANDIDATES = 32  # random points that are tried at once for an orbit
_GROWTH = 1.03  # factor by which the volume grows if there is no room
_MOST_GROWTHS = 30  # number of times that a cell grows before other orbits are drawn
_TRIES = 30  # number of draws of orbits before the crystal gets an element less


class Synthetic(RandomSource):
    """Random crystals; crystal i of a seed is always the same, so that fewer crystals are the first of more.

    The space group is drawn first, then a cell of its crystal system, Wyckoff positions, elements and free
    coordinates. Any two atoms, images included, are at least `closest` times the sum of their covalent radii apart; if
    there is no room, the cell grows. All elements are equally likely, so that almost every formula is new.

    Args:
        count: number of crystals in a store; endless training takes no notice of it.
        seed: seed of everything that is drawn.
        cell: the cell that each crystal gets: `primitive` (Niggli-reduced) or `conventional`.
        space_groups: frequencies of the space groups: `inorganic` (as in known inorganic crystals) or `uniform`.
        atoms: least and largest number of atoms in the primitive cell; space groups whose orbits are all larger are
            not drawn.
        closest: least distance of two atoms, relative to the sum of their covalent radii.

    Raises:
        UserError: the count is below 1, the seed is below 0, the cell or the weighting is unknown, the range of atoms
            is none, or the distance is not above 0 and at most 1.2.
    """

    name = "synthetic"

    def __init__(
        self, count: int, seed: int, cell: str, space_groups: str, atoms: Sequence[int], closest: float
    ) -> None:
        choose("source.space_groups", space_groups, WEIGHTINGS)
        if len(atoms) != 2 or not 1 <= atoms[0] <= atoms[1]:
            raise UserError(
                f"source.atoms={list(atoms)}: the least and the largest number are needed, e.g. source.atoms=[2,40]"
            )
        if not 0 < closest <= 1.2:
            raise UserError(f"source.closest={closest}: above 0 and at most 1.2, e.g. source.closest=0.8")
        super().__init__(count, seed, cell, space_groups, (atoms[0], atoms[1]), closest)
        self.space_groups = space_groups
        self.atoms = (atoms[0], atoms[1])
        self.closest = closest

    def crystal(self, number: int) -> Crystal:
        """Return crystal `number`, from 0 on, whatever the count."""
        draw = np.random.default_rng([self.seed, number])
        while True:
            _, cell = self.draw(draw)
            try:
                return crystal_of(f"synthetic-{self.seed}-{number}", cell, self.cell)
            except Unusable:  # spglib finds no symmetry
                continue

    def draw(self, draw: np.random.Generator) -> tuple[int, Cell]:
        """Return a space group's number, and the primitive cell of a random crystal with at least its symmetry."""
        while True:
            group = int(draw.choice(230, p=weights(self.space_groups))) + 1
            elements = _elements(draw)
            orbits = _enough_orbits(wyckoff_positions(group), len(elements), self.atoms, draw)
            if not orbits:
                continue
            numbers = _decorated(elements, len(orbits), draw)
            lattice = primitive_vectors(group) @ random_cell(group, draw)
            cell = _placed(orbits, numbers, lattice, self.closest, draw)
            if cell is not None:
                return group, cell


def _orbits(
    positions: Sequence[WyckoffPosition], atoms: tuple[int, int], draw: np.random.Generator
) -> list[WyckoffPosition]:
    """Return positions whose number of atoms is in the range; none if that fails.

    A position with more free coordinates is likelier, since known crystals are not made of special points alone.
    """
    # Uniform in the logarithm, so that small cells are as frequent as in known crystals.
    wanted = math.exp(draw.uniform(math.log(atoms[0]), math.log(atoms[1] + 1)))
    open_positions = list(positions)
    chosen: list[WyckoffPosition] = []
    total = 0
    while total < max(int(wanted), atoms[0]):
        room = (atoms[1] if total < atoms[0] else int(wanted)) - total
        fit = [position for position in open_positions if position.multiplicity <= room]
        if not fit:
            break
        kinds = sorted({position.freedom for position in fit})
        chances = np.array([kind + 1.0 for kind in kinds])
        freedom = kinds[draw.choice(len(kinds), p=chances / chances.sum())]
        of_kind = [position for position in fit if position.freedom == freedom]
        position = of_kind[draw.integers(len(of_kind))]
        chosen.append(position)
        total += position.multiplicity
        if not position.freedom:
            # A point can be occupied only once.
            open_positions.remove(position)
    return chosen if total >= atoms[0] else []


def _enough_orbits(
    positions: Sequence[WyckoffPosition], elements: int, atoms: tuple[int, int], draw: np.random.Generator
) -> list[WyckoffPosition]:
    """Return at least one position for each element, or fewer if the range of atoms allows no more."""
    for wanted in range(elements, 0, -1):
        for _ in range(_TRIES):
            orbits = _orbits(positions, atoms, draw)
            if len(orbits) >= wanted:
                return orbits
    return []


def _elements(draw: np.random.Generator) -> np.ndarray:
    """Return the atomic numbers of one to five different elements, drawn at random."""
    count = 1 + int(draw.choice(len(_ELEMENT_COUNTS), p=_ELEMENT_COUNTS))
    return draw.choice(_allowed_elements(), size=count, replace=False)


def _decorated(elements: np.ndarray, orbits: int, draw: np.random.Generator) -> np.ndarray:
    """Return an atomic number for each orbit; each element has an orbit, if there are enough."""
    elements = elements[:orbits]
    return draw.permutation(np.concatenate([elements, draw.choice(elements, size=orbits - len(elements))]))


@cache
def _allowed_elements() -> np.ndarray:
    return np.array(
        [
            element.Z
            for element in Element
            if element.Z <= HEAVIEST and not element.is_noble_gas and element.symbol not in HARDLY_ANY_COMPOUND
        ]
    )


def _placed(
    orbits: Sequence[WyckoffPosition],
    numbers: np.ndarray,
    lattice: np.ndarray,
    closest: float,
    draw: np.random.Generator,
) -> Cell | None:
    """Return the cell with atoms on every orbit, grown as far as needed; None if it would grow too far."""
    radii = np.array([covalent_radius(Element.from_Z(int(number)).symbol) for number in numbers])
    radii = np.maximum(radii, _SMALLEST_RADIUS)
    multiplicities = np.array([orbit.multiplicity for orbit in orbits])
    spheres = (multiplicities * 4 / 3 * math.pi * radii**3).sum()
    volume = spheres * math.exp(draw.uniform(*np.log(_VOLUMES)))
    lattice = lattice * (volume / abs(np.linalg.det(lattice))) ** (1 / 3)
    # Orbits with the fewest free coordinates first, since they cannot give way.
    order = np.argsort([orbit.freedom for orbit in orbits], kind="stable")
    for _ in range(_MOST_GROWTHS):
        images = _images(lattice, 2 * closest * radii.max())
        placed = np.empty((0, 3))
        placed_radii = np.empty(0)
        for place in order:
            points = _room(orbits[place], radii[place], placed, placed_radii, lattice, images, closest, draw)
            if points is None:
                break
            placed = np.concatenate([placed, points])
            placed_radii = np.concatenate([placed_radii, np.full(len(points), radii[place])])
        else:
            return lattice, placed, np.repeat(numbers[order], multiplicities[order])
        lattice = lattice * _GROWTH ** (1 / 3)
    return None


def _images(lattice: np.ndarray, longest: float) -> np.ndarray:
    """Return the translations (k, 3) in Å that may bring an atom closer than `longest` to another.

    They are added to differences of fractional positions that are wrapped to [−½, ½]. A vector of length r has
    fractional components of at most r·|a*|; if that is below ½, no translation but zero is needed.
    """
    reach = longest * np.linalg.norm(np.linalg.inv(lattice), axis=0)
    steps = [range(-n, n + 1) for n in np.where(reach < 0.5, 0, np.ceil(reach + 0.5)).astype(int)]
    translations = np.array(list(product(*steps)))
    return translations[np.argsort(np.abs(translations).sum(1), kind="stable")] @ lattice


def _room(
    orbit: WyckoffPosition,
    radius: float,
    placed: np.ndarray,
    placed_radii: np.ndarray,
    lattice: np.ndarray,
    images: np.ndarray,
    closest: float,
    draw: np.random.Generator,
) -> np.ndarray | None:
    """Return points (m, 3) of an orbit that are far enough from each other and from the placed atoms, or None."""
    candidates = draw.random((_CANDIDATES if orbit.freedom else 1, 3)) @ orbit.projection.T + orbit.offset
    points = np.einsum("mij,kj->kmi", orbit.rotations, candidates) + orbit.translations
    # By symmetry it is enough that one point of an orbit has room.
    others = np.concatenate([points, np.broadcast_to(placed, (len(candidates), *placed.shape))], axis=1)
    limits = closest * (radius + np.concatenate([np.full(orbit.multiplicity, radius), placed_radii]))
    away = others - candidates[:, None]
    away -= np.round(away)
    squares = np.square((away @ lattice)[:, :, None] + images).sum(-1)
    # The first point is the candidate itself, and the first translation none.
    squares[:, 0, 0] = np.inf
    fits = (squares.min(-1) >= limits**2).all(1)
    return points[fits.argmax()] if fits.any() else None
