"""The contents of a store in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from pymatgen.core import Element

from phaselearn.data.split import SPLITS, split_of
from phaselearn.data.store.files import array_of
from phaselearn.data.store.pair_store import PairStore

_ROWS_AT_ONCE = 65536
_ATOMS = (1, 3, 6, 11, 21, 41, 81, 161)
_VOLUMES = (0, 25, 50, 100, 200, 400, 800, 1600)
_SYSTEMS = {
    "triclinic": 2,
    "monoclinic": 15,
    "orthorhombic": 74,
    "tetragonal": 142,
    "trigonal": 167,
    "hexagonal": 194,
    "cubic": 230,
}


@dataclass(frozen=True)
class StoreSummary:
    """Counts of the crystals of a store; each histogram is {label: number of crystals}.

    Attributes:
        attributes: attributes of the store's group.
        crystals: number of crystals.
        formulas: number of different formulas.
        prototypes: number of different structure types.
        splits: number of crystals in each split.
        atoms: histogram of the number of atoms in the cell.
        volumes: histogram of the volume of the cell in Å³.
        systems: histogram of the crystal systems.
        space_groups: histogram of the space groups by number, the most frequent first.
        elements: number of crystals with each element, the most frequent first.
    """

    attributes: dict[str, Any]
    crystals: int
    formulas: int
    prototypes: int
    splits: dict[str, int]
    atoms: dict[str, int]
    volumes: dict[str, int]
    systems: dict[str, int]
    space_groups: dict[int, int]
    elements: dict[str, int]


def summarise(store: PairStore) -> StoreSummary:
    """Return the summary of a store, read some rows at a time.

    Raises:
        UserError: a chunk is damaged, or holds numbers that no crystal has.
    """
    formulas: Counter[str] = Counter()
    prototypes: set[str] = set()
    elements: Counter[int] = Counter()
    space_groups: Counter[int] = Counter()
    atoms = np.zeros(len(_ATOMS), dtype=np.int64)
    volumes = np.zeros(len(_VOLUMES), dtype=np.int64)
    for rows in _slices(array_of(store.group(), "lattice").shape[0]):
        formulas.update(store.rows("formula", rows).tolist())
        prototypes.update(store.rows("prototype", rows).tolist())
        space_groups.update(store.rows("space_group", rows).tolist())
        volumes += _histogram(np.abs(np.linalg.det(store.rows("lattice", rows))), _VOLUMES)
        offsets = store.rows("atom_offset", slice(rows.start, rows.stop + 1))
        atoms += _histogram(np.diff(offsets), _ATOMS)
        numbers = store.rows("atom_number", slice(int(offsets[0]), int(offsets[-1])))
        owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[: len(numbers)]
        present = np.unique(np.stack([owners, numbers]), axis=1)[1]
        elements.update(present.tolist())
    splits: Counter[str] = Counter()
    for formula, count in formulas.items():
        splits[split_of(formula)] += count
    return StoreSummary(
        attributes=store.attributes,
        crystals=formulas.total(),
        formulas=len(formulas),
        prototypes=len(prototypes),
        splits={split: splits[split] for split in SPLITS},
        atoms=dict(zip(_labels(_ATOMS, whole=True), atoms.tolist(), strict=True)),
        volumes=dict(zip(_labels(_VOLUMES, whole=False), volumes.tolist(), strict=True)),
        systems=_by_system(space_groups),
        space_groups=dict(sorted(space_groups.items(), key=lambda item: (-item[1], item[0]))),
        elements={
            Element.from_Z(number).symbol: count
            for number, count in sorted(elements.items(), key=lambda item: (-item[1], item[0]))
        },
    )


def _slices(count: int) -> Iterator[slice]:
    for start in range(0, count, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, count))


def _histogram(values: np.ndarray, edges: tuple[int, ...]) -> np.ndarray:
    """Return the number of values in each interval [edge, next edge); the last interval has no upper end."""
    return np.bincount(np.searchsorted(edges, values, side="right") - 1, minlength=len(edges))


def _labels(edges: tuple[int, ...], whole: bool) -> list[str]:
    inner = [f"{low}–{high - 1 if whole else high}" for low, high in pairwise(edges)]
    return [*inner, f"{edges[-1]} or more"]


def _by_system(space_groups: Counter[int]) -> dict[str, int]:
    result = dict.fromkeys(_SYSTEMS, 0)
    for number, count in space_groups.items():
        result[next(system for system, last in _SYSTEMS.items() if number <= last)] += count
    return result
