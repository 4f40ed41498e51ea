"""Numbers that cannot be a cell are refused before a library sees them."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice

from phaselearn.data.admission import MOST_ATOMS, check_lattice, lattice_of, refusal
from phaselearn.data.sources.structure_type import crystal_of
from phaselearn.data.structures import LeftOut, Unusable

CUBE = np.eye(3) * 4.0
ORIGIN = np.zeros((1, 3))


def random_cell(atoms: int, kinds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    return np.eye(3) * (20 * atoms) ** (1 / 3), draw.random((atoms, 3)), draw.integers(1, kinds + 1, atoms)


BAD = {
    "nan in the lattice": (CUBE * np.nan, ORIGIN, [11]),
    "one nan": (np.where(np.eye(3)[::-1] > 0, np.nan, CUBE), ORIGIN, [11]),
    "inf in the lattice": (np.diag([4.0, np.inf, 4.0]), ORIGIN, [11]),
    "nan in a position": (CUBE, [[0.0, np.nan, 0.0]], [11]),
    "inf in a position": (CUBE, [[0.0, 0.0, -np.inf]], [11]),
    "a huge edge": (np.diag([1e308, 6.0, 7.0]), ORIGIN, [11]),
    "huge edges": (np.full((3, 3), 1e308), ORIGIN, [11]),
    "a tiny edge": (np.diag([1e-300, 6.0, 7.0]), ORIGIN, [11]),
    "zeros": (np.zeros((3, 3)), ORIGIN, [11]),
    "a plane": (np.array([[4.0, 0, 0], [0, 4, 0], [4, 4, 0]]), ORIGIN, [11]),
    "too skewed": (np.array([[4.0, 0, 0], [900, 0.1, 0], [0, 0, 4]]), ORIGIN, [11]),
    "a position far away": (CUBE, [[1e20, 0.0, 0.0]], [11]),
    "a position at 1e308": (CUBE, [[0.0, -1e308, 0.0]], [11]),
    "no atoms": (CUBE, np.empty((0, 3)), []),
    "no element": (CUBE, ORIGIN, [0]),
    "a heavy element": (CUBE, ORIGIN, [99]),
    "far more atoms than have room": (
        np.diag([0.21, 0.31, 0.12]),
        np.random.default_rng(0).random((5, 3)),
        [1, 2, 2, 2, 2],
    ),
    "two atoms that are nearly one": (CUBE, [[0.0, 0.0, 0.0], [0.001, 0.0, 0.0]], [11, 17]),
    "very many atoms": random_cell(MOST_ATOMS + 1, 90),
    "many atoms of one element": random_cell(2000, 1),
}


@pytest.mark.parametrize("name", BAD)
def test_spglib_never_sees_what_is_no_cell(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(*_: object, **__: object) -> None:
        pytest.fail("spglib was asked")

    for function in ("get_symmetry_dataset", "find_primitive", "niggli_reduce", "standardize_cell"):
        monkeypatch.setattr(spglib, function, seen)
    lattice, positions, numbers = (np.array(values) for values in BAD[name])
    with pytest.raises(Unusable) as refused:
        crystal_of("x", (lattice, positions, numbers.astype(int)), "primitive")
    assert str(refused.value) == (refusal(lattice, numbers, positions) or "atoms closer than 0.5 Å")
    assert "\n" not in str(refused.value)


def test_the_reason_names_the_number_and_the_bound() -> None:
    reason = refusal(np.diag([4.0, 4.0, 2e9]), np.array([11]), ORIGIN)
    assert reason == "cell edge outside 0.1 to 1000 Å (2e+09 Å)"
    # Entries are counted by what they have in common.
    assert LeftOut("x", reason).cause == "cell edge outside 0.1 to 1000 Å"


@pytest.mark.parametrize("kinds", [3, 60])
def test_large_cells_of_several_elements_are_admitted(kinds: int) -> None:
    lattice, positions, numbers = random_cell(1500, kinds)
    assert refusal(lattice, numbers, positions) is None


def test_lattices_of_edges_and_angles_are_those_of_pymatgen() -> None:
    draw = np.random.default_rng(1)
    made = 0
    for _ in range(300):
        lengths, angles = draw.uniform(2, 30, 3), draw.uniform(10, 170, 3)
        try:
            lattice = lattice_of(tuple(lengths), tuple(angles))
        except Unusable:
            # pymatgen clips the cosine of what is not an angle.
            a, b, c = np.sort(angles)
            assert a + b - c < 0.5 or a + b + c > 359.5
            continue
        made += 1
        np.testing.assert_allclose(Lattice(lattice).parameters, [*lengths, *angles], atol=1e-8)
        assert np.linalg.det(lattice) > 0
        check_lattice(lattice)
    assert 80 < made < 250


@pytest.mark.parametrize(
    ("lengths", "angles", "told"),
    [
        ((5, 6, 7), (120, 130, 140), "do not fit together (120°, 130°, 140°)"),
        ((5, 6, 7), (30, 40, 120), "do not fit together"),
        ((5, 6, 7), (1.5708, 1.5708, 2.0944), "do not fit together"),
        ((5, 6, 7), (0, 90, 90), "outside 0° to 180° (0°)"),
        ((5, 6, 7), (90, 90, 180), "outside 0° to 180° (180°)"),
        ((5, 6, 7), (90, -90, 90), "outside 0° to 180° (-90°)"),
        ((5, 6, 7), (90, 90, 1200), "outside 0° to 180° (1200°)"),
        ((5, 6, 7), (90, 90, np.nan), "not finite"),
        ((1e308, 6, 7), (90, 90, 90), "edge outside 0.1 to 1000 Å (1e+308 Å)"),
        ((5, -6, 7), (90, 90, 90), "edge outside 0.1 to 1000 Å (-6 Å)"),
        ((5, 6, np.inf), (90, 90, 90), "not finite"),
    ],
)
def test_edges_and_angles_of_no_cell(lengths: tuple, angles: tuple, told: str) -> None:
    with pytest.raises(Unusable) as refused:
        lattice_of(lengths, angles)
    assert told in str(refused.value)
