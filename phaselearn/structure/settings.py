"""The tabulated setting that a group has in given axes, and the way to the standard setting."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

import gemmi
import numpy as np
import spglib
from numpy.typing import NDArray

from phaselearn.structure.geometry import symmetrised
from phaselearn.structure.integers import solved_modulo_one
from phaselearn.structure.lattice_points import primitive_basis
from phaselearn.structure.space_group import DENOMINATOR, SpaceGroup

_TOLERANCE = 1e-3  # of a translation
# Points of a crystal in general position, each of its own kind, so that it has no more symmetry than its operations.
_POINTS = np.array(
    ((0.1371, 0.2213, 0.3479), (0.4193, 0.0717, 0.1781), (0.2839, 0.4651, 0.0593), (0.0613, 0.3307, 0.4327))
)
_PRECISION = 1e-4  # Å


@dataclass(frozen=True, eq=False)
class Standard:
    """The standard setting of a group, and x' = P x + p to it.

    Attributes:
        group: the group in the standard setting: that of the International Tables, with origin choice 2 and
            hexagonal axes.
        matrix: P (3, 3).
        shift: p (3,).
    """

    group: SpaceGroup
    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]


def in_setting(
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
    centrings: NDArray[np.float64],
    lattice: NDArray[np.float64],
) -> tuple[SpaceGroup, NDArray[np.float64]] | None:
    """Return a group about a standard origin, and that origin (3,) in the coordinates of the given operations.

    Axes stay as they are. Where they are those of a tabulated setting, the origin is that of the setting, a centre of
    inversion if there is a choice; else that of the standard setting. None for a group with translations that are
    no multiples of 1/24, a superstructure of something smaller.

    Args:
        rotations: (G, 3, 3), the identity first, one of each rotation.
        translations: (G, 3), exact.
        centrings: (C, 3), zero first.
        lattice: (3, 3), rows in Å.
    """
    basis = primitive_basis(centrings)
    inverse = np.linalg.inv(basis)
    equations = np.rint(inverse @ (rotations - np.eye(3)) @ basis).astype(np.int64).reshape(-1, 3)
    for setting in _tabulated().get(_key(rotations, centrings), ()):
        wanted = np.empty_like(translations)
        wanted[_order(rotations)] = _sorted_translations(setting)
        # About an origin o the translation t becomes t + (R − 1) o.
        solution = solved_modulo_one(equations, ((wanted - translations) @ inverse.T).ravel())
        if solution is not None:
            return setting, basis @ solution
    return _untabulated(rotations, translations, centrings, lattice)


def standard_setting(group: SpaceGroup, lattice: NDArray[np.float64]) -> Standard | None:
    """Return the standard setting of a group; None where spglib finds none.

    Args:
        group: a group in any axes.
        lattice: (3, 3), rows in Å.
    """
    lattice = symmetrised(lattice, group.rotations[group.primitive])
    positions = (np.einsum("gij,pj->pgi", group.rotations, _POINTS) + group.translations).reshape(-1, 3) % 1.0
    kinds = np.repeat(np.arange(len(_POINTS)), group.order)
    crystal = (lattice.tolist(), positions.tolist(), kinds.tolist())
    found = spglib.get_symmetry_dataset(crystal, symprec=_PRECISION)
    hall = spglib.get_spacegroup_type(found.hall_number) if found is not None else None
    if found is not None and hall is not None and hall.choice == "1":  # the next entry has the inversion at the origin
        found = spglib.get_symmetry_dataset(crystal, symprec=_PRECISION, hall_number=found.hall_number + 1)
        hall = spglib.get_spacegroup_type(found.hall_number) if found is not None else None
    if found is None or hall is None:
        return None
    reference = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(hall.hall_symbol))
    if reference is None:
        return None
    matrix, shift = np.array(found.transformation_matrix), np.array(found.origin_shift)
    return Standard(SpaceGroup.named(reference.xhm()), matrix, shift)


def _untabulated(
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
    centrings: NDArray[np.float64],
    lattice: NDArray[np.float64],
) -> tuple[SpaceGroup, NDArray[np.float64]] | None:
    about = _group(rotations, translations, centrings, "", 0)
    standard = standard_setting(about, lattice)
    if standard is None:
        return None
    origin = -np.linalg.solve(standard.matrix, standard.shift).astype(np.float64)
    moved = translations + rotations @ origin - origin
    grid = moved * DENOMINATOR
    if np.abs(grid - np.round(grid)).max() > _TOLERANCE * DENOMINATOR:
        return None
    exact = np.round(grid) / DENOMINATOR
    return _group(rotations, exact, centrings, standard.group.symbol, standard.group.number), origin


def _group(
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
    centrings: NDArray[np.float64],
    symbol: str,
    number: int,
) -> SpaceGroup:
    return SpaceGroup(
        rotations=np.concatenate([rotations] * len(centrings)),
        translations=np.concatenate([(translations + centring) % 1.0 for centring in centrings]),
        symbol=symbol,
        number=number,
        is_tabulated=False,
    )


@cache
def _tabulated() -> dict[bytes, list[SpaceGroup]]:
    """Return all tabulated settings by their rotations and centring, an inversion at the origin before others."""
    table = defaultdict(list)
    for entry in gemmi.spacegroup_table():
        setting = SpaceGroup.named(entry.xhm())
        table[_key(setting.rotations[setting.primitive], setting.centrings)].append(setting)
    for settings in table.values():
        settings.sort(key=lambda setting: not setting.has_inversion_at_origin)
    return table


def _key(rotations: NDArray[np.int64], centrings: NDArray[np.float64]) -> bytes:
    vectors = np.unique(np.rint(centrings * DENOMINATOR).astype(np.int64) % DENOMINATOR, axis=0)
    return rotations[_order(rotations)].astype(np.int64).tobytes() + vectors.tobytes()


def _sorted_translations(setting: SpaceGroup) -> NDArray[np.float64]:
    rotations = setting.rotations[setting.primitive]
    return setting.translations[setting.primitive][_order(rotations)]


def _order(rotations: NDArray[np.int64]) -> NDArray[np.intp]:
    return np.lexsort(rotations.reshape(-1, 9).T)
