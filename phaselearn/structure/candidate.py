"""A structure that explains the reflections: what `determine` ranks and the writers write."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.cells import Cell
from phaselearn.structure.space_group import SpaceGroup


@dataclass(frozen=True, kw_only=True)
class Atom:
    """An atom of the asymmetric unit.

    Attributes:
        label: name of the site, such as `C12`; no two sites share one.
        element: symbol.
        xyz: fractional coordinates.
        multiplicity: number of its images in the cell.
        occupancy: share of the images that hold an atom; 1 for a full site, on a special position, too.
        u_iso: isotropic displacement parameter U in Å².
    """

    label: str
    element: str
    xyz: tuple[float, float, float]
    multiplicity: int
    occupancy: float
    u_iso: float


@dataclass(frozen=True, kw_only=True)
class FitFigures:
    """How well a model explains the intensities, in the definitions of SHELXL.

    Attributes:
        r1: Σ||Fo| − |Fc|| / Σ|Fo| over reflections with Fo > 4σ(Fo), that is I > 2σ(I).
        r1_all: the same over all reflections.
        wr2: √(Σ w(Fo² − Fc²)² / Σ w Fo⁴).
        goodness: √(Σ w(Fo² − Fc²)² / (reflections − parameters)).
        parameters: number of refined parameters.
        reflections: number of unique reflections that the group allows.
        strong: number of those with Fo > 4σ(Fo).
        weight_a, weight_b: a and b of the weights w = 1/(σ² + (aP)² + bP), P = (max(Fo², 0) + 2Fc²)/3.
        largest_peak, deepest_hole: extremes of the last difference map, in electrons/Å³ (neutrons: fm/Å³).
    """

    r1: float
    r1_all: float
    wr2: float
    goodness: float
    parameters: int
    reflections: int
    strong: int
    weight_a: float
    weight_b: float
    largest_peak: float
    deepest_hole: float


@dataclass(frozen=True, kw_only=True)
class SymmetryEvidence:
    """The evidence for a space group.

    Attributes:
        agreement: mean cosine of the phase differences under the operations, over all but the identity; 1 is best.
        weakest: the least agreement of one operation.
        background: the agreement that a wrong translation reaches by chance.
        absent: number of measured reflections that the group forbids.
        absent_over_sigma: their mean I/σ; 0 where there are none.
        absent_share: their mean intensity, as a share of that of the reflections that are allowed.
        laue_share: order of the group's Laue class over that of the intensities; below 1 for a twin or a wrong group.
    """

    agreement: float
    weakest: float
    background: float
    absent: int
    absent_over_sigma: float
    absent_share: float
    laue_share: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ReflectionTable:
    """The unique reflections of a candidate, allowed ones alone, on the scale of its model.

    Attributes:
        hkl: (M, 3) int32.
        intensity: (M,) measured |F|² divided by the scale.
        sigma: (M,) its standard deviations.
        calculated: (M,) complex structure factors of the atoms.
    """

    hkl: NDArray[np.int32]
    intensity: NDArray[np.float64]
    sigma: NDArray[np.float64]
    calculated: NDArray[np.complex128]


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One of the ranked structures.

    Attributes:
        name: a, b, c, …, the best first.
        cell: a, b, c in Å, α, β, γ in degrees: those of the input.
        space_group: its operations in the axes of the input, about the origin of `origin`.
        origin: (3,) place of this origin in the coordinates of the phased input.
        atoms: atoms of the asymmetric unit.
        fit: figures of the refinement.
        symmetry: evidence for the space group.
        stated_share: share of atoms that the structure and the stated numbers have in common; 1 where none are stated.
        formula: composition of a formula unit, such as `C14 H14 O2`; hydrogen that was stated but not located counts.
        units: number of formula units in the cell, Z.
        scale: measured intensity / |F|².
        probe: `xray`, `electron` or `neutron`.
        wavelength: wavelength in Å; None where it is not known.
        hand: one line about what is known of the hand.
        flack: Flack parameter and its standard error; None where the anomalous signal does not carry it.
        notes: lines about what is doubtful.
        reflections: measured and calculated.
    """

    name: str
    cell: Cell
    space_group: SpaceGroup
    origin: tuple[float, float, float]
    atoms: tuple[Atom, ...]
    fit: FitFigures
    symmetry: SymmetryEvidence
    stated_share: float
    formula: str
    units: int
    scale: float
    probe: str
    wavelength: float | None
    hand: str
    flack: tuple[float, float] | None
    notes: tuple[str, ...]
    reflections: ReflectionTable
