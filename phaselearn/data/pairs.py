"""The definition of a pair, the diffraction pattern and the density of a crystal, as a data configuration gives it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from phaselearn.crystal.choices import LAYOUTS, SAMPLINGS, SCATTERING, WEIGHTS
from phaselearn.errors import UserError, choose

# A configuration is checked and shown without torch, which takes seconds to import.
if TYPE_CHECKING:
    import numpy as np

    from phaselearn.crystal.layout import Shape
    from phaselearn.crystal.sphere import Sphere

FRAMES = ("fractional", "cartesian")
_FINEST, _COARSEST = 0.3, 10.0  # Å, resolutions of a sphere


@dataclass(frozen=True)
class PairDefinition:
    """The definition of the pairs in a store; stores with equal definitions hold comparable pairs.

    Attributes:
        size: N, number of points along each axis of pattern and map; None for a sphere.
        layout: layout of the pattern, `octant`, `full` or `sphere` (see `phaselearn.crystal.layout`).
        scattering: form factors of the atoms, `atomic_number`, `xray`, `electron` or `neutron`.
        b_iso: isotropic displacement parameter of all atoms in the intensities, in Å².
        weight: weight of an atom in the density, `atomic_number` or `unit`.
        sigma: standard deviation of an atom in the density, in Å.
        frame: frame of the voxels, `fractional` or `cartesian`.
        sampling: how the density is sampled, `point` or `band_limited`.
        resolution: d_min of a sphere in Å, for intensities and density; None for the other layouts.

    Raises:
        UserError: a value is not allowed.
    """

    size: int | None
    layout: str
    scattering: str
    b_iso: float
    weight: str
    sigma: float
    frame: str
    sampling: str
    resolution: float | None = None

    def __post_init__(self) -> None:
        allowed = {
            "layout": LAYOUTS,
            "scattering": SCATTERING,
            "weight": WEIGHTS,
            "frame": FRAMES,
            "sampling": SAMPLINGS,
        }
        for name, options in allowed.items():
            choose(f"data.definition.{name}", getattr(self, name), options, command="phaselearn train")
        if self.layout == "sphere":
            self._check_sphere()
        else:
            self._check_box()
        if self.sigma <= 0:
            raise _refused("sigma", self.sigma, "a positive width in Å", 0.35)
        if self.b_iso < 0:
            raise _refused("b_iso", self.b_iso, "at least 0 Å²", 1.0)

    def _check_box(self) -> None:
        if self.size is None or self.size < 4 or self.size % 2:
            raise _refused("size", self.size, "an even number of at least 4", 10)
        if self.resolution is not None:
            raise UserError(
                f"data.definition.resolution={self.resolution} belongs to layout=sphere, not to layout={self.layout}: "
                "take data=sphere1.0, or data.definition.resolution=null"
            )

    def _check_sphere(self) -> None:
        if self.size is not None:
            raise UserError(
                f"data.definition.size={self.size} is the size of one box, and with layout=sphere each crystal has its "
                "own: take data=sphere1.0, or data.definition.size=null data.definition.resolution=1.0"
            )
        if self.resolution is None or not _FINEST <= self.resolution <= _COARSEST:
            raise _refused("resolution", self.resolution, f"a resolution from {_FINEST} to {_COARSEST} Å", 1.0)
        needed = {"frame": "fractional", "sampling": "band_limited"}
        for name, only in needed.items():
            if getattr(self, name) != only:
                raise UserError(
                    f"data.definition.{name}={getattr(self, name)} with layout=sphere: its maps are single cells, made "
                    f"of the reflections in the sphere; data.definition.{name}={only} is needed"
                )

    @property
    def extent(self) -> str:
        """The reflections of a pair in words, such as `20³, octant layout` or `sphere of 1.0 Å`."""
        return f"sphere of {self.resolution} Å" if self.size is None else f"{self.size}³, {self.layout} layout"

    def fixed_size(self, asking: str) -> int:
        """Return N.

        Args:
            asking: name of the network that needs it, for the error.

        Raises:
            UserError: the pairs have boxes of their own.
        """
        if self.size is None:
            raise UserError(
                f"{asking} needs boxes of one size, and data.definition.layout={self.layout} gives each crystal its "
                "own: take model=unrolled, or data=hkl20_full"
            )
        return self.size

    def box(self) -> Shape:
        """Return the N × N × N of the definition.

        Raises:
            ValueError: the pairs have boxes of their own.
        """
        if self.size is None:
            raise ValueError(f"the layout {self.layout} has no box of one size")
        return self.size, self.size, self.size

    def sphere(self, lattice: np.ndarray) -> Sphere:
        """Return the reflections of a crystal in the layout `sphere`, from its lattice (3, 3) in Å.

        Raises:
            ValueError: the layout is another.
        """
        from phaselearn.crystal.sphere import Sphere

        return Sphere.of(lattice, self.finest)

    @property
    def finest(self) -> float:
        """d_min of the sphere in Å.

        Raises:
            ValueError: the layout is another.
        """
        if self.resolution is None:
            raise ValueError(f"the layout {self.layout} has no sphere")
        return self.resolution

    def may_list(self, lattice: np.ndarray) -> bool:
        """Return whether the box of a crystal, from its lattice (3, 3) in Å, is not too large to be worked with."""
        from phaselearn.crystal.sphere import MOST_POINTS, sphere_box

        return self.resolution is None or math.prod(sphere_box(lattice, self.resolution)) <= MOST_POINTS

    def list_length(self, lattice: np.ndarray) -> int:
        """Return how long the list of a crystal is, from its lattice (3, 3) in Å; 0 if the pairs are boxes."""
        return 0 if self.resolution is None else len(self.sphere(lattice))

    def sample_shapes(self, longest: int = 0) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the intensities and the density of a crystal as a store holds them.

        Args:
            longest: length of the longest list in the layout `sphere`; shorter ones are padded with zeros.
        """
        if self.size is None:
            return {"intensity": (longest,), "density": (longest, 2)}
        return {"intensity": (self.size,) * 3, "density": (self.size,) * 3}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the definition from the values that `as_dict` gives.

        Raises:
            TypeError: there are other values, or one is missing or of the wrong kind.
            UserError: a value is not allowed.
        """
        return cls(**{"size": None, **values})

    def as_dict(self) -> dict[str, object]:
        """Return the definition as plain values, without those that its layout does not have."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def difference(self, other: PairDefinition) -> dict[str, tuple[object, object]]:
        """Return the values that differ, as {name: (own value, other value)}."""
        mine, theirs = asdict(self), asdict(other)
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


def _refused(key: str, given: float | None, needed: str, example: float) -> UserError:
    key = f"data.definition.{key}"
    return UserError(f"{key}={given}: {needed} is needed, e.g. {key}={example}")
