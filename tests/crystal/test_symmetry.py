"""The symmetry score: gemmi's space groups as oracle, brute force over origins, and what it must not depend on."""

import gemmi
import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from phaselearn.crystal.density import blurred_structure_factors, structure_factors_from_map
from phaselearn.crystal.layout import friedel_mate
from phaselearn.crystal.symmetry import operation_scores
from tests.crystal.space_groups import lattice_of

SIZE = 12
IDENTITY = np.eye(3, dtype=int)


def operations(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All operations of a space group but the identity, centring translations included."""
    group = list(gemmi.find_spacegroup_by_number(number).operations())[1:]
    rotations = np.array([operation.rot for operation in group]) // gemmi.Op.DEN
    translations = np.array([operation.tran for operation in group]) / gemmi.Op.DEN
    return torch.from_numpy(rotations), torch.from_numpy(translations)


def factors(lattice: np.ndarray, positions: np.ndarray, sigma: float = 0.4) -> torch.Tensor:
    atoms = torch.from_numpy(positions)[None]
    numbers = torch.full(atoms.shape[:2], 9)
    return blurred_structure_factors(torch.from_numpy(lattice)[None], numbers, atoms, SIZE, sigma)[0]


def orbit(number: int, where: np.ndarray) -> np.ndarray:
    group = gemmi.find_spacegroup_by_number(number).operations()
    return np.array([operation.apply_to_xyz(where.tolist()) for operation in group])


@pytest.mark.parametrize("number", [4, 7, 14, 15, 19, 33, 62, 92, 144, 152, 161, 167, 178, 194, 198, 227])
def test_a_crystal_has_its_operations_wherever_its_origin_is(number: int) -> None:
    generator = np.random.default_rng(number)
    positions = orbit(number, generator.random(3)) + generator.random(3)
    scores = operation_scores(factors(lattice_of(number), positions), *operations(number))
    assert scores.min() > 0.999
    assert scores.max() <= 1 + 1e-9


def test_glides_and_screws_and_centring_are_told_from_what_lacks_them() -> None:
    """A mirror is not a glide, a twofold axis is not a screw axis, and a primitive cell is not centred."""
    where = np.array([0.11, 0.17, 0.23])
    for without, with_, operation in ((6, 7, 0), (3, 4, 0), (1, 5, 1)):
        lattice = lattice_of(7)
        scores = operation_scores(factors(lattice, orbit(without, where)), *operations(with_))
        assert scores[operation] < 0.6
        assert operation_scores(factors(lattice, orbit(with_, where)), *operations(with_))[operation] > 0.999


def test_scores_do_not_depend_on_the_origin_of_a_map_without_symmetry() -> None:
    generator = np.random.default_rng(1)
    positions = generator.random((6, 3))
    rotations, translations = operations(62)
    expected = operation_scores(factors(lattice_of(62), positions), rotations, translations)
    assert expected.min() < 0.1 < 0.5 < expected.max() < 0.9
    for _ in range(3):
        scores = operation_scores(factors(lattice_of(62), positions + generator.random(3)), rotations, translations)
        torch.testing.assert_close(scores, expected, atol=1e-3, rtol=0)
    # The hand does not matter either where the operations are their own mirror images.
    scores = operation_scores(factors(lattice_of(62), -positions), rotations, translations)
    torch.testing.assert_close(scores, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("number", [4, 7])
def test_the_best_origin_is_found(number: int) -> None:
    """Atoms moved about every origin of a grid, then about the best of all by SciPy's simplex."""
    lattice = lattice_of(19)
    positions = np.random.default_rng(number).random((3, 3))
    rotations, translations = operations(number)
    rotation, translation = rotations[0].numpy(), translations[0].numpy()
    own = factors(lattice, positions)
    own[0, 0, 0] = 0

    def correlation(origin: np.ndarray) -> float:
        moved = factors(lattice, (positions - origin) @ rotation.T + translation + origin)
        return float((moved.conj() * own).real.sum() / own.abs().square().sum())

    # Along the directions that the operation keeps the origin does not matter.
    free = (rotation != IDENTITY).any(0)
    origins = [np.array(place) / 12 * free for place in np.ndindex(*np.where(free, 12, 1))]
    starts = sorted(origins, key=correlation)[-5:]
    best = max(-minimize(lambda place: -correlation(place), start, method="Nelder-Mead").fun for start in starts)
    score = float(operation_scores(own, rotations, translations)[0])
    assert score == pytest.approx(best, abs=1e-3)
    assert score < 0.9


def test_a_map_with_random_phases_has_little_of_any_symmetry() -> None:
    lattice = lattice_of(62)
    amplitude = factors(lattice, orbit(62, np.array([0.11, 0.17, 0.23]))).abs()
    generator = torch.Generator().manual_seed(0)
    noise = structure_factors_from_map(
        torch.randn(1, SIZE, SIZE, SIZE, generator=generator, dtype=torch.float64), torch.from_numpy(lattice)[None]
    )[0]
    random = amplitude * noise / noise.abs().clamp_min(1e-12)
    torch.testing.assert_close(random, friedel_mate(random).conj(), atol=1e-9, rtol=0)
    assert operation_scores(random, *operations(62)).mean() < 0.5


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_flat_and_diverged_maps_have_no_score(value: float) -> None:
    box = torch.full((SIZE,) * 3, value, dtype=torch.complex64)
    assert operation_scores(box, *operations(62)).isnan().all()
