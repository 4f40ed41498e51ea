"""Trial phases of atoms that are known to be in the cell and that a network places."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from phaselearn.commands.network_starts import starts_of
from phaselearn.crystal.judgement import judge
from phaselearn.crystal.observed import Observed
from phaselearn.determination.point_atoms import listed_atoms
from phaselearn.errors import UserError
from phaselearn.metrics.phasing import observed_of
from phaselearn.models.atom_network import AtomNetwork
from phaselearn.phasing.random_atoms import random_positions
from phaselearn.phasing.starts import RandomStarts
from phaselearn.solver.atom_starts import AtomStarts
from phaselearn.solver.network_starts import Completion
from phaselearn.testing.batches import DEFINITION, small_batch
from tests.solver.crystals import factors_of, observed_to, triclinic


class Known(nn.Module):
    """Places atoms at positions that it has been given, and keeps what it was told."""

    def __init__(self, positions: Tensor) -> None:
        super().__init__()
        self.positions = positions

    def place(self, observed: Observed, numbers: Tensor, begin: Tensor, steps: int) -> Tensor:
        self.numbers, self.observed = numbers, observed
        return self.positions[: len(numbers), : numbers.shape[1]]


class Unmoved(nn.Module):
    """Leaves atoms where they begin."""

    def place(self, observed: Observed, numbers: Tensor, begin: Tensor, steps: int) -> Tensor:
        return begin


def starts(network: nn.Module, steps: int = 4, most: int = 50) -> AtomStarts:
    return AtomStarts(network, steps=steps, finest=1.4, most=most, precision="32-true")


def crystals(count: int = 1) -> tuple[Observed, Tensor, Tensor]:
    """Return reflections with their composition, atomic numbers from heavy to light, and positions."""
    lattice, numbers, positions = triclinic(count, seed=5)
    numbers = numbers.sort(dim=1, descending=True).values
    observed = observed_to(1.0, lattice, factors_of(lattice, numbers, positions))
    return replace(observed, contents=numbers), numbers, positions


def test_atoms_at_their_places_give_the_phases_of_all_reflections() -> None:
    observed, numbers, positions = crystals()
    network = Known(positions)
    solution = starts(network)(observed, [0], 0, range(1))
    judgement, _ = judge(solution.factors, observed, numbers, positions)
    assert judgement.correlation.item() == pytest.approx(1, abs=1e-4)
    # The network is told the elements, and sees the coarse reflections alone.
    assert torch.equal(network.numbers, numbers)
    assert network.observed.unique_reflections() < observed.unique_reflections()


def test_only_the_heaviest_atoms_are_placed() -> None:
    observed, numbers, positions = crystals()
    network = Known(positions)
    starts(network, most=2)(observed, [0], 0, range(1))
    assert torch.equal(network.numbers, numbers[:, :2])


def test_a_start_depends_on_seed_crystal_and_number_alone() -> None:
    observed, _, _ = crystals(3)
    source = starts(Unmoved())
    together = source(observed, [4, 5, 6], 0, range(2)).factors
    alone = source(observed[1:2], [5], 0, range(1, 2)).factors
    torch.testing.assert_close(together[3:4], alone, rtol=1e-4, atol=1e-3)
    assert not torch.allclose(together[2], together[3], rtol=0.1)


def test_the_atoms_begin_at_random_positions() -> None:
    observed, numbers, _ = crystals()
    begun = starts(Unmoved())(observed, [7], 1, range(2, 3)).factors
    expected = factors_of(observed.lattice, numbers, random_positions(6, 1, [7], [2])) * observed.mask
    torch.testing.assert_close(begun, expected, rtol=1e-3, atol=1e-2)


def test_an_unknown_composition_is_refused_in_one_line() -> None:
    observed, _, positions = crystals()
    with pytest.raises(UserError, match=r"formula=C14H14O2") as error:
        starts(Known(positions))(replace(observed, contents=None), [0], 0, range(1))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"steps": -1}, "starts.steps=-1"),
        ({"most": 0}, "starts.most=0"),
        ({"network": nn.Linear(1, 1)}, "starts.network is Linear, which places no atoms"),
    ],
)
def test_mistakes_are_named(changes: dict, told: str) -> None:
    with pytest.raises(UserError, match=told):
        starts(**{"network": Unmoved()} | changes)


def test_observations_know_the_composition_and_nothing_of_the_order_of_atoms() -> None:
    batch = small_batch()
    contents = observed_of(batch, DEFINITION).contents
    assert contents is not None
    assert torch.equal(contents, batch["numbers"].sort(dim=1, descending=True).values)


def test_joined_crystals_keep_what_is_in_their_cells() -> None:
    first, numbers, _ = crystals(2)
    second = replace(first, contents=numbers[:, :4])
    joined = Observed.joined([first, second])
    assert joined.contents is not None
    assert torch.equal(joined.contents[:2], numbers)
    assert torch.equal(joined.contents[2:], numbers * (torch.arange(6) < 4))
    assert Observed.joined([first, replace(second, contents=None)]).contents is None


def test_a_stated_formula_becomes_a_list_of_atoms() -> None:
    atoms = listed_atoms({"O": 2.0, "C": 1.0, "Fe": 1.0})
    assert atoms is not None
    assert atoms.tolist() == [[26, 8, 8, 6]]
    assert listed_atoms({"O": 2.0, "C": 0.0}) is None
    assert listed_atoms({}) is None


def test_a_trained_network_on_atoms_gives_starts_as_it_was_configured() -> None:
    completion = Completion(finest=1.4, keep=False, density_share=0.1, cycles=1)
    made = starts_of("atoms", False, "32-true", RandomStarts(), completion, most=7)
    assert isinstance(made, AtomStarts)
    assert (made.steps, made.finest, made.most) == (12, 1.4, 7)
    package = AtomNetwork(width=64, rounds=3, weights="atoms").state_dict()
    assert all(torch.equal(values, package[name]) for name, values in made.network.state_dict().items())
