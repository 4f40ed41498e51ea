"""Signs of a twin: rotations of the lattice that the crystal does not have, and intensities that are too much alike.

A twin by merohedry adds the intensities of reflections that a twin law brings together. It shows in three ways: the
lattice has more symmetry than the intensities; ⟨|E² − 1|⟩ and ⟨|L|⟩ are below those of single crystals (Stanley,
J. Appl. Cryst. 5 (1972) 191; Padilla & Yeates, Acta Cryst. D59 (2003) 1124); and for a twin law, the mean of
H = |I₁ − I₂| / (I₁ + I₂) gives the smaller fraction, α = ½ − ⟨H⟩ (Yeates, Acta Cryst. A44 (1988) 142).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.absences import choose_centring
from phaselearn.measured.centring import allowed_by
from phaselearn.measured.french_wilson import is_centric, mean_intensity
from phaselearn.measured.lattice_symmetry import lattice_rotations
from phaselearn.measured.laue_classes import laue_class_of, rotation_axis, rotation_order, written_axis
from phaselearn.measured.merging import Indices, Merged, code_of, orbits

# Padilla and Yeates's values: of a single crystal, and of a twin of two equal parts.
UNTWINNED_L, TWINNED_L = 0.5, 0.375
_NEIGHBOURS = np.array([(2, 0, 0), (0, 2, 0), (0, 0, 2), (2, 2, 0), (2, 0, 2), (0, 2, 2)])
_STRONG = 5.0  # ⟨I⟩/σ at resolutions that show a twin
_FEWEST = 50  # reflections
_MOST_NAMED = 3  # twin laws in a warning
_SUSPECT_FRACTION = 0.08
_SUSPECT_L = (UNTWINNED_L + 2 * TWINNED_L) / 3  # absences and pseudo-translations raise ⟨|L|⟩, twins lower it


@dataclass(frozen=True)
class TwinLaw:
    """A rotation of the lattice that the intensities do not have.

    Attributes:
        rotation: (3, 3), acting on indices as h' = h R.
        name: such as `2 along [1 1 0]`.
        fraction: the smaller part of the twin, by Yeates's H; NaN where too few strong pairs were measured.
        pairs: number of pairs.
    """

    rotation: NDArray[np.int64]
    name: str
    fraction: float
    pairs: int


@dataclass(frozen=True)
class Twinning:
    """Statistics of intensities, and the twin laws that the lattice allows.

    Attributes:
        e_squared_minus_one: ⟨|E² − 1|⟩ of acentric reflections: 0.736 for a single crystal without an inversion centre,
            0.968 with one, 0.541 for a twin of equal parts.
        mean_l: ⟨|L|⟩ of neighbouring acentric reflections: 0.5, 0.637 and 0.375.
        laws: one twin law of each coset, that of the largest fraction first.
        warnings: sentences on what speaks for a twin; empty where nothing does.
    """

    e_squared_minus_one: float
    mean_l: float
    laws: tuple[TwinLaw, ...]
    warnings: tuple[str, ...]


def look_for_twins(merged: Merged) -> Twinning:
    """Return what speaks for a twin.

    Args:
        merged: reflections that were merged in the Laue class of the crystal; what its centring forbids is left out.
    """
    allowed = allowed_by(choose_centring(merged).conditions, merged.hkl)
    laws = sorted(_laws(merged, allowed), key=lambda law: -np.nan_to_num(law.fraction, nan=-1.0))
    e_squared = merged.intensity / mean_intensity(merged)
    usable = allowed & ~is_centric(merged.hkl, laue_class_of(merged.rotations).proper)
    usable &= mean_intensity(merged) > _STRONG * merged.sigma
    moment = float(np.abs(e_squared[usable] - 1).mean()) if usable.sum() >= _FEWEST else float("nan")
    mean_l = _mean_l(merged, usable)
    warnings = []
    suspects = [law for law in laws if law.fraction >= _SUSPECT_FRACTION]
    if suspects:
        told = ", ".join(f"{law.name} (about {law.fraction:.0%})" for law in suspects[:_MOST_NAMED])
        told += f" and {len(suspects) - _MOST_NAMED} more" if len(suspects) > _MOST_NAMED else ""
        warnings.append(f"the crystal may be a twin by merohedry: {told}")
    if mean_l < _SUSPECT_L:
        warnings.append(
            f"⟨|L|⟩ = {mean_l:.3f}, where single crystals have at least {UNTWINNED_L} and twins of equal parts "
            f"{TWINNED_L}: the crystal may be a twin, and its Laue class lower than it seems"
        )
    return Twinning(moment, mean_l, tuple(laws), tuple(warnings))


def _laws(merged: Merged, allowed: NDArray[np.bool_]) -> list[TwinLaw]:
    """Return one rotation of each coset of the crystal's proper rotations in those of its lattice, but their own."""
    own = laue_class_of(merged.rotations).proper
    # What a centring forbids must stay forbidden, else the rotation is none of the centred lattice.
    present = merged.hkl[allowed]
    rest = {rotation.tobytes(): rotation for rotation in lattice_rotations(merged.cell)}
    laws = []
    while rest:
        first = min(rest.values(), key=_simplicity)
        for rotation in own:
            rest.pop((first @ rotation).tobytes(), None)
        if any((first == rotation).all() for rotation in own) or not _keeps(first, present, merged.hkl[~allowed]):
            continue
        fraction, pairs = _fraction(merged, allowed, first)
        name = f"{rotation_order(first)} along {written_axis(rotation_axis(first))}"
        laws.append(TwinLaw(first, name, fraction, pairs))
    return laws


