"""The atoms that least squares refines: the asymmetric unit as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from phaselearn.structure.sites import Site


@dataclass(frozen=True, eq=False)
class Model:
    """Atoms of an asymmetric unit.

    Attributes:
        elements: A symbols.
        positions: (A, 3) fractional.
        u_iso: (A,) in Å².
        occupancy: (A,) share of the images of a site that hold an atom.
        multiplicity: (A,) number of images in the cell.
        directions: A arrays (3, F), as in `Site`.
    """

    elements: tuple[str, ...]
    positions: NDArray[np.float64]
    u_iso: NDArray[np.float64]
    occupancy: NDArray[np.float64]
    multiplicity: NDArray[np.int64]
    directions: tuple[NDArray[np.float64], ...]

    @classmethod
    def of_sites(cls, sites: Sequence[Site], elements: Sequence[str], u_iso: float | NDArray[np.float64]) -> Self:
        """Return atoms on sites, all of them full."""
        return cls(
            elements=tuple(elements),
            positions=np.array([site.position for site in sites]).reshape(-1, 3),
            u_iso=np.broadcast_to(np.asarray(u_iso, dtype=np.float64), (len(sites),)).copy(),
            occupancy=np.ones(len(sites)),
            multiplicity=np.array([site.multiplicity for site in sites], dtype=np.int64),
            directions=tuple(site.directions for site in sites),
        )

    def __len__(self) -> int:
        """Return the number of atoms."""
        return len(self.elements)

    def selected(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """Return some of the atoms."""
        places = np.arange(len(self))[rows].tolist()
        return replace(
            self,
            elements=tuple(self.elements[place] for place in places),
            positions=self.positions[places],
            u_iso=self.u_iso[places],
            occupancy=self.occupancy[places],
            multiplicity=self.multiplicity[places],
            directions=tuple(self.directions[place] for place in places),
        )

    def joined(self, other: Self) -> Self:
        """Return the atoms of both."""
        return replace(
            self,
            elements=self.elements + other.elements,
            positions=np.concatenate((self.positions, other.positions)),
            u_iso=np.concatenate((self.u_iso, other.u_iso)),
            occupancy=np.concatenate((self.occupancy, other.occupancy)),
            multiplicity=np.concatenate((self.multiplicity, other.multiplicity)),
            directions=self.directions + other.directions,
        )

    def with_elements(self, elements: Sequence[str]) -> Self:
        """Return the same atoms as other elements."""
        return replace(self, elements=tuple(elements))

    def contents(self) -> dict[str, float]:
        """Return the number of atoms of each element in the cell."""
        total: dict[str, float] = {}
        for element, amount in zip(self.elements, (self.multiplicity * self.occupancy).tolist(), strict=True):
            total[element] = total.get(element, 0.0) + amount
        return total
