"""Stated symmetry operations: read by a strict grammar, checked to be a group, and compared with a cell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import gemmi
import numpy as np
import spglib
from scipy.spatial import cKDTree

from phaselearn.data.sources.structure_type import Cell, wrap
from phaselearn.data.structures import Unusable

ROUNDING = 0.7  # largest rounding error, in units of the last digit: 0.66 and 0.67 both stand for ⅔
FIT = 0.01  # largest misfit, see `Operations.misfit`
_SAME_TRANSLATION = 2e-3  # of a cell edge; enough for products of translations that are printed to four digits
_MOST_CENTRINGS = 64
_MOST = 48 * _MOST_CENTRINGS  # operations
_LONGEST = 100  # characters of a triplet
_SAME_POINT = 0.02  # Å
_CLOSE = 0.5  # Å: no two atoms are so close, so images that rounding may have separated are one atom
_KEPT = 0.1  # Å: largest distance of an image from the atom that it is taken for
_TERM = r"(?:[xyz]|\d{1,3}/[1-9]\d{0,2}|\d{0,3}\.\d{1,17}|\d{1,3}\.?)"
_COMPONENT = re.compile(rf"[+-]?{_TERM}(?:[+-]{_TERM})*")
_DECIMALS = re.compile(r"[+-]?\d*\.(\d{2,17})(?:\(\d+\))?")
_SIGNED_TERM = re.compile(rf"([+-]?)({_TERM})")


@dataclass(frozen=True)
class Operations:
    """The operations x → R x + t of a space group, centring included, in fractional coordinates.

    Attributes:
        rotations: matrices R (g, 3, 3) of whole numbers.
        translations: vectors t (g, 3) in [0, 1).
    """

    rotations: np.ndarray
    translations: np.ndarray

    def __post_init__(self) -> None:
        """Check that they are a group.

        Raises:
            Unusable: a determinant is not ±1, or a product is not among the operations.
        """
        object.__setattr__(self, "translations", wrap(self.translations))
        if not _is_group(self.rotations, self.translations):
            raise Unusable("operations that form no group")

    @classmethod
    def of_triplets(cls, triplets: Iterable[str]) -> Operations:
        """Return the operations of triplets such as `-x, y+1/2, 0.5-z`; triplets may be repeated.

        Raises:
            Unusable: a triplet cannot be read, or the operations form no group.
        """
        pairs = [_operation(triplet) for triplet in islice(triplets, _MOST + 1)]
        return cls(np.array([rotation for rotation, _ in pairs]), np.array([shift for _, shift in pairs]))

    @classmethod
    def of_gemmi(cls, group: gemmi.GroupOps) -> Operations:
        """Return the operations of a group of gemmi."""
        operations = list(group)
        denominator = gemmi.Op.DEN
        return cls(
            np.array([operation.rot for operation in operations]) // denominator,
            np.array([operation.tran for operation in operations]) / denominator,
        )

    def times(self, other: Operations) -> Operations:
        """Return the products of each operation with each of the others."""
        rotations = np.einsum("aij,bjk->abik", self.rotations, other.rotations)
        translations = np.einsum("aij,bj->abi", self.rotations, other.translations) + self.translations[:, None]
        return Operations(rotations.reshape(-1, 3, 3), translations.reshape(-1, 3))

    @cached_property
    def number(self) -> int:
        """The number of the space group, by spglib; 0 if it finds none."""
        found = spglib.get_spacegroup_type_from_symmetry(
            self.rotations.astype(np.intc), self.translations, symprec=_SAME_TRANSLATION
        )
        return 0 if found is None else int(found.number)

    def misfit(self, lattice: np.ndarray) -> float:
        """Return by how much the operations change the lengths and angles of a cell.

        It is the largest |RᵀGR − G|ᵢⱼ / √(GᵢᵢGⱼⱼ), where G is the metric tensor. Rounded or freely refined cells reach
        a few thousandths. Up to `FIT`, which is half a per cent of an edge or 0.6° of an angle, the operations fit.

        Args:
            lattice: cell vectors (3, 3) as rows, in Å.
        """
        metric = lattice @ lattice.T
        turned = self.rotations.transpose(0, 2, 1) @ metric @ self.rotations
        edges = np.sqrt(np.diag(metric))
        return float(np.abs((turned - metric) / np.outer(edges, edges)).max())

    def orbits(self, positions: np.ndarray, rounding: np.ndarray, lattice: np.ndarray, most: int) -> list[np.ndarray]:
        """Return the equivalent positions (m, 3) of each site.

        If rounding explains why images of a site do not coincide, the site is on a special position, and is moved
        there.

        Args:
            positions: fractional positions (n, 3) of the sites.
            rounding: largest rounding error (n, 3) of each coordinate.
            lattice: cell vectors (3, 3) as rows, in Å.
            most: largest number of atoms.

        Raises:
            Unusable: there would be more atoms.
        """
        orbits: list[np.ndarray] = []
        atoms = 0
        for position, doubt in zip(positions, rounding, strict=True):
            position, fixing = self._special(position, doubt, lattice)
            # The number of images follows from Lagrange's theorem, before they are made.
            atoms += len(self.rotations) // fixing
            if atoms > most:
                raise Unusable(f"more than {most:,} atoms")
            images = self.rotations @ position + self.translations
            orbits.append(images if fixing == 1 else _distinct(images, lattice))
        return orbits

    def _special(self, position: np.ndarray, doubt: np.ndarray, lattice: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the true position of a site, and the number of operations that leave it there."""
        shifts = self.rotations @ position + self.translations - position
        shifts -= np.round(shifts)
        explained = np.abs(self.rotations - np.eye(3)) @ doubt + 1e-9
        distances = np.linalg.norm(shifts @ lattice, axis=1)
        same = (distances < _SAME_POINT) | ((distances < _CLOSE) & (np.abs(shifts) <= explained).all(1))
        return position + shifts[same].mean(0), int(same.sum())

    def keep(self, cell: Cell) -> bool:
        """Return whether every operation maps every atom onto one of the same element."""
        lattice, positions, numbers = cell
        tree = cKDTree(wrap(positions), boxsize=1.0)
        for rotation, translation in zip(self.rotations, self.translations, strict=True):
            images = positions @ rotation.T + translation
            _, nearest = tree.query(wrap(images))
            shifts = images - positions[nearest]
            shifts -= np.round(shifts)
            if (numbers[nearest] != numbers).any() or (np.linalg.norm(shifts @ lattice, axis=1) > _KEPT).any():
                return False
        return True


