"""Scale and displacement of measured amplitudes by Wilson's statistics; |E|, and |F| as of point atoms at rest.

The intensities of a crystal with many atoms scatter about a mean that follows from the composition:
⟨|F|²⟩ = k² Σ_j f_j²(s) exp(−B s²/2) (Wilson, Nature 150 (1942) 152). The fit takes each intensity to be exponentially
distributed about this mean, and maximises the likelihood over k and B. No shells have to be chosen, and weak or zero
intensities need no special treatment. Unmeasured reflections do not enter.

The likelihood treats all reflections as independent. But symmetry repeats them, and in a structure with few atoms they
are correlated. Errors are therefore estimated from the scatter of resolution shells about the fit, weighted by their
numbers of reflections. B has a prior of 2 ± 2 Å² (most inorganic crystals at room temperature have 0.3 to 5 Å²). Data
of low resolution, or with few reflections, say little about B and get 2 Å²; good data are hardly affected. A negative
result is set to 0: no atom is sharper than a point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.observed import Observed
from phaselearn.crystal.rows import Rows
from phaselearn.crystal.scattering import Scattering, form_factors

PRIOR_B = 2.0  # Å²
PRIOR_DEVIATION = 2.0  # Å²
# An unknown composition is taken to be O, Si and Fe in equal parts. The form factors of other elements fall differently
# with s, which cannot be told from a displacement: not knowing the elements adds this error to B.
ASSUMED = (8, 14, 26)
COMPOSITION_ERROR = 0.8  # Å²
_BINS = 256  # of equal width in s², so narrow that no form factor changes within one
_SHELLS = 20  # of equal volume in reciprocal space
_STEEPEST = 40.0  # Å²; B is sought between this and its negative
_FRIEDEL = 2.0  # a reflection and its mate are one measurement
_ITERATIONS = 20
_LONGEST_STEP = 8.0  # Å²
_NOISE_PASSES = 3


@dataclass(frozen=True)
class Wilson(Rows):
    """Scale and displacement of B crystals, each (B,) float64.

    Attributes:
        scale: k, the ratio of the measured |F| to that of the atoms; Σ_j f_j²(0) = 1 if the composition is unknown.
        scale_error: standard error of k, relative to k.
        b_iso: B in Å², with the prior and not below zero.
        b_error: standard error of the fitted B in Å²; infinite where the data say nothing.
        fitted_b: B in Å² from the data alone; it may be negative.
    """

    scale: Tensor
    scale_error: Tensor
    b_iso: Tensor
    b_error: Tensor
    fitted_b: Tensor


def wilson_fit(observed: Observed, probe: str | Tensor = "xray", numbers: Tensor | None = None) -> Wilson:
    """Fit scale and displacement.

    Args:
        observed: amplitudes on any scale. Reflections outside the mask were not measured; those in the mask with
            amplitude 0 were. The mask should hold either all systematic absences or none. Where it has standard
            deviations, negative |F|² should have been set to 0.
        probe: the radiation, as in `Scattering`.
        numbers: (B, A) atomic numbers in the cell, 0 for padding; None where they are unknown.
    """
    # The largest amplitude is scaled to 1: the squares of large ones overflow.
    place = _places(observed)
    amplitude, weight, square = _at(place, observed.amplitude, observed.mask, observed.inverse_d_squared())
    largest = amplitude.amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    intensity = (amplitude / largest).square()
    bins = _Bins.of(intensity, square, weight, probe, numbers)
    fitted = bins.likeliest_b()
    if observed.sigma is not None:
        [noise] = _at(place, observed.sigma)
        noise = noise / largest.square()
        for _ in range(_NOISE_PASSES):
            # Two variances add up: that of Wilson's distribution, which is its mean squared, and the measurement's.
            mean = bins.mean_intensity(fitted, square, probe, numbers)
            share = 1 / (1 + (noise / mean.clamp_min(1e-300)).square())
            bins = _Bins.of(intensity - _excess(mean, noise), square, weight * share, probe, numbers)
            fitted = bins.likeliest_b()
    b_error, level_error = bins.errors(fitted, 0.0 if numbers is not None else COMPOSITION_ERROR)
    precision = b_error.square().reciprocal()
    prior = PRIOR_DEVIATION**-2
    b_iso = ((precision * fitted[:, 0] + prior * PRIOR_B) / (precision + prior)).clamp_min(0)
    scale = torch.exp(bins.level(b_iso[:, None])[:, 0] / 2) * largest[:, 0]
    return Wilson(scale, level_error / 2, b_iso, b_error, fitted[:, 0])


def normalised(
    observed: Observed, fit: Wilson, probe: str | Tensor = "xray", numbers: Tensor | None = None
) -> Observed:
    """Return |E|, whose mean square is 1 at every resolution: |F| over its root mean square by Wilson's fit.

    |E|·√(Σ_j Z_j²) is the |F| of point atoms at rest.

    Args:
        observed: the amplitudes that were fitted.
        fit: scale and displacement.
        probe, numbers: the radiation and the atomic numbers, as in `wilson_fit`.
    """
    place = _places(observed)
    measured, square = _at(place, observed.mask, observed.inverse_d_squared())
    b_iso, scale = fit.b_iso[:, None], fit.scale[:, None]
    mean = _interpolated_form(square, probe, numbers).sqrt() * torch.exp(-b_iso / 4 * square) * scale
    # Of a crystal without any intensity it would be infinite, and σ is multiplied by its square.
    largest = torch.finfo(observed.amplitude.dtype).max ** 0.5
    factor = torch.where(measured > 0, 1 / mean, 0.0).clamp_max(largest).to(observed.amplitude)
    boxes = torch.zeros_like(observed.amplitude).flatten(1).scatter(1, place, factor)
    return observed.scaled(boxes.view_as(observed.amplitude))


def _places(observed: Observed) -> Tensor:
    """Return the places (B, n) of measured reflections in the flattened box; unmeasured ones fill up shorter lists."""
    measured = observed.mask.flatten(1)
    longest = max(1, int(measured.sum(1).max()))
    return (~measured).to(torch.uint8).argsort(dim=1, stable=True)[:, :longest]


def _at(place: Tensor, *boxes: Tensor) -> list[Tensor]:
    """Return the values (B, n) of boxes at places (B, n), float64."""
    return [values.flatten(1).gather(1, place).double() for values in boxes]


def _excess(mean: Tensor, noise: Tensor) -> Tensor:
    """Return by how much setting negative measured intensities to zero raises their mean.

    For an exponential intensity of mean μ with normal noise σ, and r = σ/μ, it is
    σ·[φ(0) − 1/(2r) + exp(r²/2) Q(r)/r], where φ and Q are the density and the upper tail of the normal distribution.
    """
    ratio = (noise / mean.clamp_min(1e-300)).clamp(1e-3, 1e6)
    tail = torch.special.erfcx(ratio / math.sqrt(2)) / 2
    return noise * (1 / math.sqrt(2 * math.pi) + (tail - 0.5) / ratio)


def mean_square_form(square: Tensor, probe: str | Tensor, numbers: Tensor | None) -> Tensor:
    """Return Σ_j f_j²(s) of atoms at rest, (B, n).

    Args:
        square: (B, n) values of s² in 1/Å².
        probe: the radiation, as in `Scattering`.
        numbers: (B, A) atomic numbers in the cell; None for the assumed composition, whose Σ_j f_j²(0) is 1.
    """
    if numbers is not None:
        return _sum_of_squares(square, probe, numbers)
    assumed = torch.tensor(ASSUMED, device=square.device).expand(len(square), -1)
    return _sum_of_squares(square, probe, assumed) / _sum_of_squares(torch.zeros_like(square[:, :1]), probe, assumed)


def _sum_of_squares(square: Tensor, probe: str | Tensor, numbers: Tensor) -> Tensor:
    crystal, atom = (numbers > 0).nonzero(as_tuple=True)
    each = torch.stack((crystal, Scattering(probe).probes(numbers)[crystal, atom], numbers[crystal, atom]))
    (owner, probes, element), count = each.unique(dim=1, return_counts=True)
    squares = count[:, None] * form_factors(element, probes, square[owner]).square()
    return torch.zeros_like(square).index_add_(0, owner, squares)


def _interpolated_form(square: Tensor, probe: str | Tensor, numbers: Tensor | None) -> Tensor:
    """Return Σ_j f_j²(s) (B, n) of many reflections, its logarithm interpolated between knots in s²."""
    limit = square.amax(1, keepdim=True).clamp_min(1e-12)
    knots = torch.linspace(0, 1, _BINS + 1, dtype=square.dtype, device=square.device) * limit
    log_form = mean_square_form(knots, probe, numbers).clamp_min(1e-300).log()
    place = square / limit * _BINS
    lower = place.long().clamp_max(_BINS - 1)
    below, above = log_form.gather(1, lower), log_form.gather(1, lower + 1)
    return torch.exp(below + (place - lower) * (above - below))


@dataclass(frozen=True)
class _Bins:
    """Reflections grouped by s².

    Attributes:
        weight: (B, _BINS) number of reflections, or sum of their weights.
        half_square: (B, _BINS) s²/2 in 1/Å².
        ratio: (B, _BINS) mean intensity over Σ_j f_j²; 0 in an empty bin.
    """

    weight: Tensor
    half_square: Tensor
    ratio: Tensor

    @classmethod
    def of(
        cls, intensity: Tensor, square: Tensor, weight: Tensor, probe: str | Tensor, numbers: Tensor | None
    ) -> _Bins:
        """Sort reflections (B, n) with weights into bins."""
        limit = (square * (weight > 0)).amax(1, keepdim=True).clamp_min(1e-12)
        place = (square / limit * _BINS).long().clamp_max(_BINS - 1)
        empty = square.new_zeros(len(square), _BINS)
        total, squares, intensities = (
            empty.scatter_add(1, place, values) for values in (weight, weight * square, weight * intensity)
        )
        middle = squares / total.clamp_min(1e-300)
        form = mean_square_form(middle, probe, numbers).clamp_min(1e-300)
        return cls(total, middle / 2, intensities / total.clamp_min(1e-300) / form)

    def mean_intensity(self, b_iso: Tensor, square: Tensor, probe: str | Tensor, numbers: Tensor | None) -> Tensor:
        """Return the mean intensity (B, n) at values of s² (B, n), for B (B, 1)."""
        return _interpolated_form(square, probe, numbers) * torch.exp(self.level(b_iso) - b_iso / 2 * square)

    def level(self, b_iso: Tensor) -> Tensor:
        """Return (B, 1) the logarithm of k² that is likeliest at B (B, 1); 0 where there is no intensity."""
        total = (self.weight * self.ratio * torch.exp(b_iso * self.half_square)).sum(1, keepdim=True)
        return torch.where(total > 0, (total / self._count()).log(), 0.0)

    def likeliest_b(self) -> Tensor:
        """Return the likeliest B (B, 1) in Å².

        For the best k², the likelihood is greatest where the mean of s², weighted by |F|² exp(B s²/2) / Σ_j f_j²,
        equals the mean of s² over all reflections. The weighted mean grows with B; its derivative is the variance.
        """
        away = self._away()
        b_iso = torch.zeros_like(away[:, :1])
        for _ in range(_ITERATIONS):
            tilted = self.weight * self.ratio * torch.exp(b_iso * away)
            total = tilted.sum(1, keepdim=True).clamp_min(1e-300)
            mean = (tilted * away).sum(1, keepdim=True) / total
            variance = (tilted * away.square()).sum(1, keepdim=True) / total - mean.square()
            step = (mean / variance.clamp_min(1e-12)).clamp(-_LONGEST_STEP, _LONGEST_STEP)
            b_iso = (b_iso - step).clamp(-_STEEPEST, _STEEPEST)
        return b_iso

    def errors(self, b_iso: Tensor, composition: float) -> tuple[Tensor, Tensor]:
        """Return (B,) the standard errors of B in Å² and of the logarithm of k².

        Each is the larger of two: the error for independent exponential intensities, and the error from the scatter of
        the shells about the fit.

        Args:
            b_iso: the likeliest B (B, 1) in Å².
            composition: standard error of B in Å² that comes from an unknown composition.
        """
        away = self._away()
        spread = (self.weight * away.square()).sum(1)
        residual = self.weight * (self.ratio * torch.exp(b_iso * self.half_square - self.level(b_iso)) - 1)
        volume = self.half_square.pow(1.5)
        shell = (volume / volume.amax(1, keepdim=True).clamp_min(1e-300) * _SHELLS).long().clamp_max(_SHELLS - 1)
        empty = residual.new_zeros(len(residual), _SHELLS)
        tilts, levels, filled = (
            empty.scatter_add(1, shell, values) for values in (residual * away, residual, self.weight)
        )
        shells = (filled > 0).sum(1)
        # Two numbers are fitted: fewer than three shells show no scatter.
        share = torch.where(shells > 2, shells / (shells - 2).clamp_min(1), torch.inf)
        total = self._count()[:, 0]
        b_variance = torch.maximum(share * tilts.square().sum(1) / spread.square(), _FRIEDEL / spread)
        mean_variance = torch.maximum(share * levels.square().sum(1) / total.square(), _FRIEDEL / total)
        known = (spread > 0) & (self.ratio > 0).any(1)
        b_error = torch.where(known, (b_variance + composition**2).sqrt(), torch.inf).nan_to_num(torch.inf)
        # The level at s = 0 is extrapolated, so the error of B adds to its own.
        level_error = (mean_variance + (self._middle()[:, 0] * b_error).square()).sqrt().nan_to_num(torch.inf)
        return b_error, level_error

    def _count(self) -> Tensor:
        return self.weight.sum(1, keepdim=True).clamp_min(1e-300)

    def _middle(self) -> Tensor:
        return (self.weight * self.half_square).sum(1, keepdim=True) / self._count()

    def _away(self) -> Tensor:
        return self.half_square - self._middle()
