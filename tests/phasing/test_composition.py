"""Refinement that is told the composition: fits with fixed ratios of weights against scipy, and what they are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from torch import Tensor

from phaselearn.crystal.observed import Observed
from phaselearn.errors import UserError
from phaselearn.phasing.atomic_model import AtomicModel
from phaselearn.phasing.composition import atoms_in_cell, heaviest_atoms
from phaselearn.phasing.least_squares import fit_atoms
from phaselearn.phasing.reflections import ReflectionList
from tests.phasing.atoms import REFINEMENT, correlation, crystals, disturbed, observed_to

ONE_B = torch.zeros(1, dtype=torch.bool)
TOLD = replace(REFINEMENT, composition_rounds=6)


def known(d_min: float, count: int = 3, seed: int = 0) -> tuple[Observed, Tensor, Tensor]:
    """Return reflections to d_min in Å with their composition, numbers and positions."""
    lattice, numbers, positions = crystals(count, seed)
    return replace(observed_to(d_min, lattice, numbers, positions), contents=numbers), numbers, positions


def test_a_fit_with_fixed_ratios_of_weights_ends_where_scipy_does() -> None:
    observed, numbers, positions = known(1.3, 1)
    generator = torch.Generator().manual_seed(0)
    error = 1 + 0.1 * torch.randn(observed.amplitude.shape, generator=generator)
    reflections = ReflectionList.of(replace(observed, amplitude=observed.amplitude * error.abs()))
    shift = 0.01 * torch.randn(positions.shape, generator=generator)
    weight = numbers.float() / 300
    begun = AtomicModel(positions + shift, weight, torch.full((1, 6), 2.0))
    fitted = fit_atoms(begun, reflections, 60, ONE_B, own_weight=False)

    def difference(values: np.ndarray) -> np.ndarray:
        scale, b_iso, places = values[0], values[1], torch.from_numpy(values[2:]).float().view(1, 6, 3)
        model = AtomicModel(places, weight * float(scale), torch.full((1, 6), float(b_iso)))
        return (model.structure_factors(reflections).abs() - reflections.amplitude)[0].double().numpy()

    begin = np.concatenate(([1.0, 2.0], begun.position.double().flatten().numpy()))
    oracle = least_squares(difference, begin, diff_step=1e-4)
    ours = fitted.structure_factors(reflections).abs() - reflections.amplitude
    assert oracle.cost > 1e-4  # the errors leave a residual, so that the least one is not zero
    assert ours.square().sum().item() == pytest.approx(2 * oracle.cost, rel=1e-2)
    torch.testing.assert_close(fitted.weight / fitted.weight[:, :1], weight / weight[:, :1])
    assert fitted.b_iso.unique().item() == pytest.approx(oracle.x[1], abs=0.05)


def test_what_is_in_the_cell_solves_crystals_that_have_too_few_reflections_for_free_atoms() -> None:
    solved = {}
    for name, refinement in (("untold", REFINEMENT), ("told", TOLD)):
        right = []
        for seed in range(4):
            observed, numbers, positions = known(2.6, 6, seed)
            (refined,) = refinement([disturbed(observed, numbers, positions, 50)], [observed])
            right.append(correlation(refined.factors, observed, numbers, positions) > 0.99)
        solved[name] = torch.cat(right)
    assert solved["told"].sum() >= solved["untold"].sum() + 3  # of 24


def test_atoms_that_free_weights_explain_are_left_as_they_are() -> None:
    observed, numbers, positions = known(1.3)
    rough = disturbed(observed, numbers, positions, 30)
    (untold,), (told,) = (refinement([rough], [observed]) for refinement in (REFINEMENT, TOLD))
    assert (untold.evidence > REFINEMENT.enough).all()
    torch.testing.assert_close(told.factors, untold.factors)


@pytest.mark.parametrize("d_min", [1.3, 3.0, 8.0])
def test_more_known_atoms_than_peaks_do_no_harm(d_min: float) -> None:
    observed, numbers, positions = known(d_min)
    many = replace(observed, contents=numbers.repeat(1, 5))
    (refined,) = TOLD([disturbed(observed, numbers, positions, 60)], [many])
    assert torch.isfinite(refined.factors.abs()).all()
    assert torch.isfinite(refined.evidence).all()


def test_a_wrong_composition_has_less_evidence_than_the_right_one() -> None:
    observed, numbers, positions = known(2.6, 6)
    rough = disturbed(observed, numbers, positions, 50)
    equal = replace(observed, contents=torch.full_like(numbers, 20))
    (right,), (mistaken,) = (TOLD([rough], [each]) for each in (observed, equal))
    assert right.evidence.mean() > mistaken.evidence.mean() + 0.5


def test_the_heaviest_atoms_take_the_heaviest_elements_and_further_ones_are_left_out() -> None:
    model = AtomicModel(torch.rand(1, 4, 3), torch.tensor([[1.0, 4.0, 2.0, 3.0]]), torch.zeros(1, 4))
    told = model.with_weights(torch.tensor([[26, 16, 8]]))
    assert told.weight.tolist() == [[26.0, 16.0, 8.0]]
    assert torch.equal(told.position, model.position[:, [1, 3, 2]])
    assert model.with_weights(torch.tensor([[26, 16, 8, 7, 6, 1]])).weight.tolist() == [[26.0, 16.0, 8.0, 7.0]]


def test_contents_of_several_sets_are_padded_to_one_length_without_hydrogen() -> None:
    first, numbers, _ = known(2.0, 2)
    second = replace(known(2.0, 1)[0], contents=torch.tensor([[1, 1, 8, 16, 0, 0, 0, 0]]))
    atoms = atoms_in_cell([first, second], "a setting")
    assert torch.equal(atoms[:2, :6], heaviest_atoms(numbers)[0])
    assert atoms[2, :3].tolist() == [16, 8, 0]


def test_an_unknown_composition_and_a_number_below_zero_are_refused() -> None:
    observed, numbers, positions = known(2.0)
    rough = disturbed(observed, numbers, positions, 20)
    with pytest.raises(UserError, match="composition_rounds=6 needs the composition of the crystal: state it"):
        TOLD([rough, rough], [observed, replace(observed, contents=None)])
    with pytest.raises(UserError, match="composition_rounds=-1: 0 for an unknown composition"):
        replace(REFINEMENT, composition_rounds=-1)
