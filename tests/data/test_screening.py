"""Screening against pymatgen's distances and against a search of many images."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from phaselearn.data.screening import overlaps, screen
from phaselearn.data.sources.file import File
from phaselearn.data.structures import Crystal, LeftOut
from tests.conftest import random_crystals


def crystal(lattice: np.ndarray, positions: np.ndarray, numbers: np.ndarray | None = None) -> Crystal:
    positions = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    numbers = np.full(len(positions), 6) if numbers is None else np.asarray(numbers)
    return Crystal("x", np.asarray(lattice, np.float64), numbers, positions, "A_1_a", 1)


def shortest_distance(entry: Crystal, reach: int) -> float:
    """The shortest distance in Å, by trying every image up to `reach` cells away."""
    images = np.array(list(product(range(-reach, reach + 1), repeat=3)))
    difference = entry.positions[:, None, None] - entry.positions[None, :, None] + images
    distance = np.linalg.norm(difference @ entry.lattice, axis=-1)
    for atom in range(len(entry.numbers)):
        distance[atom, atom, len(images) // 2] = np.inf
    return float(distance.min())


def test_overlaps_are_those_of_pymatgen() -> None:
    lattices, numbers, positions = (values.numpy() for values in random_crystals(200, 12, seed=1))
    crystals = [
        crystal(lattice, position[number > 0], number[number > 0])
        for lattice, number, position in zip(lattices, numbers, positions, strict=True)
    ]
    expected = []
    for entry in crystals:
        distance = Structure(Lattice(entry.lattice), entry.numbers, entry.positions).distance_matrix
        np.fill_diagonal(distance, np.inf)
        expected.append(bool(distance.min() < 1.0))
    found = [reason == "atoms closer than 1 Å" for reason in screen(crystals, longest_edge=30.0, shortest_distance=1.0)]
    assert found == expected
    assert 20 < sum(expected) < 180


@pytest.mark.parametrize("kind", ["tiny", "skewed", "flat", "any"])
def test_cells_that_need_many_images(kind: str) -> None:
    draw = np.random.default_rng(7)
    crystals = []
    for _ in range(60):
        lattice = np.diag(draw.uniform(0.8, 3.0, 3))
        if kind == "skewed":
            lattice = np.array([[1, 0, 0], [draw.integers(-4, 5), 1, 0], [draw.integers(-4, 5), 3, 1]]) @ lattice
        if kind == "flat":
            lattice[2] = lattice[0] * draw.uniform(0.2, 0.8) + [0, 0, draw.uniform(0.2, 1.2)]
        if kind == "any":
            lattice = draw.normal(size=(3, 3)) * draw.uniform(0.8, 2.5)
            if abs(np.linalg.det(lattice)) < 0.4:
                continue
        lattice = lattice + draw.normal(scale=0.05, size=(3, 3))
        crystals.append(crystal(lattice, draw.random((draw.integers(1, 4), 3))))
    found = screen(crystals, longest_edge=30.0, shortest_distance=0.9)
    # Ten cells away in each direction is far beyond 0.9 Å in these cells.
    expected = [shortest_distance(entry, 10) < 0.9 for entry in crystals]
    assert [reason is not None for reason in found] == expected
    assert 10 < sum(expected) < 50


def test_an_atom_and_its_own_image() -> None:
    lattice = np.diag([0.45, 8.0, 8.0])
    assert screen([crystal(lattice, [0, 0, 0])], 30.0) == ["atoms closer than 0.5 Å"]
    assert screen([crystal(np.diag([0.55, 8.0, 8.0]), [0, 0, 0])], 30.0) == [None]


def test_padding_is_no_atom() -> None:
    lattice = 5 * torch.eye(3, dtype=torch.float64)[None]
    positions = torch.zeros(1, 3, 3, dtype=torch.float64)
    assert not overlaps(lattice, torch.tensor([[11, 0, 0]]), positions, 0.5).any()
    assert overlaps(lattice, torch.tensor([[11, 11, 0]]), positions, 0.5).all()


def test_every_reason() -> None:
    cube = np.eye(3) * 4
    flat = np.array([[4.0, 0, 0], [0, 4, 0], [4, 4, 1e-4]])
    cases = {
        "no atoms": crystal(cube, np.empty((0, 3))),
        "not finite": crystal(cube * np.nan, [0, 0, 0]),
        "unknown element": crystal(cube, [0, 0, 0], [150]),
        "degenerate cell": crystal(flat, [0, 0, 0]),
        "cell edge longer than 30 Å": crystal(np.diag([4, 4, 30.5]), [0, 0, 0]),
        "atoms closer than 0.5 Å": crystal(cube, [[0, 0, 0], [0, 0, 0.9]]),
    }
    assert [LeftOut("x", reason).cause for reason in screen(list(cases.values()), longest_edge=30.0)] == list(cases)
    assert screen([], longest_edge=30.0) == []


def test_elements_that_scatter_neutrons_in_an_unknown_way_are_left_out_of_neutron_data_alone() -> None:
    crystals = [crystal(np.eye(3) * 4, [0, 0, 0], [number]) for number in (92, 94)]
    assert screen(crystals, longest_edge=30.0) == [None, None]
    with_neutrons = screen(crystals, longest_edge=30.0, scattering="neutron")
    assert with_neutrons == [None, "no scattering length for neutrons is known (Pu)"]


def test_extreme_cells() -> None:
    needle = np.diag([0.11, 0.11, 20.0])
    sheared = np.array([[1.0, 0, 0], [300.0, 1, 0], [0, 0, 1.0]])
    assert screen([crystal(needle, [0, 0, 0])], 30.0) == ["atoms closer than 0.5 Å"]
    # Its second edge alone is long; on the reduced cell every edge is 1 Å.
    assert screen([crystal(sheared, [0, 0, 0])], 1000.0) == [None]


def test_an_image_that_only_the_reduced_cell_shows() -> None:
    """Edges of 7 Å and more, yet a lattice vector of 0.4 Å: b − 17 a."""
    skewed = np.array([[7.0, 0, 0], [17 * 7.0, 0.4, 0], [0, 0, 9.0]])
    assert screen([crystal(skewed, [0, 0, 0])], 1000.0) == ["atoms closer than 0.5 Å"]
    skewed[1, 1] = 0.6
    assert screen([crystal(skewed, [0, 0, 0])], 1000.0) == [None]


def test_a_cell_of_many_atoms() -> None:
    side = np.arange(12) / 12
    positions = np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3)
    near = positions.copy()
    near[-1] = near[0] + 0.01
    lattice, numbers = np.eye(3) * 18.0, np.arange(len(positions)) % 16 + 1
    found = screen([crystal(lattice, positions, numbers), crystal(lattice, near, numbers)], 30.0)
    assert found == [None, "atoms closer than 0.5 Å"]


@pytest.mark.slow
def test_the_shared_structures(shared_structures: Path) -> None:
    crystals = list(File(str(shared_structures), 2000, "", ""))
    reasons = screen(crystals, longest_edge=30.0)
    edges = [np.linalg.norm(entry.lattice, axis=1).max() for entry in crystals]
    # They were cleaned of close atoms; only long cells are left to find.
    assert [reason is not None for reason in reasons] == [edge > 30.0 for edge in edges]
