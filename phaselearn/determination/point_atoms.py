"""Merged intensities as the solver takes them: |F| of point atoms at rest, in P1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import gemmi
import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.observed import Observed
from phaselearn.crystal.wilson import Wilson, normalised, wilson_fit
from phaselearn.measured.cells import lattice_of
from phaselearn.measured.french_wilson import amplitudes
from phaselearn.measured.merging import Merged, expanded


def observed_in_p1(merged: Merged, probe: str) -> tuple[Observed, Wilson]:
    """Return the reflections of P1, freed from scale and displacement, and the Wilson fit that this took.

    Intensities become amplitudes by French and Wilson's posterior means, so weak and negative ones count as what they
    say. The fit assumes no composition: what a file states may be wrong, and a wrong one would be worse than none.

    Args:
        merged: unique reflections under the Laue group, with σ.
        probe: `xray`, `electron` or `neutron`.
    """
    amplitude, _ = amplitudes(merged)
    hkl, value, sigma = expanded(replace(merged, intensity=amplitude))
    lattice = torch.tensor(lattice_of(merged.cell), dtype=torch.float32)
    # On a scale of 1: float32 holds squares of these.
    largest = max(float(np.max(value, initial=0.0)), np.finfo(float).tiny)
    scaled, deviation = (torch.from_numpy(each).float() for each in (value / largest, sigma / largest**2))
    observed = Observed.from_reflections(torch.from_numpy(hkl), scaled, lattice, deviation)
    fit = wilson_fit(observed, probe)
    return normalised(observed, fit, probe), fit


def listed_atoms(contents: Mapping[str, float]) -> Tensor | None:
    """Return the atomic numbers (1, A) of what is stated to be in the cell; None where a number of atoms is missing.

    Args:
        contents: {element: atoms in the cell}, 0 where the number is not known.
    """
    atoms = [gemmi.Element(symbol).atomic_number for symbol, count in contents.items() for _ in range(round(count))]
    known = bool(atoms) and all(count > 0 for count in contents.values())
    return torch.tensor([sorted(atoms, reverse=True)]) if known else None
