"""The prediction's own diffraction against the measured: blind to origin and hand, and needs no density."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from phaselearn.crystal.cartesian import to_fractional_frame
from phaselearn.crystal.density import gaussian_damping, structure_factors_from_map
from phaselearn.crystal.layout import miller_indices, to_full_box
from phaselearn.errors import UserError
from phaselearn.losses.base import Batch, Loss

POWERS = {"amplitude": 0.5, "intensity": 1.0}


class Patterson(Loss):
    """1 − (Σ x y)² / (Σ x² Σ y²) over the observed reflections; no unit, between 0 and 1.

    x is the diffraction of the prediction, |F| or |F|², and y the observed one, damped as the atoms of the target
    are blurred: |F|·exp(−2π²σ²s²), or its square. That is the share of Σ y² that k·x leaves over when the scale k is
    fitted to each sample, so maps in any unit can be compared. F(000) is left out.

    It trains without densities, but knows amplitudes only: whatever the phases, a map with the right amplitudes
    reaches the minimum. Where the target's Gaussians are taken at the voxels (`sampling: point`), or the intensities
    are not of point atoms (`scattering: xray`), the true density does not quite reach it.

    Args:
        compare: `amplitude` weighs all reflections alike, `intensity` the strong ones; its Fourier transform is the
            comparison of the two Patterson maps, by Parseval.
        layout: layout of the intensities, `octant` or `full`.
        frame: `fractional` or `cartesian` voxels.
        sigma: standard deviation of an atom of the target in Å.
    """

    invariances: ClassVar[frozenset[str]] = frozenset({"origin", "inversion", "scale", "offset"})
    needs_target: ClassVar[bool] = False
    needs: ClassVar[frozenset[str] | None] = frozenset({"intensity", "observed", "lattice"})

    def __init__(self, compare: str, layout: str, frame: str, sigma: float) -> None:
        super().__init__()
        if compare not in POWERS:
            raise UserError(f"loss.compare={compare} is unknown: allowed are {', '.join(POWERS)}")
        self.power = POWERS[compare]
        self.layout = layout
        self.frame = frame
        self.sigma = sigma

    def compute(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,); `target` is not used."""
        lattice = batch["lattice"].to(prediction.dtype)
        if self.frame == "cartesian":
            prediction = to_fractional_frame(prediction, lattice)
        factors = structure_factors_from_map(prediction, lattice)
        mask = to_full_box(batch["observed"], self.layout)
        mask[:, 0, 0, 0] = False
        damping = gaussian_damping(lattice, miller_indices("full", prediction.shape[-1]), self.sigma)
        observed = to_full_box(batch["intensity"].to(prediction.dtype).clamp_min(0), self.layout) * damping.square()
        power = factors.real.square() + factors.imag.square()
        own, measured = (_unit(values * mask, self.power) for values in (power, observed))
        return 1 - (own * measured).sum(1).square()


def _unit(intensity: Tensor, power: float) -> Tensor:
    """Return intensity^power, flattened to (B, V), at unit norm; zeros, with a zero gradient, where all are zero."""
    flat = intensity.flatten(1)
    largest = flat.detach().amax(1, keepdim=True)
    empty = largest <= 0
    # The root has no slope at zero; what is added is far below the rounding of the largest.
    smallest = torch.finfo(flat.dtype).eps ** 2
    values = (flat / torch.where(empty, 1.0, largest)).clamp_min(smallest) ** power
    values = torch.where(empty | (flat == 0), 0.0, values)
    return values / torch.where(empty, 1.0, values.square().sum(1, keepdim=True)).sqrt()
