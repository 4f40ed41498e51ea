"""The unrolled network: a cycle with shared weights, repeated; each cycle ends by restoring the measured amplitudes.

Unrolled iterations with a learned step are due to Gregor & LeCun (ICML 2010). The cycle itself is that of every
iterative phasing method: the map is changed in real space, and the measured amplitudes are restored in reciprocal
space.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from phaselearn.crystal.reflection_grid import DESCRIPTION, ReflectionGrid
from phaselearn.crystal.rows import Rows
from phaselearn.errors import UserError
from phaselearn.models.periodic_convolution import PeriodicConvolution
from phaselearn.models.weights import load_network

_AXES = (-3, -2, -1)
_MAPS = 3  # the proposal, and the maps of its phases with measured |F| and with |E|
_FIGURES = 2  # of a state: the agreement of the proposal's |F| with the measured one, and the skewness of the map


@dataclass(frozen=True)
class State(Rows):
    """The state of B trajectories after a cycle.

    Attributes:
        factors: half boxes of the measured amplitudes with the phases found.
        proposal: (B, n₁, n₂, n₃) the network's density at unit variance, before the amplitudes are restored.
        hidden: (B, C, n₁, n₂, n₃) channels that the network hands on to the next cycle.
        figures: (B, 2) figures of merit that need no truth.
    """

    factors: Tensor
    proposal: Tensor
    hidden: Tensor
    figures: Tensor


class UnrolledNetwork(nn.Module):
    """Cycles of two periodic convolutions and the replacement of the amplitudes.

    Args:
        width: channels of the convolutions.
        hidden: number of channels that are handed on from cycle to cycle; may be 0.
        cycles: cycles of a trajectory.
        weights: the name of weights of the package, the path of a checkpoint, or None for new weights.

    Raises:
        UserError: a number is too small, or the weights cannot be loaded.
    """

    def __init__(self, *, width: int, hidden: int, cycles: int, weights: str | None = None) -> None:
        super().__init__()
        for name, value, least in (("width", width, 1), ("hidden", hidden, 0), ("cycles", cycles, 1)):
            if value < least:
                raise UserError(
                    f"model.network.{name}={value}: a whole number of at least {least} is needed, "
                    f"e.g. model.network.{name}=8"
                )
        self.cycles = cycles
        self.width = width
        self.hidden = hidden
        self.first = PeriodicConvolution(_MAPS + hidden, width)
        self.second = PeriodicConvolution(width, width)
        self.last = nn.Conv3d(width, 1 + hidden, 1)
        # The cell, the data and the overall state set the scale and the offset of every channel.
        self.condition = nn.Sequential(
            nn.Linear(DESCRIPTION + _FIGURES + hidden, 2 * width), nn.SiLU(), nn.Linear(2 * width, 4 * width)
        )
        self.keep = nn.Parameter(torch.zeros(hidden))
        self.judge = nn.Sequential(nn.Linear(DESCRIPTION + _FIGURES + 2 * hidden, 32), nn.SiLU(), nn.Linear(32, 1))
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)
        if weights is not None:
            load_network(self, weights)

    def trajectory(self, grid: ReflectionGrid, phases: Tensor) -> list[State]:
        """Return the state after each cycle of B trajectories, from half boxes with trial phases."""
        with torch.autocast(phases.device.type, enabled=False):
            state = self.start(grid, phases)
        states = []
        for _ in range(self.cycles):
            state = self.cycle(state, grid)
            states.append(state)
        return states

    def improve(self, grid: ReflectionGrid, phases: Tensor) -> tuple[Tensor, Tensor]:
        """Return half boxes with better phases, and (B,) the map correlation that the network expects for them.

        Args:
            grid: the measured amplitudes of B trajectories.
            phases: half boxes (B, n₁, n₂, n₃/2 + 1) with the trial phases.
        """
        state = self.trajectory(grid, phases)[-1]
        return state.factors, self.expected_correlation(state, grid).sigmoid()

    def start(self, grid: ReflectionGrid, phases: Tensor) -> State:
        """Return the state before the first cycle, from half boxes with trial phases."""
        factors = grid.amplitude * _unit(phases)
        density = grid.map_of(factors)
        hidden = density.new_zeros((len(grid), self.hidden, *grid.shape))
        figures = torch.stack((torch.ones(len(grid), device=density.device), _skewness(density)), 1)
        return State(factors, density, hidden, figures)

    def cycle(self, state: State, grid: ReflectionGrid) -> State:
        """Run one cycle."""
        with torch.autocast(state.factors.device.type, enabled=False):
            unit = _unit(state.factors)
            density, sharp = grid.map_of(torch.stack((grid.amplitude * unit, grid.normalised * unit))).unbind(0)
            maps = torch.stack((state.proposal, density, sharp), 1)
        whole = torch.cat((grid.description, state.figures, state.hidden.float().mean(_AXES)), 1)
        # Everything that is fed back is bounded: otherwise it grows from cycle to cycle, and training diverges.
        scale, offset, later_scale, later_offset = self.condition(whole).tanh()[:, :, None, None, None].chunk(4, 1)
        inner = torch.cat((maps.to(state.hidden.dtype), state.hidden), 1)
        inner = nn.functional.silu(self.first(inner) * (1 + scale) + offset)
        inner = nn.functional.silu(self.second(inner) * (1 + later_scale) + later_offset)
        change = self.last(inner)
        keep = torch.sigmoid(self.keep)[:, None, None, None].to(change.dtype)
        hidden = keep * state.hidden + (1 - keep) * change[:, 1:].tanh()
        with torch.autocast(state.factors.device.type, enabled=False):
            proposal = _unit_variance(density + change[:, 0].float())
            factors = torch.fft.rfftn(proposal, dim=_AXES)
            figures = torch.stack((_amplitude_agreement(factors, grid), _skewness(density)), 1)
            return State(grid.amplitude * _unit(factors), proposal, hidden, figures)

    def expected_correlation(self, state: State, grid: ReflectionGrid) -> Tensor:
        """Return (B,) logits of the map correlation that the network expects for its phases."""
        hidden = state.hidden.float()
        mean = hidden.mean(_AXES)
        deviation = (hidden.square().mean(_AXES) - mean.square()).clamp_min(1e-6).sqrt()
        return self.judge(torch.cat((grid.description, state.figures, mean, deviation), 1))[:, 0].float()


def _unit_variance(density: Tensor) -> Tensor:
    deviation = density - density.mean(_AXES, keepdim=True)
    return deviation * (deviation.square().mean(_AXES, keepdim=True) + 1e-6).rsqrt()


def _unit(factors: Tensor) -> Tensor:
    """Return exp(i arg F), which fades to zero where |F| is tiny, so that its gradient stays finite."""
    square = factors.real.square() + factors.imag.square()
    # The constant keeps the gradient of an empty map finite.
    floor = 1e-4 * square.mean(_AXES, keepdim=True).detach() + 1e-6
    return factors * (square + floor).rsqrt()


def _amplitude_agreement(factors: Tensor, grid: ReflectionGrid) -> Tensor:
    """Return (B,) the correlation of the proposal's |F| with the measured |F|, without subtracting means."""
    magnitude = (factors.real.square() + factors.imag.square() + 1e-6).sqrt() * grid.measured
    product = (magnitude * grid.amplitude).sum(_AXES)
    return product / (magnitude.square().sum(_AXES) * grid.amplitude.square().sum(_AXES)).clamp_min(1e-6).sqrt()


def _skewness(density: Tensor) -> Tensor:
    """Return (B,) the third moment of maps of unit variance and zero mean, divided by 5 to be of order one."""
    return density.pow(3).mean(_AXES).clamp(-20, 20) / 5
