"""Promises of the networks beyond the contract."""

from functools import partial

import pytest
import torch
from sklearn.neural_network import MLPRegressor

from phaselearn.data.pairs import PairDefinition
from phaselearn.errors import UserError
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.models.cnn import PeriodicConvolutions
from phaselearn.models.mlp import MultilayerPerceptron
from phaselearn.models.unet3d import UNet3D, duplication_factor
from phaselearn.testing.batches import DEFINITION, small_batch

OPTIONS = {"loss": MeanSquaredError(), "definition": DEFINITION}
UNET = {"levels": 2, "width": 2, "blocks": 1, "smallest": 20, "activation_checkpointing": False}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_perceptron_takes_scikit_learns_steps():
    """From the same weights on the same batches, Adam with L2 gives scikit-learn's weights."""
    definition = PairDefinition(4, "octant", "atomic_number", 0.0, "atomic_number", 0.35, "fractional", "point")
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(2, 600, 64, generator=generator)
    inputs, targets = inputs.double(), targets.double()
    settings = {"shuffle": False, "random_state": 0, "tol": 0, "n_iter_no_change": 100, "epsilon": 1e-30}
    theirs = MLPRegressor(max_iter=5, **settings).fit(inputs.numpy(), targets.numpy())
    start = MLPRegressor(max_iter=1, learning_rate_init=1e-30, **settings).fit(inputs.numpy(), targets.numpy())
    model = MultilayerPerceptron([100], False, **{**OPTIONS, "definition": definition}).double()
    with torch.no_grad():
        for layer, weight, bias in zip(model.layers, start.coefs_, start.intercepts_, strict=True):
            layer.weight.copy_(torch.from_numpy(weight.T))
            layer.bias.copy_(torch.from_numpy(bias))
    # scikit-learn's gradient is that of half the squared error summed over the outputs; ours is of their mean. Its
    # epsilon is not corrected for the bias of Adam's start, so it is switched off on both sides.
    scale = 2 / 64
    model._optimizer = partial(torch.optim.Adam, lr=1e-3, eps=1e-30, weight_decay=1e-4 / 200 * scale)
    optimizer = model.configure_optimizers()
    for _ in range(5):
        for batch in range(3):
            chosen = slice(200 * batch, 200 * (batch + 1))
            optimizer.zero_grad()
            values = {"input": inputs[chosen].view(-1, 4, 4, 4)}
            model.loss(model(values), targets[chosen].view(-1, 4, 4, 4), values).mean().backward()
            optimizer.step()
    for layer, weight, bias in zip(model.layers, theirs.coefs_, theirs.intercepts_, strict=True):
        torch.testing.assert_close(layer.weight.T, torch.from_numpy(weight), rtol=0, atol=1e-9)
        torch.testing.assert_close(layer.bias, torch.from_numpy(bias), rtol=0, atol=1e-9)


def test_a_hundred_layers_pass_gradients_with_residuals():
    model = MultilayerPerceptron([20] * 100, residual=True, **OPTIONS)
    batch = small_batch()
    model.loss(model(batch), batch["density"], batch).mean().backward()
    norms = [layer.weight.grad.norm().item() for layer in model.layers]
    assert min(norms) > 1e-6 * max(norms)
    assert all(torch.isfinite(torch.tensor(norms)))


def test_weight_decay_spares_biases():
    model = MultilayerPerceptron(
        [10], False, optimizer=lambda groups: torch.optim.Adam(groups, weight_decay=0.1), **OPTIONS
    )
    groups = model.configure_optimizers().param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(parameter.ndim == 2 for parameter in groups[0]["params"])
    assert all(parameter.ndim == 1 for parameter in groups[1]["params"])


@pytest.mark.parametrize(
    ("build", "periodic"),
    [
        (lambda: PeriodicConvolutions(4, 2, 3, **OPTIONS), True),
        (lambda: UNet3D(**UNET, padding="periodic", **OPTIONS), True),
        (lambda: UNet3D(**UNET, padding="zero", **OPTIONS), False),
    ],
    ids=["cnn", "unet3d periodic", "unet3d zero"],
)
def test_periodic_networks_shift_with_their_input(build, periodic):
    torch.manual_seed(0)
    model = build().eval()
    batch = small_batch()
    step = (2, 4, 6)  # whole voxels, and whole cells of the U-Net's coarsest level
    shifted = batch | {"input": batch["input"].roll(step, (1, 2, 3))}
    with torch.no_grad():
        first, second = model(batch).roll(step, (1, 2, 3)), model(shifted)
    assert torch.allclose(first, second, atol=1e-4) is periodic


@pytest.mark.parametrize(
    ("size", "levels", "factor"), [(10, 3, 8), (20, 3, 4), (20, 2, 4), (10, 1, 7), (64, 6, 1), (12, 4, 8)]
)
def test_duplication_reaches_the_smallest_size_that_the_levels_divide(size, levels, factor):
    assert duplication_factor(size, 64, levels) == factor
    smaller = [k for k in range(1, factor) if size * k >= 64 and size * k % 2**levels == 0]
    assert not smaller


def trained_once(checkpointing):
    """Return the output of a U-Net, its gradients, and the bytes that were kept between the passes."""
    torch.manual_seed(0)
    model = UNet3D(**(UNET | {"blocks": 2, "activation_checkpointing": checkpointing}), padding="periodic", **OPTIONS)
    batch = small_batch()
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(batch)
    kept = sum(kept.values())
    model.loss(output, batch["density"], batch).mean().backward()
    return output, [parameter.grad for parameter in model.parameters()], kept


def test_activation_checkpointing_changes_memory_and_nothing_else():
    (output, gradients, kept), (same, equal, less) = trained_once(False), trained_once(True)
    assert torch.equal(output, same)
    for first, second in zip(gradients, equal, strict=True):
        assert torch.equal(first, second)
    assert less < 0.5 * kept


@pytest.mark.parametrize("wrong", [{"padding": "mirror"}, {"levels": 0}, {"width": 0}])
def test_impossible_unets_are_refused(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        UNet3D(**({**UNET, "padding": "zero"} | wrong), **OPTIONS)


def test_the_blocks_of_a_new_cnn_begin_as_the_identity():
    """Many blocks with random changes let the loss explode in the first steps."""
    torch.manual_seed(0)
    model = PeriodicConvolutions(width=8, blocks=3, kernel_size=3, **OPTIONS)
    first, *_, activation, last = model.network
    batch = small_batch()
    with torch.no_grad():
        without_blocks = last(activation(first(batch["input"][:, None])))[:, 0]
        torch.testing.assert_close(model(batch), without_blocks, rtol=1e-4, atol=1e-5)
    model.loss(model(batch), batch["density"], batch).mean().backward()
    assert all(block.layers[-1].weight.grad.abs().max() > 0 for block in list(model.network)[1:-2])