def _simplicity(rotation: NDArray[np.int64]) -> tuple[int, int, bytes]:
    """Order rotations: the identity, then twofold axes, along edges of the cell first."""
    return rotation_order(rotation), int(np.abs(rotation).sum()), rotation.tobytes()


def _keeps(rotation: NDArray[np.int64], present: Indices, absent: Indices) -> bool:
    """Return whether a rotation brings no reflection that is present onto one that a centring forbids."""
    return not np.isin(code_of(present @ rotation), code_of(np.concatenate((absent, -absent)))).any()


def _fraction(merged: Merged, allowed: NDArray[np.bool_], rotation: NDArray[np.int64]) -> tuple[float, int]:
    """Return α by Yeates's H of strong reflections and of their twins, and the number of pairs."""
    # The mean at its resolution tells whether a reflection is measured well: its own intensity would choose alike ones.
    strong = allowed & (mean_intensity(merged) > _STRONG * merged.sigma)
    place = _places(merged, merged.hkl @ rotation)
    one = np.arange(len(merged))
    both = (one < place) & strong & strong[place]
    one, other = one[both], place[both]
    if len(one) < _FEWEST:
        return float("nan"), len(one)
    first, second = (np.maximum(merged.intensity[some], 0) for some in (one, other))
    total = np.maximum(first + second, np.finfo(np.float64).tiny)
    return float(np.clip(0.5 - (np.abs(first - second) / total).mean(), 0, 0.5)), len(one)


def _places(merged: Merged, hkl: Indices) -> NDArray[np.int64]:
    """Return the places (N,) of reflections (N, 3), or of their equivalents, among the unique ones; −1 if absent."""
    unique, owner, _ = orbits(np.concatenate((merged.hkl, hkl)), merged.rotations)
    place = np.full(len(unique), -1)
    place[owner[: len(merged)]] = np.arange(len(merged))
    return place[owner[len(merged) :]]


def _mean_l(merged: Merged, usable: NDArray[np.bool_]) -> float:
    """Return ⟨|L|⟩ of reflections and their neighbours of the same parities; NaN for few."""
    values = []
    for step in _NEIGHBOURS:
        place = _places(merged, merged.hkl + step)
        both = usable & (place >= 0) & usable[place]
        first, second = merged.intensity[both], merged.intensity[place[both]]
        total = first + second
        values.append(np.abs(first - second)[total > 0] / total[total > 0])
    every = np.minimum(np.concatenate(values), 1)
    return float(every.mean()) if len(every) >= _FEWEST else float("nan")
