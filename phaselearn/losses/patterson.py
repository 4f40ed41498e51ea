"""The misfit between the diffraction of the prediction and the measured one; it needs no target density."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.crystal.cartesian import to_fractional_frame
from phaselearn.crystal.density import gaussian_damping, structure_factors_from_map
from phaselearn.crystal.layout import miller_box, shape_of, to_full_box
from phaselearn.data.batch import Batch
from phaselearn.errors import choose
from phaselearn.losses.base import Loss

POWERS = {"amplitude": 0.5, "intensity": 1.0}


class Patterson(Loss):
    """1 − (Σ x y)² / (Σ x² Σ y²) over the observed reflections; dimensionless, between 0 and 1.

    x is the diffraction of the prediction, |F| or |F|². y is the observed diffraction, damped by the blur of the
    target's atoms: |F|·exp(−2π²σ²s²), or its square. The loss is the share of Σ y² that remains after k·x is fitted to
    y with one scale k for each sample, so the unit of the map does not matter. F(000) is left out.

    The loss sees amplitudes only. Any map with the right amplitudes reaches the minimum, whatever its phases. The true
    density stays slightly above the minimum in two cases: if its Gaussians are sampled at the voxels
    (`sampling: point`), and if the intensities are those of real atoms instead of point atoms (`scattering: xray`).

    Args:
        compare: `amplitude` or `intensity`. Amplitudes weight all reflections alike. Intensities favour the strong
            ones; by Parseval's theorem they compare the two Patterson maps.
        layout: layout of the intensities, `octant` or `full`.
        frame: voxels of the maps, `fractional` or `cartesian`.
        sigma: standard deviation of the target's atoms in Å.

    Raises:
        UserError: `compare` is neither.
    """

    invariances = frozenset({"origin", "inversion", "scale", "offset"})
    needs_target = False
    needs = frozenset({"intensity", "observed", "lattice"})

    def __init__(self, compare: str, layout: str, frame: str, sigma: float) -> None:
        super().__init__()
        self.power = POWERS[choose("loss.compare", compare, POWERS)]
        self.layout = layout
        self.frame = frame
        self.sigma = sigma

    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,); the target is not used."""
        return self.compute_without_target(prediction, batch)

    def compute_without_target(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        lattice = batch["lattice"].to(prediction.dtype)
        if self.frame == "cartesian":
            prediction = to_fractional_frame(prediction, lattice)
        factors = structure_factors_from_map(prediction, lattice)
        mask = to_full_box(batch["observed"], self.layout)
        mask[:, 0, 0, 0] = False
        damping = gaussian_damping(lattice, miller_box(shape_of(prediction)), self.sigma)
        observed = to_full_box(batch["intensity"].to(prediction.dtype).clamp_min(0), self.layout) * damping.square()
        power = factors.real.square() + factors.imag.square()
        own, measured = (_unit(values * mask, self.power) for values in (power, observed))
        return 1 - (own * measured).sum(1).square()


def _unit(intensity: Tensor, power: float) -> Tensor:
    """Return intensity^power, flattened to (B, V) and scaled to unit norm; zeros stay zero and have a zero gradient."""
    flat = intensity.flatten(1)
    largest = flat.detach().amax(1, keepdim=True)
    empty = largest <= 0
    # The square root has an infinite slope at zero; this bound is far below the rounding of the largest value.
    smallest = torch.finfo(flat.dtype).eps ** 2
    values = (flat / torch.where(empty, 1.0, largest)).clamp_min(smallest) ** power
    values = torch.where(empty | (flat == 0), 0.0, values)
    return values / torch.where(empty, 1.0, values.square().sum(1, keepdim=True)).sqrt()
