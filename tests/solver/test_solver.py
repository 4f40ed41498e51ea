"""The phaser: what it may depend on, and what it learns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from phaselearn.crystal.judgement import Observed, judge
from phaselearn.crystal.layout import friedel_mate, miller_indices
from phaselearn.errors import UserError
from phaselearn.models.phaser import Phaser
from phaselearn.phaser.coverage import cut, cut_box
from phaselearn.phaser.extension import extend
from phaselearn.phaser.grid import ReflectionGrid, grid_shapes
from phaselearn.phaser.starts import random_phases
from phaselearn.testing.models import small_batch
from tests.phaser.crystals import factors_of, observed_to, triclinic
from tests.phaser.model import flipped_starts, phaser


def test_axes_in_another_order_give_the_same_map_in_that_order() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    turned = Observed(observed.amplitude.permute(0, 2, 3, 1), observed.mask.permute(0, 2, 3, 1), lattice[:, [1, 2, 0]])
    model = phaser()
    first, second = model.solve(observed, [0, 1, 2]), model.solve(turned, [0, 1, 2])
    torch.testing.assert_close(first.factors.permute(0, 2, 3, 1), second.factors, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("hidden", [0, 4])
def test_without_patterson_maps_a_shifted_start_ends_at_the_shifted_map(hidden: int) -> None:
    lattice, numbers, positions = triclinic(2)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    model = phaser(hidden=hidden, patterson=False)
    grid = ReflectionGrid.of(observed, tuple(grid_shapes(observed).amax(0).tolist()))
    phases = random_phases(grid, 0, [0, 1], [0, 0])
    shifted = torch.fft.rfftn(grid.map_of(phases).roll((1, 2, -1), (1, 2, 3)), dim=(1, 2, 3))
    first, second = (grid.map_of(model._trajectory(grid, start)[-1].factors) for start in (phases, shifted))
    torch.testing.assert_close(first.roll((1, 2, -1), (1, 2, 3)), second, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(first, grid.map_of(grid.amplitude * phases / phases.abs()), atol=0.1)


def test_phases_are_those_of_a_real_map_with_the_measured_amplitudes() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    factors = phaser().solve(observed, [0, 1, 2]).factors
    torch.testing.assert_close(factors, friedel_mate(factors).conj(), rtol=1e-3, atol=1e-2)
    found, wanted = factors.abs().flatten(1), observed.map_amplitude().flatten(1)
    assert torch.nn.functional.cosine_similarity(found, wanted).min() > 0.999


def test_phases_are_found_in_float32_whatever_the_precision_of_training() -> None:
    lattice, numbers, positions = triclinic(2)
    # Right angles and reflections left out: the work with equivalents, of indices too large for bfloat16, is done.
    lattice = torch.diag_embed(torch.linalg.vector_norm(lattice, dim=-1))
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    kept = observed.mask & (miller_indices("full", observed.mask.shape[-1]) % 2 == 0)
    observed = Observed(observed.amplitude * kept, kept, lattice)
    model = phaser(symmetry={"least": 0.5, "passes": 1})
    found = model.solve(observed, [0, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = model.solve(observed, [0, 1])
    assert torch.equal(found.factors, again.factors)


def test_a_share_of_a_training_batch_begins_with_flipping() -> None:
    batch = small_batch()
    losses = []
    for share in (0.0, 1.0):
        model = phaser(flipping=flipped_starts(share), cycles=2)
        torch.nn.init.zeros_(model.network.last.weight)
        losses.append(model.training_losses(batch).detach())
    random = phaser(cycles=2)
    torch.nn.init.zeros_(random.network.last.weight)
    torch.testing.assert_close(losses[0], random.training_losses(batch).detach())
    assert losses[1].mean() < losses[0].mean()


def test_a_box_keeps_small_indices_only() -> None:
    lattice, numbers, positions = triclinic(2)
    observed = cut_box(observed_to(0.5, lattice, factors_of(lattice, numbers, positions)), 2)
    index = miller_indices("full", 16).abs()
    kept = observed.mask.nonzero()[:, 1:]
    assert index[kept].max() == 2
    assert (observed.mask.flatten(1).sum(1) == 5**3 - 1).all()
    assert (observed.amplitude[~observed.mask] == 0).all()


def inverted(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return batch | {"density": batch["density"].flip(1, 2, 3).roll((1, 1, 1), (1, 2, 3))}


def test_training_does_not_see_the_hand() -> None:
    batch, model = small_batch(), phaser()
    torch.testing.assert_close(
        model.training_losses(batch), model.training_losses(inverted(batch)), rtol=1e-3, atol=1e-4
    )


def test_a_crystal_without_reflections_does_no_harm() -> None:
    batch = small_batch()
    batch["observed"] = batch["observed"] & (torch.arange(3) > 0)[:, None, None, None]
    batch["intensity"] = batch["intensity"] * batch["observed"]
    model = phaser().train()
    model.training_losses(batch).mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    assert torch.isfinite(model(batch)).all()


def test_training_draws_new_phases_and_resolutions_in_every_epoch(monkeypatch) -> None:
    batch, model = small_batch(), phaser()
    losses = []
    for epoch in (0, 1, 0):
        monkeypatch.setattr(Phaser, "current_epoch", epoch)
        losses.append(model.training_losses(batch).mean().item())
    assert losses[0] == pytest.approx(losses[2], rel=1e-5)
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


def test_extension_finds_phases_beyond_the_resolution_and_leaves_the_others() -> None:
    lattice, numbers, positions = triclinic(6, seed=5)
    lattice = lattice + 3 * torch.eye(3)
    true = factors_of(lattice, numbers, positions)
    observed = observed_to(0.9, lattice, true)
    within = cut(observed, 1.4)
    start = torch.where(within.mask, true / true.abs() * observed.map_amplitude(), 0)
    before, _ = judge(start, observed, numbers, positions, refine=False)
    after, _ = judge(extend(start, observed, 1.4, 0.08, 20), observed, numbers, positions, refine=False)
    assert (after.correlation > before.correlation).all()
    assert after.correlation.median() > 0.9
    coarse = cut(observed, 1.4)
    torch.testing.assert_close(extend(start, coarse, 1.4, 0.08, 20), start)


def test_weights_of_a_run_are_loaded(tmp_path) -> None:
    trained = phaser()
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": trained.state_dict(), "epoch": 3}, path)
    loaded = phaser(weights=str(path)).network.state_dict()
    own = trained.network.state_dict()
    # The helper draws the last layer anew after loading.
    assert all(torch.equal(own[name], loaded[name]) for name in own if name != "last.weight")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"weights": "nowhere.ckpt"}, "nowhere.ckpt is not there"),
        ({"resolution": [2.0, 1.0]}, "resolution"),
        ({"cycles": 0}, "model.cycles=0"),
        ({"seconds": 0}, "model.seconds=0"),
        ({"rounds": 0}, "model.rounds=0"),
    ],
)
def test_mistakes_are_named(changes: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        phaser(**changes)


def test_weights_of_another_size_are_refused(tmp_path) -> None:
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": phaser(width=4).state_dict()}, path)
    with pytest.raises(UserError, match="another size"):
        phaser(weights=str(path))
