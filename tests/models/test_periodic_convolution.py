"""The periodic convolution against torch's own circular padding, values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from phaselearn.models.periodic_convolution import PeriodicConvolution

SHAPES = [((4, 5, 6), 3, 1), ((9, 8, 10), 3, 4), ((7, 5, 6), 5, 1), ((4, 4, 4), 3, 4), ((1, 2, 3), 3, 1)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize(("size", "kernel_size", "dilation"), SHAPES)
def test_it_is_torchs_circular_convolution(size, kernel_size, dilation, layout):
    torch.manual_seed(0)
    ours = PeriodicConvolution(3, 2, kernel_size=kernel_size, dilation=dilation).double()
    reach = (kernel_size - 1) // 2 * dilation
    torchs = nn.Conv3d(3, 2, kernel_size, padding=reach, dilation=dilation, padding_mode="circular").double()
    torchs.load_state_dict(ours.state_dict())
    maps = torch.randn(2, 3, *size, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    weights = torch.randn(2, 2, *size, dtype=torch.float64)
    results = []
    for convolution in (ours, torchs):
        convolved = convolution(maps)
        inputs = (maps, *convolution.parameters())
        results.append((convolved, *torch.autograd.grad((convolved * weights).sum(), inputs)))
    for own, other in zip(*results, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-10)


def test_the_gradient_is_that_of_finite_differences_and_leaves_its_input_alone():
    convolution = PeriodicConvolution(2, 2).double()
    maps = torch.randn(1, 2, 3, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(convolution, (maps,))
    convolved = convolution(maps)
    gradient = torch.ones_like(convolved)
    convolved.backward(gradient)
    assert (gradient == 1).all()


def test_under_autocast_it_computes_in_bfloat16_and_returns_the_gradient_in_float32():
    convolution = PeriodicConvolution(4, 4)
    maps = torch.randn(2, 4, 5, 5, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        convolved = convolution(maps)
    assert convolved.dtype == torch.bfloat16
    assert convolved.is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(convolved.float(), convolution(maps), rtol=0.05, atol=0.05)
    convolved.float().sum().backward()
    assert maps.grad.dtype == torch.float32