def rounding_of(text: str) -> float:
    """Return the largest rounding error of a coordinate: 0.333 may stand for ⅓; 0, 0.5 and 1/3 are exact."""
    decimals = _DECIMALS.fullmatch(text)
    return ROUNDING * 10.0 ** -len(decimals[1]) if decimals else 0.0


def _distinct(images: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    points = []
    while len(images):
        points.append(images[0])
        shifts = images - images[0]
        shifts -= np.round(shifts)
        images = images[np.linalg.norm(shifts @ lattice, axis=1) >= _SAME_POINT]
    return np.array(points)


def _operation(triplet: str) -> tuple[np.ndarray, np.ndarray]:
    components = ["".join(component.split()) for component in triplet.lower().split(",")]
    rotation, translation = np.zeros((3, 3), dtype=np.int64), np.zeros(3)
    if len(components) != 3 or len(triplet) > _LONGEST:
        raise Unusable("operations that cannot be read")
    for row, component in enumerate(components):
        if not _COMPONENT.fullmatch(component) or any(component.count(axis) > 1 for axis in "xyz"):
            raise Unusable("operations that cannot be read")
        for sign, term in _SIGNED_TERM.findall(component):
            factor = -1 if sign == "-" else 1
            if term in "xyz":
                rotation[row, "xyz".index(term)] = factor
            else:
                translation[row] += factor * _fraction(term)
    return rotation, translation


def _fraction(term: str) -> float:
    """Return the value of `1/3`, of `0.25`, and of `0.33`, which stands for ⅓."""
    numerator, _, denominator = term.partition("/")
    if denominator:
        return int(numerator) / int(denominator)
    value, digits = float(term), len(term.partition(".")[2])
    nearest = round(24 * value) / 24  # all translations of the International Tables
    return nearest if digits > 1 and abs(value - nearest) <= ROUNDING * 10.0**-digits else value


def _is_group(rotations: np.ndarray, translations: np.ndarray) -> bool:
    """Return whether operations (R, t), modulo the lattice, include the identity and all their products."""
    if len(rotations) > _MOST or (np.abs(np.round(np.linalg.det(rotations))) != 1).any():
        return False
    codes = _codes(rotations)
    kinds, first = np.unique(codes, return_index=True)
    identity = np.searchsorted(kinds, _codes(np.eye(3, dtype=np.int64)))
    if identity == len(kinds) or kinds[identity] != _codes(np.eye(3, dtype=np.int64)) or len(kinds) > 48:
        return False
    cosets = [_distinct(translations[codes == kind], np.eye(3) / 10) for kind in kinds]
    # Each rotation goes with one translation and the centrings.
    if len({len(coset) for coset in cosets}) > 1 or len(cosets[0]) > _MOST_CENTRINGS:
        return False
    matrices, shifts = rotations[first], np.array(cosets)
    centrings, chosen = shifts[identity], shifts[:, 0]
    products = np.einsum("aij,bjk->abik", matrices, matrices)
    places = np.searchsorted(kinds, _codes(products)).clip(max=len(kinds) - 1)
    if (kinds[places] != _codes(products)).any():
        return False
    moved = np.einsum("aij,bj->abi", matrices, chosen) + chosen[:, None]
    turned = np.einsum("aij,bj->abi", matrices, centrings)
    return (
        _among(moved, shifts[places])
        and _among(turned, centrings)
        and _among(chosen[:, None] + centrings, shifts[:, None])
        and _among(centrings[:, None] + centrings, centrings)
    )


def _codes(rotations: np.ndarray) -> np.ndarray:
    """Return a whole number for each matrix (…, 3, 3) of entries between −32 and 31."""
    return (rotations.reshape(*rotations.shape[:-2], 9) + 32) @ (64 ** np.arange(9, dtype=np.int64))


def _among(shifts: np.ndarray, allowed: np.ndarray) -> bool:
    """Return whether each translation (…, 3), modulo the lattice, is one of those that are allowed (…, m, 3)."""
    away = shifts[..., None, :] - allowed
    away -= np.round(away)
    return bool((np.abs(away).max(-1).min(-1) < _SAME_TRANSLATION).all())
