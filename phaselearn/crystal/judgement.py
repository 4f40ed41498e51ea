"""Judgements of phases: the map correlation, its phase-zero floor, the phase error and the atoms found.

No judgement depends on what |F| leaves open: the origin (all real shifts) and the hand. Two maps are compared. Both are
syntheses of the observed amplitudes |F|·exp(−B s²/4), B = 4 Å², on the observed reflections and their Friedel mates,
without F(000). One has the true phases, computed from the atoms; the other has the predicted ones.

A prediction that is not a number, or that has no phases (a constant map), counts as an empty map. Its correlation is 0
and its phase error that of random phases, so it never improves a median.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from phaselearn.crystal.alignment import Alignment, align
from phaselearn.crystal.choices import SCATTERING
from phaselearn.crystal.density import map_from_structure_factors
from phaselearn.crystal.layout import friedel_mate, in_parts, inside_nyquist, miller_box, shape_of
from phaselearn.crystal.minimum_image import nearer_than
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.peaks import find_peaks, fourier_upsample
from phaselearn.crystal.rows import Rows
from phaselearn.crystal.scattering import Scattering
from phaselearn.crystal.structure_factors import structure_factors

HARD_BELOW = 0.9  # phase-zero floor below which a crystal counts as hard
SOLVED_FROM = 0.9
ATOM_TOLERANCE = 0.5  # Å
ATOM_SHARE = 0.9
_RANDOM_PHASES = 90.0  # degrees, the mean error of random phases
_POINTS = 16  # of the finest maps, for each point of the box: two hands on a grid twice as fine


@dataclass(frozen=True)
class Judgement(Rows):
    """Judgements of a batch of crystals, each (B,).

    Attributes:
        correlation: map correlation CC after the best shift and hand.
        floor: map correlation of the map with all phases zero, CC₀.
        gain: (CC − CC₀)/(1 − CC₀); 0 where the floor is 1.
        phase_error: amplitude-weighted mean phase difference after alignment, in degrees.
        solved: correlation ≥ 0.90.
        atoms_found: share of the n atoms that have one of the n highest peaks within 0.5 Å; NaN without `refine`.
            Hydrogen counts for neutrons alone, since no other probe locates it.
        strict: 1 if solved and ≥ 90 % of the atoms are found, else 0; NaN without `refine`.
        hard: floor < 0.90.
        counted: whether the crystal can be judged: at least 20 unique reflections are observed, more than three have
            an intensity, and atoms and cell are finite. The others are left out of every share.
        failed: whether the prediction is not a number, or has no phases. It is unsolved, with correlation 0 and phase
            error 90°.
    """

    correlation: Tensor
    floor: Tensor
    gain: Tensor
    phase_error: Tensor
    solved: Tensor
    atoms_found: Tensor
    strict: Tensor
    hard: Tensor
    counted: Tensor
    failed: Tensor

    def as_dict(self) -> dict[str, Tensor]:
        """Return the judgements by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def with_phases_of(amplitude: Tensor, factors: Tensor) -> Tensor:
    """Return amplitude·exp(i arg F), complex (B, n₁, n₂, n₃); the phase is 0 where F is 0, and NaN where F is NaN."""
    magnitude = factors.abs()
    unit = torch.where(magnitude == 0, 1.0, factors / magnitude.clamp_min(torch.finfo(magnitude.dtype).tiny))
    return amplitude * unit


def true_map_factors(observed: Observed, numbers: Tensor, positions: Tensor, scattering: str | Scattering) -> Tensor:
    """Return the observed map amplitudes with the phases of the atoms, complex (B, n₁, n₂, n₃)."""
    indices = miller_box(observed.shape)
    true = structure_factors(observed.lattice, numbers, positions, indices, scattering)
    return with_phases_of(observed.map_amplitude(), true)


def judge(
    predicted: Tensor,
    observed: Observed,
    numbers: Tensor,
    positions: Tensor,
    scattering: str | Scattering = "atomic_number",
    refine: bool = True,
) -> tuple[Judgement, Alignment]:
    """Judge predicted phases against the atoms.

    Args:
        predicted: complex FFT boxes (B, n₁, n₂, n₃) of the observed shape; only their phases count.
        observed: measured amplitudes.
        numbers: (B, A) atomic numbers, 0 for padding.
        positions: (B, A, 3) fractional.
        scattering: scattering of the atoms that gave the amplitudes, as in `structure_factors`.
        refine: also maximise over shifts between the voxels, and look for the atoms (`atoms_found`, `strict`).

    Returns:
        The judgements, and the alignment that superimposes the prediction on the truth.
    """
    scattering = Scattering.of(scattering)
    everything = torch.arange(len(observed), device=predicted.device)
    parts = [
        _judged(predicted[rows], observed[rows], numbers[rows], positions[rows], scattering[rows], refine)
        for rows in in_parts(everything, _POINTS * predicted[0].numel())
    ]
    judgements, alignments = zip(*parts, strict=True)
    return Judgement.joined(judgements), Alignment.joined(alignments)


