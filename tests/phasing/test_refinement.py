"""Atoms fitted to amplitudes: against scipy, the structure factors of the crystals, and what |F| cannot see."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from torch import Tensor

from phaselearn.crystal.alignment import align
from phaselearn.crystal.judgement import true_map_factors
from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import friedel_mate, miller_indices, resized
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.phasing.atomic_model import AtomicModel
from phaselearn.phasing.least_squares import fit_atoms
from phaselearn.phasing.refinement import Refined, Refinement
from phaselearn.phasing.reflections import ReflectionList
from tests.phasing.atoms import LIMITS, REFINEMENT, SIZE, correlation, crystals, disturbed, observed_to


def model_of(reflections: ReflectionList, numbers: Tensor, positions: Tensor) -> AtomicModel:
    """Return the true atoms on the scale of the reflections."""
    weight = numbers.to(positions.dtype)
    model = AtomicModel(positions, weight, torch.zeros_like(weight))
    scale = reflections.amplitude.square().sum(1) / model.structure_factors(reflections).abs().square().sum(1)
    return replace(model, weight=model.weight * scale.sqrt()[:, None])


def test_reflections_are_one_of_each_friedel_pair_and_give_the_box_back() -> None:
    lattice, numbers, positions = crystals()
    lattice[1] *= 0.7  # fewer reflections than the others: padding
    observed = observed_to(1.5, lattice, numbers, positions)
    reflections = ReflectionList.of(observed)
    true = true_map_factors(observed, numbers, positions, "atomic_number")
    assert reflections.counts().tolist() == observed.unique_reflections().tolist()
    assert len(set(reflections.counts().tolist())) > 1
    torch.testing.assert_close(reflections.boxes(reflections.values(true)), true)
    index = inverse_d_squared(lattice, miller_indices("full", SIZE))
    torch.testing.assert_close(reflections.inverse_square * reflections.measured, reflections.values(index))
    norm = (reflections.index @ torch.linalg.inv(lattice).transpose(1, 2)).square().sum(-1)
    torch.testing.assert_close(reflections.inverse_square * reflections.measured, norm)


def test_atoms_scatter_as_the_crystal_does_and_less_with_displacement() -> None:
    lattice, numbers, positions = crystals()
    observed = observed_to(1.5, lattice, numbers, positions)
    reflections = ReflectionList.of(observed)
    boxes = structure_factors(lattice, numbers, positions, miller_indices("full", SIZE), b_iso=3.0)
    model = AtomicModel(positions, numbers.float(), torch.full(numbers.shape, 3.0))
    torch.testing.assert_close(model.structure_factors(reflections), reflections.values(boxes), rtol=1e-4, atol=1e-3)


ONE_B, OWN_B = torch.zeros(1, dtype=torch.bool), torch.ones(1, dtype=torch.bool)


@pytest.mark.parametrize("own_b", [ONE_B, OWN_B])
def test_displaced_atoms_go_back_as_far_as_with_scipy(own_b: Tensor) -> None:
    lattice, numbers, positions = crystals(1)
    reflections = ReflectionList.of(observed_to(1.3, lattice, numbers, positions))
    true = model_of(reflections, numbers, positions)
    shift = 0.02 * torch.randn(positions.shape, generator=torch.Generator().manual_seed(0))
    begun = AtomicModel(positions + shift, true.weight * 0.8, torch.full((1, 6), 2.0))
    fitted = fit_atoms(begun, reflections, 40, own_b)

    def difference(values: np.ndarray) -> np.ndarray:
        values = torch.from_numpy(values).float()
        model = AtomicModel(values[6:24].view(1, 6, 3), values[None, :6], values[None, 24:].expand(1, 6))
        return (model.structure_factors(reflections).abs() - reflections.amplitude)[0].double().numpy()

    displacements = begun.b_iso.flatten() if own_b else begun.b_iso[0, :1]
    values = torch.cat((begun.weight.flatten(), begun.position.flatten(), displacements)).double().numpy()
    oracle = least_squares(difference, values, diff_step=1e-4)
    assert difference(values) @ difference(values) > 1e-2
    assert fitted.r_factor(reflections).item() < 2e-3
    assert 2 * oracle.cost < 1e-5
    torch.testing.assert_close(fitted.weight, true.weight, rtol=1e-2, atol=1e-3)
    assert fitted.b_iso[0].tolist() == pytest.approx([0] * 6, abs=0.02)


def refined_by(refinement: Refinement, factors: Tensor, observed: Observed) -> Refined:
    (refined,) = refinement([factors], [observed])
    return refined


def test_rough_phases_become_right_and_random_ones_have_less_evidence() -> None:
    lattice, numbers, positions = crystals()
    observed = observed_to(1.6, lattice, numbers, positions)
    rough, random = (disturbed(observed, numbers, positions, degrees) for degrees in (40, 1000))
    before = correlation(rough, observed, numbers, positions)
    refined = refined_by(REFINEMENT, rough, observed)
    assert (before < 0.9).all()
    assert (correlation(refined.factors, observed, numbers, positions) > 0.99).all()
    assert (refined.r_factor < 0.01).all()
    assert (refined_by(REFINEMENT, random, observed).evidence < refined.evidence - 1).all()


def test_amplitudes_are_the_measured_ones_and_where_the_cell_begins_does_not_matter() -> None:
    lattice, numbers, positions = crystals()
    observed = observed_to(1.6, lattice, numbers, positions)
    rough = disturbed(observed, numbers, positions, 30)
    refined = refined_by(REFINEMENT, rough, observed)
    torch.testing.assert_close(refined.factors.abs(), observed.map_amplitude(), rtol=1e-4, atol=1e-3)
    for moved in (rough.conj(), rough * torch.exp(2j * math.pi * 3 / SIZE * miller_indices("full", SIZE))):
        again = refined_by(REFINEMENT, moved, observed)
        assert (align(again.factors, refined.factors).correlation > 0.999).all()


def test_form_factors_are_made_up_for_by_displacement() -> None:
    lattice, numbers, positions = crystals()
    observed = observed_to(1.4, lattice, numbers, positions)
    true = structure_factors(lattice, numbers, positions, miller_indices("full", SIZE), "xray", b_iso=1.0)
    observed = replace(observed, amplitude=true.abs() * observed.mask)
    rough = disturbed(observed, numbers, positions, 30)
    assert (refined_by(REFINEMENT, rough, observed).r_factor < 0.06).all()
    assert (correlation(refined_by(REFINEMENT, rough, observed).factors, observed, numbers, positions) > 0.98).all()


def noisy(observed: Observed, generator: torch.Generator, share: float, weakest: float) -> Observed:
    """Return |F| of intensities with normal errors that are a share of them, and of the mean `weakest` at least."""
    intensity = observed.amplitude.square()
    mean = (intensity.flatten(1).sum(1) / observed.mask.flatten(1).sum(1))[:, None, None, None]
    sigma = torch.maximum(share * intensity, weakest * mean) * observed.mask
    error = torch.randn(sigma.shape, generator=generator)
    error = (error + friedel_mate(error)) / math.sqrt(2)
    return replace(observed, amplitude=(intensity + sigma * error).clamp_min(0).sqrt(), sigma=sigma)


def test_atoms_of_different_displacements_and_a_negative_one_are_found() -> None:
    lattice, numbers, positions = crystals()
    observed = observed_to(0.9, lattice, numbers, positions)
    true_b = torch.tensor([-1.5, 0.0, 1.0, 2.0, 4.0, 8.0]).expand(3, 6)
    reflections = ReflectionList.of(observed)
    model = replace(model_of(reflections, numbers, positions), b_iso=true_b)
    reflections = replace(reflections, amplitude=model.structure_factors(reflections).abs())
    begun = replace(model, position=positions + 0.01, weight=model.weight * 0.9, b_iso=torch.ones(3, 6))
    each = fit_atoms(begun, reflections, 40, OWN_B.expand(3))
    torch.testing.assert_close(each.b_iso, true_b, rtol=0.05, atol=0.05)
    one = fit_atoms(begun, reflections, 40, ONE_B.expand(3))
    assert (one.b_iso == one.b_iso[:, :1]).all()
    assert (one.r_factor(reflections) > 10 * each.r_factor(reflections)).all()


def test_precise_reflections_weigh_more_than_noisy_ones() -> None:
    lattice, numbers, positions = crystals()
    exact = observed_to(1.2, lattice, numbers, positions)
    generator = torch.Generator().manual_seed(2)
    observed = noisy(exact, generator, 0.3, 0.3)
    precise = (torch.rand(exact.mask.shape, generator=generator) < 0.5) & exact.mask
    precise |= friedel_mate(precise)
    observed = replace(
        observed,
        amplitude=torch.where(precise, exact.amplitude, observed.amplitude),
        sigma=torch.where(precise, 1e-4 * observed.sigma, observed.sigma),
    )
    ends = []
    for part in (observed, replace(observed, sigma=None)):
        reflections = ReflectionList.of(part)
        fitted = fit_atoms(model_of(reflections, numbers, positions), reflections, 20, ONE_B.expand(3))
        ends.append(((fitted.position - positions) @ lattice).norm(dim=-1).mean(1))
    with_sigma, without = ends
    assert (with_sigma < 0.3 * without).all()


def test_the_r_of_the_noise_is_that_of_a_simulation() -> None:
    exact = observed_to(1.0, *crystals())
    for share in (0.05, 0.35):
        found = noisy(exact, torch.Generator().manual_seed(5), share, 0.01)
        expected = (found.amplitude - exact.amplitude).abs().flatten(1).sum(1) / found.amplitude.flatten(1).sum(1)
        torch.testing.assert_close(ReflectionList.of(found).r_of_noise(), expected, rtol=0.1, atol=0)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_atoms_that_fit_to_the_noise_explain_the_data_and_wrong_ones_do_not(share: float) -> None:
    lattice, numbers, positions = crystals()
    observed = noisy(observed_to(1.0, lattice, numbers, positions), torch.Generator().manual_seed(3), share, 0.02)
    right, random = (
        refined_by(REFINEMENT, disturbed(observed, numbers, positions, degrees), observed) for degrees in (30, 1000)
    )
    assert (right.evidence > REFINEMENT.enough).all()
    assert (right.r_factor < 0.15 * share).all()
    # From random phases some become right, and some do not.
    solved = correlation(random.factors, observed, numbers, positions) > 0.99
    assert len(solved.unique()) == 2
    assert torch.equal(random.evidence > REFINEMENT.enough, solved)
    assert (random.evidence[~solved] < REFINEMENT.enough - 2).all()
    # Without σ the same atoms fit as badly as the noise makes them.
    unknown = replace(observed, sigma=None)
    assert (refined_by(REFINEMENT, right.factors, unknown).r_factor > 0.25 * share).all()


@pytest.mark.parametrize(
    "bound",
    [
        {"reflections_per_atom": [60]},
        *(
            {"atoms": replace(LIMITS, **bound)}
            for bound in ({"most": 3}, {"volume": 120.0}, {"separation": 5.0, "closest": 5.0})
        ),
    ],
)
def test_there_are_no_more_atoms_than_allowed(bound: dict[str, object]) -> None:
    lattice, numbers, positions = crystals()
    observed = observed_to(1.6, lattice, numbers, positions)
    true = true_map_factors(observed, numbers, positions, "atomic_number")
    assert (refined_by(REFINEMENT, true, observed).r_factor < 0.01).all()
    assert (refined_by(replace(REFINEMENT, **bound), true, observed).r_factor > 0.05).all()


@pytest.mark.parametrize("values", [1, 5000, 60000])
def test_work_that_is_split_to_save_memory_gives_the_same(monkeypatch: pytest.MonkeyPatch, values: int) -> None:
    lattice, numbers, positions = crystals()
    observed = observed_to(1.6, lattice, numbers, positions)
    rough = disturbed(observed, numbers, positions, 30)
    whole = refined_by(REFINEMENT, rough, observed)
    monkeypatch.setattr("phaselearn.phasing.refinement._TOGETHER", values)
    for module in ("atomic_model", "least_squares"):
        monkeypatch.setattr(f"phaselearn.phasing.{module}.VALUES_AT_ONCE", max(values, 1000))
    split = refined_by(REFINEMENT, rough, observed)
    torch.testing.assert_close(split.factors, whole.factors, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(split.r_factor, whole.r_factor, rtol=1e-2, atol=1e-4)


def test_a_short_bond_is_resolved_where_the_data_are_fine() -> None:
    lattice = torch.tensor([[5.0, 0, 0], [0.3, 5.2, 0], [-0.2, 0.4, 5.4]])[None]
    numbers = torch.tensor([[6, 7, 8, 12]])
    positions = torch.tensor([[[0.1, 0.1, 0.1], [0.33, 0.1, 0.1], [0.6, 0.7, 0.2], [0.2, 0.6, 0.7]]])
    assert ((positions[0, 1] - positions[0, 0]) @ lattice[0]).norm() < 1.2
    for d_min, closest, fits in ((0.9, 1.0, True), (0.9, 1.3, False), (1.4, 1.0, False)):
        observed = observed_to(d_min, lattice, numbers, positions)
        refinement = replace(REFINEMENT, atoms=replace(LIMITS, closest=closest))
        true = true_map_factors(observed, numbers, positions, "atomic_number")
        refined = refined_by(refinement, true, observed)
        assert (refined.r_factor.item() < 0.01) == fits


@pytest.mark.parametrize("d_min", [6.0, 60.0])
def test_few_reflections_or_none_do_no_harm(d_min: float) -> None:
    lattice, numbers, positions = crystals()
    scarce = observed_to(d_min, lattice, numbers, positions)
    assert (scarce.unique_reflections() < 8).all()
    refined = refined_by(REFINEMENT, scarce.amplitude.to(torch.complex64), scarce)
    assert torch.isfinite(refined.factors.abs()).all()
    assert torch.isfinite(refined.evidence).all()


def test_sets_of_crystals_with_boxes_of_their_own_are_refined_as_each_by_itself() -> None:
    lattice, numbers, positions = crystals()
    fine, coarse = (observed_to(d_min, lattice, numbers, positions) for d_min in (1.6, 2.0))
    coarse = coarse[torch.tensor([2, 0])].cropped((SIZE - 2,) * 3)
    rough = disturbed(fine, numbers, positions, 40)
    small = resized(rough[[2, 0]], (SIZE - 2,) * 3)
    together = REFINEMENT([rough, small], [fine, coarse])
    for refined, *alone in zip(together, (rough, small), (fine, coarse), strict=True):
        by_itself = refined_by(REFINEMENT, *alone)
        torch.testing.assert_close(refined.factors, by_itself.factors, rtol=1e-3, atol=1e-2)
        torch.testing.assert_close(refined.r_factor, by_itself.r_factor, rtol=1e-2, atol=1e-4)


def test_fitted_together_or_alone_crystals_of_different_sizes_become_the_same() -> None:
    lattice, numbers, positions = crystals()
    reflections = ReflectionList.of(observed_to(1.6, lattice, numbers, positions))
    weight = numbers / 100 * torch.tensor([[1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0]])
    begun = AtomicModel(positions + 0.01, weight, torch.full((3, 6), 2.0))
    together = fit_atoms(begun, reflections, 6, ONE_B.expand(3))
    for row in range(3):
        alone = fit_atoms(begun[torch.tensor([row])], reflections[torch.tensor([row])], 6, ONE_B)
        torch.testing.assert_close(alone.weight[0], together.weight[row], rtol=1e-3, atol=1e-4)
        there = alone.weight[0] > 0
        torch.testing.assert_close(alone.position[0][there], together.position[row][there], rtol=1e-3, atol=1e-4)
