"""Known crystals for the tests, and crystals that are isotypic with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from phaselearn.data.structures import Crystal
from phaselearn.solver.isotypes.collection import collected
from phaselearn.solver.isotypes.known_crystals import KnownCrystals
from tests.solver.crystals import triclinic

AXES = np.array([[1, 1, 0], [0, 1, 0], [-1, 0, 1]])  # other axes of the same lattice: determinant 1


def crystals(count: int = 20) -> list[Crystal]:
    """Return random triclinic crystals of six atoms, each of a type of its own."""
    lattice, numbers, positions = (values.numpy() for values in triclinic(count, seed=3))
    return [
        Crystal(
            f"known {row}", lattice[row].astype(float), numbers[row], positions[row].astype(float), f"type {row}", 1
        )
        for row in range(count)
    ]


def known(count: int = 20) -> KnownCrystals:
    return collected(crystals(count), "CC0; nobody")


def isotypic(crystal: Crystal, seed: int = 0) -> Crystal:
    """Return a crystal of the same type: strained, larger, with other axes, origin, hand and elements."""
    generator = np.random.default_rng(seed)
    strain = np.eye(3) + 0.015 * generator.standard_normal((3, 3))
    lattice = 1.1 * AXES @ crystal.lattice @ strain
    positions = -(crystal.positions + generator.random(3)) @ np.linalg.inv(AXES)
    return replace(crystal, lattice=lattice, positions=positions % 1.0, numbers=crystal.numbers + 5)


def reflections(crystal: Crystal, d_min: float = 1.2) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
    """Return the indices (n, 3) and structure factors (n,) of point atoms, by the definition."""
    edges = np.linalg.norm(crystal.lattice, axis=1)
    h, k, l = (np.arange(-int(edge / d_min) - 1, int(edge / d_min) + 2) for edge in edges)  # noqa: E741
    hkl = np.stack(np.meshgrid(h, k, l, indexing="ij"), -1).reshape(-1, 3)
    near = np.linalg.norm(hkl @ np.linalg.inv(crystal.lattice).T, axis=1) <= 1 / d_min
    half = hkl @ np.array([10000, 100, 1]) > 0
    hkl = hkl[near & half]
    return hkl, np.exp(2j * np.pi * hkl @ crystal.positions.T) @ crystal.numbers
