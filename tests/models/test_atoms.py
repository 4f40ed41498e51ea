"""The network on atoms: what it sees, the ways that it learns, and that it turns with the crystal."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.errors import UserError
from phaselearn.models.atom_network import STRIDE, AtomNetwork
from phaselearn.models.atom_view import SHELLS, CellContents, view_of
from phaselearn.models.atoms import AtomTraining
from phaselearn.models.nearest_equivalent import way_to
from phaselearn.phasing.composition import heaviest_atoms
from phaselearn.phasing.random_atoms import random_positions
from phaselearn.phasing.reflections import ReflectionList

LATTICE = torch.tensor([[4.1, 0.2, 0.0], [-0.6, 5.3, 0.3], [0.1, 0.8, 6.2]], dtype=torch.float64)
NUMBERS = torch.tensor([[29, 16, 16, 8, 0]])
INDICES = torch.fft.fftfreq(12, 1 / 12).long()


def measured(positions: Tensor, lattice: Tensor = LATTICE) -> Observed:
    factors = structure_factors(lattice[None], NUMBERS, positions.double(), INDICES)
    mask = torch.ones(1, 12, 12, 12, dtype=torch.bool)
    mask[:, 6], mask[:, :, 6], mask[..., 6] = False, False, False
    return Observed.from_intensity(factors.abs().square(), mask, "full", lattice[None]).cut(1.3)


def crystal(positions: Tensor, lattice: Tensor = LATTICE) -> CellContents:
    return CellContents(ReflectionList.of(measured(positions, lattice)), NUMBERS)


@pytest.fixture
def true() -> Tensor:
    return torch.rand(1, 5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def trial() -> Tensor:
    return torch.rand(1, 5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.fixture
def network() -> AtomNetwork:
    torch.manual_seed(0)
    return AtomNetwork(width=16, rounds=2).double().eval()


def test_patterson_figures_are_sums_over_reflections(true: Tensor, trial: Tensor) -> None:
    contents = crystal(true)
    figures = view_of(contents, trial).pairs[0, 0, 1, SHELLS:]
    listed = contents.reflections
    angle = 2 * math.pi * listed.index[0] @ (trial[0, 0] - trial[0, 1])
    square = NUMBERS.square().sum()
    found = listed.amplitude[0].square() * square * len(angle)
    calculated = structure_factors_at(listed.index[0], trial[0]).abs().square()
    blur = torch.exp(-3.0 * listed.inverse_square[0])
    expected = [
        ((value - square) * weight * angle.cos()).sum() / weight.sum() / (29 * 16)
        for value, weight in product((found, calculated), (torch.ones_like(blur), blur))
    ]
    torch.testing.assert_close(figures, torch.stack(expected).clamp(-4, 4))


def structure_factors_at(index: Tensor, positions: Tensor) -> Tensor:
    return torch.exp(2j * math.pi * (index @ positions.mT)) @ NUMBERS[0].to(torch.complex128)


def test_a_pair_at_its_place_has_a_patterson_value_of_about_one(true: Tensor) -> None:
    pairs = view_of(crystal(true), true).pairs[0]
    # The scale of the observed one is that of Wilson's statistics, so they agree within a few hundredths.
    assert pairs[0, 1, SHELLS] == pytest.approx(pairs[0, 1, SHELLS + 2].item(), abs=0.1)
    # Of the heaviest pair: other pairs are noise beside it.
    assert pairs[0, 1, SHELLS] == pytest.approx(1.0, abs=0.5)


def test_patterson_vectors_are_gradients(true: Tensor, trial: Tensor) -> None:
    contents, step = crystal(true), 1e-4
    vectors = view_of(contents, trial).pair_vectors[0, 0, 2, SHELLS:]
    inverse, finest = torch.linalg.inv(LATTICE), contents.reflections.inverse_square[0].max().sqrt()
    for axis in range(3):
        change = torch.zeros_like(trial)
        change[0, 0] = step * inverse[axis]
        # Moving an atom changes the calculated intensities, too; only the observed figures are compared.
        ahead, behind = (view_of(contents, trial + sign * change).pairs[0, 0, 2, SHELLS:] for sign in (1, -1))
        slope = (ahead - behind)[:2] / (2 * step) / (2 * math.pi * finest)
        torch.testing.assert_close(vectors[:2, axis], slope, rtol=1e-3, atol=1e-5)


def test_difference_maps_are_syntheses_with_the_calculated_phases(true: Tensor, trial: Tensor) -> None:
    contents = crystal(true)
    figures = view_of(contents, trial).atoms[0, 1]
    listed = contents.reflections
    calculated = structure_factors_at(listed.index[0], trial[0])
    observed = listed.amplitude[0] * (NUMBERS.square().sum() * listed.measured.sum()).sqrt()
    wave = (calculated / calculated.abs()) * torch.exp(-2j * math.pi * (listed.index[0] @ trial[0, 1]))
    expected = [((observed - calculated.abs()) * wave.real).mean() / 16, (observed * wave.real).mean() / 16]
    torch.testing.assert_close(figures[[0, 2]], torch.stack(expected))


def test_shells_count_all_images(true: Tensor, trial: Tensor) -> None:
    view = view_of(crystal(true), trial)
    centres = torch.linspace(0.8, 4.4, SHELLS, dtype=torch.float64)
    expected, directions = torch.zeros(SHELLS, dtype=torch.float64), torch.zeros(SHELLS, 3, dtype=torch.float64)
    for image in product(range(-3, 4), repeat=3):
        vector = (trial[0, 0] - trial[0, 3] + torch.tensor(image)) @ LATTICE
        length = vector.norm()
        if length < 5.0:
            fading = 0.5 + 0.5 * math.cos(math.pi * length / 5.0)
            gaussian = torch.exp(-((length - centres) / (3.6 / (SHELLS - 1))).square()) * fading
            expected += gaussian
            directions += gaussian[:, None] * vector / length
    torch.testing.assert_close(view.pairs[0, 0, 3, :SHELLS], expected)
    torch.testing.assert_close(view.pair_vectors[0, 0, 3, :SHELLS], directions)


def test_an_atom_sees_its_own_images_and_not_itself(true: Tensor) -> None:
    own = view_of(crystal(true), true).pairs[0, 0, 0, :SHELLS]
    assert own[-1] > 0.05  # at 4.1 Å
    assert own[0] < 1e-3


def test_padding_sees_nothing(true: Tensor) -> None:
    view = view_of(crystal(true), true)
    assert not view.pairs[0, 4].any()
    assert not view.pairs[0, :, 4].any()
    assert not view.pair_vectors[0, 4].any()
    assert not view.atoms[0, 4].any()
    assert not view.atom_vectors[0, 4].any()


@pytest.mark.parametrize("change", ["origin", "cell", "hand", "turn", "order"])
def test_moves_turn_with_the_crystal(network: AtomNetwork, true: Tensor, trial: Tensor, change: str) -> None:
    contents = crystal(true)
    before = network(contents, trial)
    if change == "origin":
        after, expected = network(contents, trial + torch.tensor([0.3, 0.1, 0.7])), before
    elif change == "cell":
        after, expected = network(contents, trial + torch.tensor([[[0], [1], [-1], [2], [0]]])), before
    elif change == "hand":
        after, expected = network(contents, -trial), -before
    elif change == "turn":
        turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))).Q
        after, expected = network(crystal(true, LATTICE @ turn), trial), before @ turn
    else:
        order = [0, 2, 1, 3, 4]
        after, expected = network(contents, trial[:, order]), before[:, order]
    assert before.abs().max() > 1e-3
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-6)


def test_a_batch_changes_no_move(network: AtomNetwork, true: Tensor, trial: Tensor) -> None:
    other = torch.rand_like(true)
    both = CellContents(
        ReflectionList.joined([crystal(true).reflections, crystal(other).reflections]), NUMBERS.repeat(2, 1)
    )
    together = network(both, torch.cat((trial, other)))
    torch.testing.assert_close(together[:1], network(crystal(true), trial))


def test_ways_lead_to_an_equivalent_of_the_crystal(true: Tensor) -> None:
    lattice, position = LATTICE[None], random_positions(5, 0, [3], [0]).double()
    way = way_to(true, NUMBERS, lattice, position)
    intensities = [
        structure_factors(lattice, NUMBERS, places, INDICES).abs().square() for places in (true, position + way)
    ]
    torch.testing.assert_close(*intensities)
    torch.testing.assert_close(way[0, :4].sum(0), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)
    assert not way[0, 4].any()


def test_ways_name_the_atoms_of_an_element_so_that_they_are_short(true: Tensor) -> None:
    # The crystal itself, moved, mirrored and with two atoms exchanged: no way is left.
    way = way_to(true, NUMBERS, LATTICE[None], 0.3 - true[:, [0, 2, 1, 3, 4]])
    torch.testing.assert_close(way, torch.zeros_like(way), atol=1e-9, rtol=0)


def test_a_perfect_network_brings_the_atoms_to_their_places(true: Tensor) -> None:
    class Perfect(AtomNetwork):
        def forward(self, contents: CellContents, position: Tensor) -> Tensor:
            return way_to(true[:, : position.shape[1]], contents.numbers, LATTICE[None], position) @ LATTICE

    begin = random_positions(5, 0, [3], [0]).double()
    found = Perfect(4, 1).place(measured(true), NUMBERS, begin, 30)
    left, before = (way_to(true, NUMBERS, LATTICE[None], places).abs().max() for places in (found, begin))
    assert left < 2 * (1 - STRIDE) ** 30 * before < before


def test_large_crystals_are_placed_in_turn_with_the_same_result(
    network: AtomNetwork, true: Tensor, trial: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Observed.joined([measured(true), measured(trial)])
    numbers, begin = NUMBERS.repeat(2, 1), torch.cat((trial, true))
    together = network.place(both, numbers, begin, 2)
    monkeypatch.setattr("phaselearn.models.atom_network._PAIRS_AT_ONCE", 1)
    torch.testing.assert_close(network.place(both, numbers, begin, 2), together)
    torch.testing.assert_close(network.place(measured(true), NUMBERS, trial, 2), together[:1])
    assert not torch.allclose(together[:, :4], begin[:, :4])


@pytest.mark.parametrize("changes", [{"finest": 3.0}, {"atoms": 1}, {"begun": 1.5}, {"ahead": -1}, {"steps": 0}])
def test_settings_of_the_training_are_checked(changes: dict) -> None:
    plan = {"finest": 1.4, "coarsest": 2.1, "atoms": 40, "begun": 0.5, "ahead": 8, "steps": 3}
    with pytest.raises(UserError, match=f"{next(iter(changes))}={next(iter(changes.values()))}"):
        AtomTraining(**plan | changes)


def test_random_positions_depend_on_seed_crystal_and_start_alone() -> None:
    alone = random_positions(4, 0, [7], [1])
    assert torch.equal(random_positions(6, 0, [2, 7], [0, 1])[1:, :4], alone)
    for other in ((1, [7], [1]), (0, [8], [1]), (0, [7], [2])):
        assert not torch.equal(random_positions(4, *other), alone)


def test_hydrogen_is_left_out_beside_heavier_atoms() -> None:
    numbers = torch.tensor([[1, 8, 26, 1], [1, 1, 0, 0]])
    heavy, place = heaviest_atoms(numbers)
    assert heavy.tolist() == [[26, 8], [1, 1]]
    assert place[0].tolist() == [2, 1]
    assert heaviest_atoms(numbers, 1)[0].tolist() == [[26], [1]]
