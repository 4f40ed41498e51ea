"""A space group as a list of operations in the axes of a cell, whichever setting that is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import gemmi
import numpy as np
from numpy.typing import NDArray

DENOMINATOR = 24  # of translations, as gemmi and the tabulated settings have them


@dataclass(frozen=True, kw_only=True, eq=False)
class SpaceGroup:
    """Operations x → R x + t of a cell, those of centred lattices included; the identity is the first.

    Attributes:
        rotations: (G, 3, 3) whole numbers.
        translations: (G, 3) multiples of 1/24 in [0, 1).
        symbol: Hermann–Mauguin symbol of this setting; of the standard one where these axes are not tabulated.
        number: number in the International Tables.
        is_tabulated: whether the symbol is that of this setting.
    """

    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    symbol: str
    number: int
    is_tabulated: bool = True

    @classmethod
    def named(cls, symbol: str) -> SpaceGroup:
        """Return a tabulated setting, such as `P 1 21/n 1` or `I 41/a :2`.

        Raises:
            ValueError: there is no such setting.
        """
        found = gemmi.find_spacegroup_by_name(symbol)
        if found is None:
            raise ValueError(f"no space group is called '{symbol}'")
        operations = list(found.operations())
        return cls(
            rotations=np.array([operation.rot for operation in operations]) // gemmi.Op.DEN,
            translations=np.array([operation.tran for operation in operations]) / gemmi.Op.DEN % 1.0,
            symbol=found.xhm(),
            number=found.number,
        )

    @cached_property
    def primitive(self) -> NDArray[np.intp]:
        """Places of one operation for each rotation: the group without its centring."""
        _, first = np.unique(self.rotations.reshape(-1, 9), axis=0, return_index=True)
        return np.sort(first)

    @cached_property
    def centrings(self) -> NDArray[np.float64]:
        """(C, 3) translations of the identity; (0, 0, 0) is the first."""
        pure = (self.rotations == np.eye(3, dtype=int)).all((1, 2))
        vectors = self.translations[pure]
        return vectors[np.argsort(vectors.any(1), kind="stable")]

    @property
    def order(self) -> int:
        """The number of operations in the cell, the largest multiplicity of a site."""
        return len(self.rotations)

    @cached_property
    def is_centrosymmetric(self) -> bool:
        """Whether the group has an inversion."""
        return bool((self.rotations == -np.eye(3, dtype=int)).all((1, 2)).any())

    @cached_property
    def has_inversion_at_origin(self) -> bool:
        """Whether x → −x is an operation, so that structure factors without anomalous scattering are real."""
        inverse = (self.rotations == -np.eye(3, dtype=int)).all((1, 2))
        return bool((self.translations[inverse] == 0).all(1).any())

    @cached_property
    def is_chiral(self) -> bool:
        """Whether all operations keep the hand (Sohncke groups): a structure and its mirror image are then distinct."""
        return bool((np.linalg.det(self.rotations) > 0).all())

    @cached_property
    def triplets(self) -> tuple[str, ...]:
        """The operations as `x,y,z`, `-x+1/2,y,-z`, …"""
        return tuple(operation.triplet() for operation in self.gemmi_operations())

    def gemmi_operations(self) -> list[gemmi.Op]:
        """Return the operations as gemmi has them."""
        operations = []
        for rotation, translation in zip(self.rotations, self.translations, strict=True):
            operation = gemmi.Op("x,y,z")
            operation.rot = (rotation * gemmi.Op.DEN).tolist()
            operation.tran = np.rint(translation * gemmi.Op.DEN).astype(int).tolist()
            operations.append(operation)
        return operations
