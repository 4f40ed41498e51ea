"""SHELX: a .res file to refine on, and the reflections beside it as HKLF 4."""

from __future__ import annotations

import math
from collections.abc import Sequence

import gemmi
import numpy as np

from phaselearn.measured.composition import contents_of_formula
from phaselearn.structure.candidate import Atom, Candidate
from phaselearn.structure.scattering_factors import gaussians
from phaselearn.structure.space_group import SpaceGroup

# Centring vectors in twelfths and the number that LATT has for them.
_LATTICES = {
    frozenset(): 1,
    frozenset({(6, 6, 6)}): 2,
    frozenset({(8, 4, 4), (4, 8, 8)}): 3,
    frozenset({(0, 6, 6), (6, 0, 6), (6, 6, 0)}): 4,
    frozenset({(0, 6, 6)}): 5,
    frozenset({(6, 0, 6)}): 6,
    frozenset({(6, 6, 0)}): 7,
}
_LARGEST = 99999.0  # intensity that eight columns with two decimals hold
_LONGEST_LABEL = 4
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def res_text(candidate: Candidate, title: str) -> str:
    """Return the text of a .res file for SHELXL, which finds the constraints of special positions itself.

    Args:
        candidate: the structure.
        title: one line of it.
    """
    group, fit = candidate.space_group, candidate.fit
    contents = _contents(candidate)
    elements = list(contents)
    a, b, c, alpha, beta, gamma = candidate.cell
    number, operations = _symmetry(group)
    lines = [
        f"TITL {' '.join(title.split())[:60]} in {group.symbol}",
        f"REM R1 {fit.r1:.4f} for {fit.strong} Fo > 4sig(Fo), {fit.r1_all:.4f} for all {fit.reflections} (PhaseLearn)",
        f"CELL {candidate.wavelength or 0.71073:.5f} {a:.4f} {b:.4f} {c:.4f} {alpha:.4f} {beta:.4f} {gamma:.4f}",
        f"ZERR {candidate.units} 0 0 0 0 0 0",
        f"LATT {number}",
        *(f"SYMM {operation}" for operation in operations),
        *(["NEUT"] if candidate.probe == "neutron" else []),
        *_scattering(elements, candidate.probe),
        f"UNIT {' '.join(f'{contents[element]:g}' for element in elements)}",
        *("L.S. 10", "FMAP 2", "PLAN 20", "BOND"),
        f"WGHT {fit.weight_a:.4f} {fit.weight_b:.4f}",
        f"FVAR {math.sqrt(candidate.scale * _hkl_factor(candidate)):.5f}",
    ]
    for label, atom in zip(_labels(candidate.atoms), candidate.atoms, strict=True):
        share = 10 + atom.occupancy * atom.multiplicity / group.order
        x, y, z = atom.xyz
        place = elements.index(atom.element) + 1
        lines.append(f"{label:<4} {place:2d} {x:10.6f} {y:10.6f} {z:10.6f} {share:9.5f} {atom.u_iso:8.5f}")
    return "\n".join((*lines, "HKLF 4", "END", ""))


def hkl_text(candidate: Candidate) -> str:
    """Return the merged reflections as HKLF 4, on a scale that the columns can hold; that of `res_text` fits to it."""
    table, factor = candidate.reflections, candidate.scale * _hkl_factor(candidate)
    lines = [
        "".join(f"{index:4d}" for index in hkl) + f"{intensity:8.2f}{sigma:8.2f}"
        for hkl, intensity, sigma in zip(
            table.hkl.tolist(),
            (table.intensity * factor).tolist(),
            np.maximum(table.sigma * factor, 0.01).tolist(),
            strict=True,
        )
    ]
    return "\n".join((*lines, f"{0:4d}{0:4d}{0:4d}{0:8.2f}{0:8.2f}", ""))


def _contents(candidate: Candidate) -> dict[str, float]:
    """Return the atoms in the cell of each element, in the order of the formula.

    Hydrogen that was stated but not located is among them: whoever adds it by HFIX finds it in SFAC.
    """
    stated = {element: candidate.units * count for element, count in contents_of_formula(candidate.formula).items()}
    found: dict[str, float] = {}
    for atom in candidate.atoms:
        found[atom.element] = found.get(atom.element, 0.0) + atom.multiplicity * atom.occupancy
    return stated | found


def _scattering(elements: Sequence[str], probe: str) -> list[str]:
    """Return SFAC by names, which stand for X-rays, or after NEUT for neutrons; for electrons with their factors."""
    if probe != "electron":
        return [f"SFAC {' '.join(elements)}"]
    lines = []
    for element in elements:
        values = [f"{value:.4f}" for value in gaussians(element, probe)]
        tabulated = gemmi.Element(element)
        lines += [
            f"SFAC {element} {' '.join(values[:6])} =",
            f" {' '.join(values[6:])} 0 0 0 {tabulated.covalent_r:.2f} {tabulated.weight:.3f}",
        ]
    return lines


def _hkl_factor(candidate: Candidate) -> float:
    """Return the factor that makes the strongest intensity 99999, so that weak ones keep their digits."""
    largest = float(np.abs(candidate.reflections.intensity).max(initial=0.0)) * candidate.scale
    return _LARGEST / largest if largest > 0 else 1.0


def _symmetry(group: SpaceGroup) -> tuple[int, list[str]]:
    """Return the number of LATT, negative without an inversion at the origin, and the operations of SYMM."""
    vectors = np.rint(group.centrings * 12).astype(int)
    number = _LATTICES.get(frozenset(tuple(vector) for vector in vectors.tolist() if any(vector)))
    kept: Sequence[int] = range(group.order) if number is None else group.primitive.tolist()
    if group.has_inversion_at_origin and number is not None:
        kept = [place for place in kept if np.linalg.det(group.rotations[place]) > 0]
    identity = np.eye(3, dtype=int)
    kept = [
        place
        for place in kept
        if (group.rotations[place] != identity).any() or (number is None and group.translations[place].any())
    ]
    sign = 1 if group.has_inversion_at_origin and number is not None else -1
    return sign * (number or 1), [group.triplets[place].upper() for place in kept]


def _labels(atoms: Sequence[Atom]) -> list[str]:
    """Return labels of at most four characters, no two alike: numbers that are too long get digits up to Z."""
    labels, used = [], set()
    for place, atom in enumerate(atoms):
        label = atom.label
        if len(label) > _LONGEST_LABEL or label.upper() in used:
            room = _LONGEST_LABEL - len(atom.element)
            numbers = (
                "".join(_DIGITS[(number // 36**digit) % 36] for digit in reversed(range(room)))
                for number in range(36 ** (room - 1) + place, 36**room)
            )
            label = next(name for text in numbers if (name := atom.element + text).upper() not in used)
        used.add(label.upper())
        labels.append(label)
    return labels
