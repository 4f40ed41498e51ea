"""The Patterson loss against its formula, and training on it without a density."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from phaselearn.crystal.density import band_limited_density
from phaselearn.data.pair_maps import make_pairs
from phaselearn.data.pairs import PairDefinition
from phaselearn.losses.patterson import Patterson
from phaselearn.models.mlp import MultilayerPerceptron
from tests.conftest import OCTANT, random_crystals
from tests.data.test_datamodule import datamodule

SIGMA = 0.35


def crystals(layout):
    """Return a batch of triclinic crystals at 10³, intensities in a layout, densities without aliasing."""
    lattice, numbers, positions = random_crystals(3, 5, 0)
    definition = PairDefinition(10, layout, "atomic_number", 0.0, "atomic_number", SIGMA, "fractional", "band_limited")
    intensity, density = make_pairs(lattice, numbers, positions, definition)
    return density, {"lattice": lattice, "intensity": intensity, "observed": intensity > 0}


@pytest.mark.parametrize("compare", ["amplitude", "intensity"])
@pytest.mark.parametrize("layout", ["octant", "full"])
def test_the_true_density_fits_in_both_layouts_at_any_scale(layout, compare):
    density, batch = crystals(layout)
    loss = Patterson(compare, layout, "fractional", SIGMA)
    assert loss(7.3 * density, None, batch).abs().max() < 1e-12
    assert (loss(density.square(), None, batch) > 1e-3).all()


def test_is_what_a_fitted_scale_leaves_over():
    density, batch = crystals("full")
    prediction = density + density.std() * torch.randn(density.shape, generator=torch.Generator().manual_seed(0))
    own = torch.fft.fftn(prediction, dim=(1, 2, 3)).abs()
    # The truth damped by its own blur, from the density itself.
    measured = torch.fft.fftn(density, dim=(1, 2, 3)).abs()
    for values in (own, measured):
        values[:, 0, 0, 0] = 0
        values[:, 5], values[:, :, 5], values[:, :, :, 5] = 0, 0, 0
    own, measured = own.flatten(1), measured.flatten(1)
    left = [
        torch.linalg.lstsq(x[:, None], y[:, None]).solution.item() * x - y for x, y in zip(own, measured, strict=True)
    ]
    expected = torch.stack([rest.square().sum() for rest in left]) / measured.square().sum(1)
    given = Patterson("amplitude", "full", "fractional", SIGMA)(prediction, None, batch)
    torch.testing.assert_close(given, expected, rtol=1e-6, atol=1e-10)


def test_unobserved_reflections_do_not_count():
    density, batch = crystals("full")
    wrong = batch["intensity"].clone()
    wrong[:, 1, 2, 3] = wrong[:, -1, -2, -3] = 1e6
    observed = batch["observed"].clone()
    observed[:, 1, 2, 3] = observed[:, -1, -2, -3] = False
    loss = Patterson("amplitude", "full", "fractional", SIGMA)
    assert loss(density, None, batch | {"intensity": wrong, "observed": observed}).abs().max() < 1e-12


def test_descends_without_a_density():
    density, batch = crystals("octant")
    loss = Patterson("amplitude", "octant", "fractional", SIGMA)
    guess = torch.rand(density.shape, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    optimizer = torch.optim.Adam([guess], lr=0.02)
    before = loss(guess, None, batch).mean().item()
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(guess, None, batch).mean()
        value.backward()
        optimizer.step()
    assert value.item() < 0.1 * before


def test_a_network_trains_without_densities(tiny_store):
    data = datamodule(tiny_store, input_transform="amplitude", input_scaling="deviation", batch_size=64)
    unlabelled = [
        {name: values for name, values in batch.items() if name not in ("density", "numbers", "positions")}
        for batch in data.train_dataloader()
    ]
    torch.manual_seed(0)
    model = MultilayerPerceptron(
        [32],
        False,
        loss=Patterson("amplitude", "octant", "fractional", OCTANT.sigma),
        definition=OCTANT,
        optimizer=partial(torch.optim.Adam, lr=3e-3),
    )
    (seen,) = data.evaluation_loader("validation", None)
    before = model.loss(model(seen), None, seen).mean()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=20,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(model, train_dataloaders=DataLoader(unlabelled, batch_size=None))
    assert model.loss(model(seen), None, seen).mean() < 0.5 * before


def test_sees_cuboid_voxels():
    lattice, numbers, positions = random_crystals(2, 4, 1)
    definition = PairDefinition(16, "full", "atomic_number", 0.0, "atomic_number", 0.6, "cartesian", "band_limited")
    intensity, density = make_pairs(lattice, numbers, positions, definition)
    batch = {"lattice": lattice, "intensity": intensity, "observed": intensity > 0}
    own = Patterson("amplitude", "full", "cartesian", 0.6)(density, None, batch)
    mistaken = Patterson("amplitude", "full", "fractional", 0.6)(density, None, batch)
    assert (own < 0.05).all()
    assert (own < mistaken).all()
    exact = band_limited_density(lattice, numbers, positions, 16, 0.6)
    assert (Patterson("amplitude", "full", "fractional", 0.6)(exact, None, batch) < 1e-12).all()
