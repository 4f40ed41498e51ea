"""Checks of pairs against their definition: they are computed again, and compared with closed forms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from phaselearn.crystal.density import structure_factors_from_map
from phaselearn.crystal.layout import friedel_mate, held_reflections
from phaselearn.data.pair_maps import make_pairs, pad_atoms
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.screening import screen
from phaselearn.data.store.files import PAIR_ARRAYS
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.structures import Crystal

_TOLERANCE = 1e-4  # of the largest value: pairs are kept in single precision


def wrong_physics(store: PairStore, rows: np.ndarray) -> Iterator[tuple[int, str]]:
    """Yield (row, problem) for those rows (k,) of a store whose crystal is unusable or whose pair is wrong."""
    crystals = [store.crystal(int(row)) for row in rows]
    stored = [store.read_pairs(name, rows) for name in PAIR_ARRAYS]
    reasons = screen(crystals, store.attributes["longest_edge"], scattering=store.definition.scattering)
    for place, (row, crystal, reason) in enumerate(zip(rows.tolist(), crystals, reasons, strict=True)):
        if reason is not None:
            yield row, f"the crystal cannot be used: {reason}"
            continue
        intensity, density = (values[place].astype(np.float64) for values in stored)
        for what in _wrong_pair(crystal, intensity, density, store.definition):
            yield row, what


def _wrong_pair(
    crystal: Crystal, intensity: np.ndarray, density: np.ndarray, definition: PairDefinition
) -> Iterator[str]:
    is_sphere = definition.layout == "sphere"
    if is_sphere:
        for name, values in zip(PAIR_ARRAYS, (intensity, density), strict=True):
            if values[definition.list_length(crystal.lattice) :].any():
                yield f"{name} has values behind its reflections"
    for name, found, expected in zip(PAIR_ARRAYS, (intensity, density), _computed(crystal, definition), strict=True):
        if not _agree(found[: len(expected)], expected):
            yield f"{name} is not that of the crystal"
    electrons = float(crystal.numbers.sum())
    total_intensity = intensity.flat[0]
    if definition.scattering == "atomic_number" and not _agree(total_intensity, np.array(electrons**2)):
        yield f"I(000) is {total_intensity:.6g}, not (ΣZ)² = {electrons**2:.6g}"
    if definition.layout == "full":
        if not _agree(friedel_mate(torch.from_numpy(intensity)).numpy(), intensity):
            yield "Friedel mates differ in intensity"
        if intensity[~held_reflections(definition.layout, definition.box()).numpy()].any():
            yield "a reflection on a Nyquist plane has an intensity"
    if definition.sampling == "band_limited" and definition.frame == "fractional":
        total = density[0, 0] if is_sphere else density.mean() * abs(np.linalg.det(crystal.lattice))
        expected_total = electrons if definition.weight == "atomic_number" else len(crystal.numbers)
        if not _agree(np.array(total), np.array(expected_total)):
            yield f"the density adds up to F(000) = {total:.6g}, not {expected_total:.6g}"


def _computed(crystal: Crystal, definition: PairDefinition) -> tuple[np.ndarray, np.ndarray]:
    """Return the pair of a crystal in double precision: boxes, or the lists of a sphere read from such boxes."""
    atoms = pad_atoms([crystal])
    if definition.layout != "sphere":
        intensity, density = make_pairs(*atoms, definition)
        return intensity[0].numpy(), density[0].numpy()
    sphere = definition.sphere(crystal.lattice)
    intensity, density = make_pairs(*atoms, definition, sphere.shape)
    factors = structure_factors_from_map(density, atoms[0])
    listed, of_density = (box.flatten()[sphere.places] for box in (intensity, factors))
    return listed.numpy(), torch.view_as_real(of_density).numpy()


def _agree(found: np.ndarray, expected: np.ndarray) -> bool:
    # NaN compares false, so it does not agree.
    return bool((np.abs(found - expected) <= _TOLERANCE * np.abs(expected).max()).all())