def _judged(
    predicted: Tensor, observed: Observed, numbers: Tensor, positions: Tensor, scattering: Scattering, refine: bool
) -> tuple[Judgement, Alignment]:
    observed = observed.on_unit_scale()
    amplitude = observed.map_amplitude()
    true = true_map_factors(observed, numbers, positions, scattering)
    known = _all_finite(true)
    true = torch.where(_each(known), true, 0)
    phased = _predicted_map_factors(amplitude, predicted)
    alignment = align(phased, true, refine)
    # The phase-zero map is its own inverse.
    floor = align(amplitude.to(true.dtype), true, refine, inversion=False).correlation
    aligned = alignment.apply(phased)
    solved = alignment.correlation >= SOLVED_FROM
    found = strict = torch.full_like(floor, torch.nan)
    if refine:
        found = atoms_found(aligned, observed.lattice, _located(numbers, scattering), positions).to(floor.dtype)
        strict = (solved & (found >= ATOM_SHARE)).to(floor.dtype)
    return (
        Judgement(
            correlation=alignment.correlation,
            floor=floor,
            gain=torch.where(floor < 1 - 1e-6, (alignment.correlation - floor) / (1 - floor).clamp_min(1e-6), 0.0),
            phase_error=phase_error(aligned, true),
            solved=solved,
            atoms_found=found,
            strict=strict,
            hard=floor < HARD_BELOW,
            counted=known & observed.is_judged(),
            failed=amplitude.flatten(1).any(1) & ~phased.flatten(1).any(1),
        ),
        alignment,
    )


def _located(numbers: Tensor, scattering: Scattering) -> Tensor:
    """Return the atomic numbers (B, A) of atoms that the probe locates, 0 for the others.

    A crystal of hydrogen alone keeps its atoms.
    """
    by_neutrons = scattering.probes(numbers) == SCATTERING.index("neutron")
    located = torch.where((numbers > 1) | by_neutrons, numbers, 0)
    return torch.where(located.any(1, keepdim=True), located, numbers)


def _predicted_map_factors(amplitude: Tensor, predicted: Tensor) -> Tensor:
    """Return amplitudes with predicted phases, complex (B, n₁, n₂, n₃); 0 where there is no phase."""
    factors = _hermitian(predicted)
    sound = _each(_all_finite(factors))
    factors = torch.where(sound, factors, 0)
    magnitude = factors.abs()
    largest = magnitude.flatten(1).amax(1)
    # A constant map has nothing but rounding beside F(000).
    has_phase = magnitude > torch.finfo(magnitude.dtype).eps * _each(largest)
    return torch.where(has_phase, with_phases_of(amplitude, factors), 0)


def _hermitian(factors: Tensor) -> Tensor:
    """Return a box with exact Friedel symmetry: rounding in a network's FFT is not a phase."""
    # Values are halved before they are added: the sum of two large ones may overflow.
    halved = factors / 2
    inside = inside_nyquist(shape_of(factors), factors.device)
    return torch.where(inside, halved + friedel_mate(halved).conj(), 0)


def _all_finite(values: Tensor) -> Tensor:
    return torch.isfinite(values).flatten(1).all(1)


def _each(values: Tensor) -> Tensor:
    """Return values (B,) as (B, 1, 1, 1), to be combined with boxes (B, n₁, n₂, n₃)."""
    return values[:, None, None, None]


def phase_error(aligned: Tensor, true: Tensor) -> Tensor:
    """Return the amplitude-weighted mean |Δφ| in degrees, (B,), between two boxes of equal amplitudes.

    A reflection without a phase in the first box counts with 90°, the mean error of a random phase.
    """
    weight = true.abs()
    difference = (aligned * true.conj()).angle().abs() * (180 / math.pi)
    difference = torch.where(aligned == 0, _RANDOM_PHASES, difference)
    total = weight.flatten(1).sum(1).clamp_min(torch.finfo(weight.dtype).tiny)
    return (weight * difference).flatten(1).sum(1) / total


def atoms_found(aligned: Tensor, lattice: Tensor, numbers: Tensor, positions: Tensor) -> Tensor:
    """Return (B,) the share of a crystal's n atoms that have one of the map's n highest peaks within 0.5 Å.

    Args:
        aligned: structure factors of the map, superimposed on the truth, complex (B, n₁, n₂, n₃).
        lattice: (B, 3, 3) in Å.
        numbers: (B, A) atomic numbers, 0 for padding.
        positions: (B, A, 3) fractional.
    """
    density = fourier_upsample(map_from_structure_factors(aligned, lattice), 2)
    peaks = find_peaks(density, lattice, numbers.shape[1])
    present = numbers > 0
    atoms = present.sum(1)
    rank = torch.arange(numbers.shape[1], device=numbers.device)
    usable = (rank < atoms[:, None]) & torch.isfinite(peaks.heights)
    close = nearer_than(positions.to(density.dtype), peaks.positions, lattice, ATOM_TOLERANCE)
    near = (close & usable[:, None, :]).any(-1) & present
    return near.sum(1) / atoms.clamp_min(1)
