"""From reflections to a structure: a measured crystal is solved, and scrambled data are not called solved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from phaselearn import solve
from phaselearn.api import starts_named
from phaselearn.determination.determination import Determination, Trial
from phaselearn.determination.listing import advice, listing
from phaselearn.determination.pipeline import determine_structure
from phaselearn.determination.point_atoms import observed_in_p1
from phaselearn.determination.reference import compared, read_atoms
from phaselearn.errors import UserError
from phaselearn.measured.laue import choose_laue_class
from phaselearn.measured.merging import merge
from tests.determination.samples import EXAMPLE, example, scrambled
from tests.thinned import thinned


@pytest.fixture(scope="module")
def solved() -> Determination:
    """The example, solved from random phases."""
    return solve(EXAMPLE, seconds=60)


def test_a_measured_crystal_is_solved_and_agrees_with_the_published_one(solved: Determination) -> None:
    best = solved.best
    assert best is not None
    assert solved.solved
    assert solved.ended == "convinced"
    assert best.space_group.number == 14
    assert best.fit.r1 < 0.14
    known = compared(read_atoms(EXAMPLE.with_suffix(".cif"), solved.data.experiment.cell), solved)
    assert known is not None
    assert (known.found, known.real, known.elements) == (1, 1, 1)
    assert known.deviation < 0.05
    assert known.correlation > 0.98
    assert known.matched


@pytest.mark.slow
def test_another_seed_finds_the_same_structure(solved: Determination) -> None:
    other = solve(EXAMPLE, seconds=60, seed=1)
    assert other.best is not None
    assert solved.best is not None
    assert other.best.space_group.number == 14
    assert other.best.fit.r1 == pytest.approx(solved.best.fit.r1, abs=0.005)


def test_the_listing_states_verdict_class_and_group(solved: Determination) -> None:
    text = listing(solved, None)
    assert "\nsolved: confidence" in text
    assert "P 1 21/c 1" in text
    assert "2/m along b" in text


def test_scrambled_intensities_are_not_called_solved() -> None:
    result = solve(scrambled(example()), seconds=1)
    assert not result.solved
    assert result.confidence < 0.5
    assert result.ended == "time"
    assert "seconds=" in advice(result)
    assert "\nnot solved: confidence" in listing(result, None)


def test_too_few_reflections_are_refused() -> None:
    data = example()
    few = replace(data, hkl=data.hkl[:10], intensity=data.intensity[:10], sigma=data.sigma[:10])
    with pytest.raises(UserError, match="too few for phases"):
        solve(few)


def test_ctrl_c_keeps_the_best_so_far() -> None:
    told: list[Trial] = []

    def stopping(trial: Trial) -> None:
        told.append(trial)
        raise KeyboardInterrupt

    result = determine_structure(example(), starts_named("flipping", seed=0), "flipping", 60, stopping)
    assert result.ended == "interrupted"
    assert list(result.trials) == told
    assert result.best is not None
    assert result.best.fit.r1 == told[0].r1


def test_amplitudes_in_p1_have_the_symmetry_of_the_class_and_the_statistics_of_point_atoms() -> None:
    data = example()
    merged = merge(data, choose_laue_class(data).chosen.laue_class.rotations)
    observed, _ = observed_in_p1(merged, "xray")
    box = observed.amplitude[0]
    turned = torch.roll(torch.flip(box, (0, 2)), (1, 1), (0, 2))  # h, k, l and −h, k, −l
    assert torch.allclose(box, turned, rtol=1e-5)
    # Each unique reflection and its equivalents were measured: 0k0 and h0l have one more, the others three.
    general = (data.hkl[:, 1] != 0) & (data.hkl[:, [0, 2]] != 0).any(1)
    assert int(observed.mask.sum()) == 4 * general.sum() + 2 * (~general).sum()
    square = observed.inverse_d_squared()
    for low, high in ((0.0, 0.6), (0.6, 1.0), (1.0, 1.5)):  # 1/Å²: |E|² is 1 at any resolution
        shell = observed.mask & (square > low) & (square <= high)
        assert float(observed.amplitude[shell].square().mean()) == pytest.approx(1, abs=0.3)


def test_intensities_in_p1_keep_their_signal_to_noise() -> None:
    data = example()
    merged = merge(data, choose_laue_class(data).chosen.laue_class.rotations)
    observed, _ = observed_in_p1(merged, "xray")
    assert observed.sigma is not None
    strong = merged.intensity > 20 * merged.sigma  # French and Wilson leave these as they are
    place = tuple((merged.hkl[strong] % np.array(observed.shape)).T)
    ratio = observed.amplitude[0].square() / observed.sigma[0]
    np.testing.assert_allclose(ratio.numpy()[place], merged.intensity[strong] / merged.sigma[strong], rtol=0.02)


@pytest.mark.parametrize("name", thinned(["flipping", "unrolled", "random"], "unrolled".__eq__))
def test_every_option_of_starts_phases_a_crystal_and_takes_its_seed(name: str) -> None:
    data = example()
    merged = merge(data, choose_laue_class(data).chosen.laue_class.rotations)
    observed = observed_in_p1(merged, "xray")[0].cut(1.6)
    starts = starts_named(name, seed=3)
    first, again, other = (starts.trial(observed, number).factors for number in (0, 0, 1))
    assert first.shape == observed.amplitude.shape
    assert torch.isfinite(first.abs()).all()
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_unknown_starts_are_refused_in_one_line() -> None:
    with pytest.raises(UserError, match="starts=fliping is unknown: allowed are atoms, classical"):
        solve(EXAMPLE, starts="fliping")


def test_atoms_of_a_composition_that_nobody_has_stated_are_refused() -> None:
    data = example()
    unstated = replace(data, experiment=replace(data.experiment, contents={"C": 0.0, "O": 0.0}))
    with pytest.raises(UserError, match="starts=atoms needs the composition of the crystal: state it"):
        solve(unstated, starts="random_atoms", seconds=5)
