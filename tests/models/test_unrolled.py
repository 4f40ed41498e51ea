"""The unrolled network: its training examples, what these may depend on, and how weights are loaded."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from phaselearn.crystal.layout import miller_indices
from phaselearn.crystal.reflection_grid import ReflectionGrid, grid_shapes
from phaselearn.data.batch import Batch
from phaselearn.errors import UserError
from phaselearn.losses.aligned import Aligned
from phaselearn.losses.base import Loss
from phaselearn.losses.energy import EnergyDistance
from phaselearn.losses.patterson import Patterson
from phaselearn.losses.shift_invariant import ShiftInvariant
from phaselearn.models.model_card import cards
from phaselearn.models.unrolled import Unrolled, UnrolledTraining
from phaselearn.models.unrolled_network import UnrolledNetwork
from phaselearn.phasing.random_phases import random_phases
from phaselearn.testing.batches import DEFINITION, small_batch
from tests.solver.crystals import factors_of, observed_to, triclinic
from tests.solver.model import flipped_starts, small_network, unchanging

TRAINING = UnrolledTraining(
    finest=1.2, coarsest=1.6, box_index=4, box_share=0.0, flipping=None, flipped_share=0.5, judge_weight=0.1
)


def unrolled(network: UnrolledNetwork | None = None, loss: Loss | None = None, **training: Any) -> Unrolled:
    return Unrolled(
        network=small_network() if network is None else network,
        training=replace(TRAINING, **training),
        seed=0,
        loss=ShiftInvariant("correlation") if loss is None else loss,
        definition=DEFINITION,
        optimizer=partial(torch.optim.Adam, lr=1e-3),
    ).eval()


@pytest.mark.parametrize("hidden", [0, 4])
def test_a_shifted_start_ends_at_the_shifted_map(hidden: int) -> None:
    lattice, numbers, positions = triclinic(2)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    network = small_network(hidden=hidden)
    grid = ReflectionGrid.of(observed, tuple(grid_shapes(observed).amax(0).tolist()))
    phases = random_phases(grid, 0, [0, 1], [0, 0])
    shifted = torch.fft.rfftn(grid.map_of(phases).roll((1, 2, -1), (1, 2, 3)), dim=(1, 2, 3))
    first, second = (grid.map_of(network.trajectory(grid, start)[-1].factors) for start in (phases, shifted))
    torch.testing.assert_close(first.roll((1, 2, -1), (1, 2, 3)), second, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(first, grid.map_of(grid.amplitude * phases / phases.abs()), atol=0.1)


def test_a_share_of_a_training_batch_begins_with_flipping() -> None:
    batch = small_batch()
    losses = []
    for share in (0.0, 1.0):
        model = unrolled(unchanging(), flipping=flipped_starts(), flipped_share=share)
        losses.append(model.training_losses(batch).detach())
    random = unrolled(unchanging())
    torch.testing.assert_close(losses[0], random.training_losses(batch).detach())
    assert losses[1].mean() < losses[0].mean()


def test_a_box_keeps_small_indices_only() -> None:
    lattice, numbers, positions = triclinic(2)
    observed = observed_to(0.5, lattice, factors_of(lattice, numbers, positions)).cut_box(2)
    index = miller_indices("full", 16).abs()
    kept = observed.mask.nonzero()[:, 1:]
    assert index[kept].max() == 2
    assert (observed.mask.flatten(1).sum(1) == 5**3 - 1).all()
    assert (observed.amplitude[~observed.mask] == 0).all()


def inverted(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return batch | {"density": batch["density"].flip(1, 2, 3).roll((1, 1, 1), (1, 2, 3))}


def test_training_does_not_see_the_hand() -> None:
    batch, model = small_batch(), unrolled()
    torch.testing.assert_close(
        model.training_losses(batch), model.training_losses(inverted(batch)), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize(
    "loss",
    [Aligned(EnergyDistance()), Patterson("amplitude", "full", "fractional", 0.225)],
    ids=["lattice", "intensity"],
)
def test_a_loss_reads_the_crystal_in_the_axes_of_its_maps(loss: Loss) -> None:
    batch = small_batch()
    turned = batch | Batch(
        lattice=batch["lattice"][:, [2, 0, 1]],
        **{name: batch[name].permute(0, 3, 1, 2).contiguous() for name in ("intensity", "observed", "density")},
    )
    before, after = (unrolled(loss=loss).training_losses(each) for each in (batch, turned))
    torch.testing.assert_close(before, after, rtol=1e-3, atol=1e-4)


def test_a_crystal_without_reflections_does_no_harm() -> None:
    batch = small_batch()
    batch["observed"] = batch["observed"] & (torch.arange(3) > 0)[:, None, None, None]
    batch["intensity"] = batch["intensity"] * batch["observed"]
    model = unrolled().train()
    model.training_losses(batch).mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    assert torch.isfinite(model(batch)).all()


def test_training_draws_new_phases_and_resolutions_in_every_epoch(monkeypatch) -> None:
    batch, model = small_batch(), unrolled()
    losses = []
    for epoch in (0, 1, 0):
        monkeypatch.setattr(Unrolled, "current_epoch", epoch)
        losses.append(model.training_losses(batch).mean().item())
    assert losses[0] == pytest.approx(losses[2], rel=1e-5)
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


def test_weights_of_a_run_are_loaded(tmp_path) -> None:
    trained = unrolled()
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": trained.state_dict(), "epoch": 3}, path)
    loaded = UnrolledNetwork(width=8, hidden=4, cycles=4, weights=str(path)).state_dict()
    own = trained.network.state_dict()
    assert all(torch.equal(own[name], loaded[name]) for name in own)


def test_the_weights_of_the_package_are_those_that_were_trained() -> None:
    network = UnrolledNetwork(width=32, hidden=16, cycles=8, weights="unrolled")
    card = cards()["unrolled"]
    assert sum(parameter.numel() for parameter in network.parameters()) == card.parameters
    assert network.last.weight.any()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"weights": "nowhere.ckpt"}, "nowhere.ckpt: neither weights of the package"),
        ({"cycles": 0}, "model.network.cycles=0"),
        ({"width": 0}, "model.network.width=0"),
        ({"hidden": -1}, "model.network.hidden=-1"),
    ],
)
def test_mistakes_are_named(changes: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        small_network(**changes)


def test_resolutions_that_are_no_range_are_named() -> None:
    with pytest.raises(UserError, match="finest first"):
        unrolled(finest=2.0, coarsest=1.0)


def test_weights_of_another_size_are_refused(tmp_path) -> None:
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": unrolled(small_network(width=4)).state_dict()}, path)
    with pytest.raises(UserError, match="another size"):
        small_network(weights=str(path))


def test_a_prediction_is_one_trajectory_from_random_phases_and_blind_to_its_companions() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    model = unrolled()
    together = model.phase(observed, [4, 5, 6])
    alone = model.phase(observed[2:], [6])
    torch.testing.assert_close(together[2:], alone, rtol=1e-3, atol=1e-3)
    shape = tuple(grid_shapes(observed[2:])[0].tolist())
    grid = ReflectionGrid.of(observed[2:], shape)
    half, _ = model.network.improve(grid, random_phases(grid, 0, [6], [0]))
    torch.testing.assert_close(alone, grid.full_box(half, observed.shape), rtol=1e-3, atol=1e-3)
    assert (alone[~observed[2:].mask] == 0).all()
