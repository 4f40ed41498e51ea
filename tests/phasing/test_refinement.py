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
from phaselearn.crystal.layout import miller_indices, resized
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.phasing.atomic_model import AtomicModel
from phaselearn.phasing.least_squares import fit_atoms
from phaselearn.phasing.refinement import Refined, Refinement
from phaselearn.phasing.reflections import ReflectionList
from tests.phasing.atoms import LIMITS, REFINEMENT, SIZE, correlation, crystals, disturbed, observed_to


def model_of(reflections: ReflectionList, numbers: Tensor, positions: Tensor) -> AtomicModel:
    """Return the true atoms on the scale of the reflections."""
    model = AtomicModel(positions, numbers.to(positions.dtype), positions.new_zeros(len(positions)))
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
    model = AtomicModel(positions, numbers.float(), torch.full((3,), 3.0))
    torch.testing.assert_close(model.structure_factors(reflections), reflections.values(boxes), rtol=1e-4, atol=1e-3)


def test_displaced_atoms_go_back_as_far_as_with_scipy() -> None:
    lattice, numbers, positions = crystals(1)
    reflections = ReflectionList.of(observed_to(1.3, lattice, numbers, positions))
    true = model_of(reflections, numbers, positions)
    shift = 0.02 * torch.randn(positions.shape, generator=torch.Generator().manual_seed(0))
    begun = AtomicModel(positions + shift, true.weight * 0.8, torch.tensor([2.0]))
    fitted = fit_atoms(begun, reflections, 40)

    def difference(values: np.ndarray) -> np.ndarray:
        values = torch.from_numpy(values).float()
        model = AtomicModel(values[6:24].view(1, 6, 3), values[None, :6], values[24:])
        return (model.structure_factors(reflections).abs() - reflections.amplitude)[0].double().numpy()

    values = torch.cat((begun.weight.flatten(), begun.position.flatten(), begun.b_iso)).double().numpy()
    oracle = least_squares(difference, values, diff_step=1e-4)
    assert difference(values) @ difference(values) > 1e-2
    assert fitted.r_factor(reflections).item() < 2e-3
    assert 2 * oracle.cost < 1e-5
    torch.testing.assert_close(fitted.weight, true.weight, rtol=1e-2, atol=1e-3)
    assert fitted.b_iso.item() == pytest.approx(0, abs=0.02)


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


@pytest.mark.parametrize(
    "bound",
    [
        {"reflections_per_atom": [60]},
        *({"atoms": replace(LIMITS, **bound)} for bound in ({"most": 3}, {"volume": 120.0}, {"separation": 5.0})),
    ],
)
def test_there_are_no_more_atoms_than_allowed(bound: dict[str, object]) -> None:
    lattice, numbers, positions = crystals()
    observed = observed_to(1.6, lattice, numbers, positions)
    true = true_map_factors(observed, numbers, positions, "atomic_number")
    assert (refined_by(REFINEMENT, true, observed).r_factor < 0.01).all()
    assert (refined_by(replace(REFINEMENT, **bound), true, observed).r_factor > 0.05).all()


def test_crystals_with_many_reflections_are_left_alone_and_few_do_no_harm() -> None:
    lattice, numbers, positions = crystals()
    observed = observed_to(1.6, lattice, numbers, positions)
    count = observed.unique_reflections()
    some = replace(REFINEMENT, most_reflections=int(count.min()))
    assert some.suits(observed).tolist() == (count <= count.min()).tolist()
    assert 0 < some.suits(observed).sum() < 3
    scarce = observed_to(6.0, lattice, numbers, positions)
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
    begun = AtomicModel(positions + 0.01, weight, torch.full((3,), 2.0))
    together = fit_atoms(begun, reflections, 6)
    for row in range(3):
        alone = fit_atoms(begun[torch.tensor([row])], reflections[torch.tensor([row])], 6)
        torch.testing.assert_close(alone.weight[0], together.weight[row], rtol=1e-3, atol=1e-4)
        there = alone.weight[0] > 0
        torch.testing.assert_close(alone.position[0][there], together.position[row][there], rtol=1e-3, atol=1e-4)
