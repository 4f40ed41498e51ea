"""Rough phases made exact: atoms are placed at the peaks of the map and fitted to |F|, first a few, then more.

A map of low resolution is nearly right long before its phases are. At that stage, knowing that a crystal is a sum of
atoms is worth more than the amplitudes. Structures are completed by peaks, least squares, peaks of the difference map
and least squares again (SHELXL: Sheldrick, Acta Cryst. C71, 2015). The number of reflections limits the number of
atoms, so that misplaced atoms do not fit.

Atoms are judged by their R beyond that of the noise, √(R² − Rₙ²): true atoms fit noisy amplitudes to Rₙ and no better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.density import map_from_structure_factors
from phaselearn.crystal.judgement import with_phases_of
from phaselearn.crystal.lattice import volume
from phaselearn.crystal.minimum_image import nearer_than
from phaselearn.crystal.observed import MAP_B_ISO, Observed
from phaselearn.crystal.peaks import find_peaks, fourier_upsample
from phaselearn.crystal.rows import Rows, padded
from phaselearn.errors import UserError
from phaselearn.phasing.atomic_model import AtomicModel
from phaselearn.phasing.composition import atoms_in_cell
from phaselearn.phasing.least_squares import fit_atoms
from phaselearn.phasing.reflections import ReflectionList

_OVERSAMPLING = 2  # voxels along an axis of the maps searched for peaks, for each voxel of the data's grid
_SMALLEST_R = 1e-3  # below it, and below a tenth of the R of the noise, one model is as good as another
_PARAMETERS = 4  # of an atom, beside its B
_TOGETHER = 1 << 24  # values over reflections and parameters of the crystals that are refined together


@dataclass(frozen=True)
class Refined(Rows):
    """The phases and figures of merit of refined atoms.

    Attributes:
        factors: FFT boxes (B, n₁, n₂, n₃): the measured amplitudes of the judged maps with the phases of the atoms.
        r_factor: (B,) R of the atoms' amplitudes, beyond that of the noise.
        evidence: (B,) minus the Bayesian information criterion per reflection; the model with the highest is the best.
    """

    factors: Tensor
    r_factor: Tensor
    evidence: Tensor

    def with_better(self, rows: Tensor, part: Refined) -> Refined:
        """Return the same with the rows of these numbers replaced by those of `part` that have more evidence."""
        better = part.evidence > self.evidence[rows]
        return self.with_rows(rows[better], part[better])


@dataclass(frozen=True, kw_only=True)
class AtomLimits:
    """The bounds within which peaks are taken for atoms.

    Attributes:
        weakest: weight of an atom, as a share of the heaviest atom's, from which it needs no other proof.
        faintest: least weight of an atom, as a share of the heaviest atom's.
        significance: least weight, in standard deviations of the difference map, of an atom that is lighter than
            `weakest`.
        separation: least distance of atoms in Å, where the data are too coarse to resolve closer ones.
        closest: least distance of atoms in Å, whatever the resolution.
        volume: least volume for each atom in Å³.
        most: largest number of atoms in a cell.
    """

    weakest: float
    faintest: float
    significance: float
    separation: float
    closest: float
    volume: float
    most: int

    def distance(self, reflections: ReflectionList) -> Tensor:
        """Return (B, 1, 1) the least distance of atoms in Å: the resolution, but within the bounds."""
        resolution = reflections.inverse_square.mul(reflections.measured).amax(1).rsqrt()
        return resolution.clamp(self.closest, self.separation)[:, None, None]

    def least(self, heaviest: Tensor, deviation: Tensor) -> Tensor:
        """Return (B, 1) the weight above which peaks are atoms.

        Args:
            heaviest: (B, 1) weight of the heaviest atom.
            deviation: (B, 1) standard deviation of the difference map in units of weight.
        """
        proven = torch.maximum(self.faintest * heaviest, self.significance * deviation)
        return torch.minimum(self.weakest * heaviest, proven)


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """Rounds of peaks and least squares.

    Attributes:
        atoms: bounds on the atoms.
        reflections_per_atom: fewest reflections for each atom, in each round.
        reflections_per_b: fewest reflections for each atom from which each has a B of its own; with fewer, all atoms of
            a crystal have one.
        steps: largest number of least-squares steps in a round.
        enough: evidence from which atoms explain the amplitudes, so that nothing is left to look for. Of many
            reflections for each atom 7 is an R of 0.03, of four it is an R of 0.003.
        largest_r: R of the atoms beyond the noise from which they are rejected.
        composition_rounds: largest number of rounds that follow while the amplitudes are not explained, with the atoms
            of the known composition; 0 where it is not known.

    Raises:
        UserError: the number of rounds is below 0.
    """

    atoms: AtomLimits
    reflections_per_atom: Sequence[float]
    reflections_per_b: float
    steps: int
    enough: float
    largest_r: float
    composition_rounds: int

    def __post_init__(self) -> None:
        if self.composition_rounds < 0:
            raise UserError(
                f"composition_rounds={self.composition_rounds}: 0 for an unknown composition, or a number of rounds is "
                "needed, e.g. composition_rounds=6"
            )

    def __call__(self, factors: Sequence[Tensor], observed: Sequence[Observed]) -> list[Refined]:
        """Refine phases of sets of crystals, all at once; the FFT boxes of each set have a shape of their own.

        Args:
            factors: FFT boxes (B, n₁, n₂, n₃) for each set; only their phases count.
            observed: the reflections of each set.

        Raises:
            UserError: atoms of the known composition are asked for, and nobody has said what it is.
        """
        lists = [ReflectionList.of(part) for part in observed]
        reflections = ReflectionList.joined(lists)
        phases = [
            padded(each.values(part).angle(), reflections.length) for each, part in zip(lists, factors, strict=True)
        ]
        phased = torch.polar(reflections.amplitude, torch.cat(phases))
        if self.composition_rounds:
            asked_by = f"composition_rounds={self.composition_rounds}"
            contents = atoms_in_cell(observed, asked_by, self.atoms.most)
        else:
            contents = reflections.measured.new_zeros((len(reflections), 1), dtype=torch.long)
        groups = self._alike(reflections, contents)
        refined = [self._refined(phased[rows], reflections[rows], contents[rows]) for rows in groups]
        length = reflections.length
        found = Refined.gathered([replace(some, factors=padded(some.factors, length)) for some in refined], groups)
        ends = torch.tensor([len(each) for each in lists]).cumsum(0).tolist()
        parts = []
        for part, each, end in zip(observed, lists, ends, strict=True):
            own = found[end - len(each) : end]
            boxes = each.boxes(own.factors[:, : each.length])
            parts.append(replace(own, factors=with_phases_of(part.map_amplitude(), boxes)))
        return parts

    def _alike(self, reflections: ReflectionList, contents: Tensor) -> list[Tensor]:
        """Return rows of crystals of like size; those of a group need no more memory than `_TOGETHER` says."""
        known = (contents > 0).sum(1)
        atoms = torch.maximum(self._most_atoms(reflections, self.reflections_per_atom[-1]), known)
        values = reflections.counts() * atoms * (_PARAMETERS + 1)
        groups: list[list[int]] = [[]]
        largest = 0
        for row in values.argsort(stable=True).tolist():
            largest = max(largest, int(values[row]))
            if groups[-1] and largest * (len(groups[-1]) + 1) > _TOGETHER:
                groups.append([])
            groups[-1].append(row)
        return [torch.tensor(rows, device=values.device) for rows in groups]

    def _most_atoms(self, reflections: ReflectionList, least: float) -> Tensor:
        """Return (B,) the largest number of atoms, with so many reflections for each at least."""
        room = volume(reflections.lattice) / self.atoms.volume
        return torch.minimum(reflections.counts() / least, room).clamp(1, self.atoms.most).long()

    def _refined(self, phased: Tensor, reflections: ReflectionList, contents: Tensor) -> Refined:
        """Refine phased reflections in lists (B, H); the factors of the result are such lists without padding."""
        reflections = reflections.trimmed()
        phased = phased[:, : reflections.length]
        model = AtomicModel.empty(reflections)
        found = judged_atoms(model, reflections)
        for least in self.reflections_per_atom:
            rows = (found.r_factor > _SMALLEST_R).nonzero()[:, 0]
            if not len(rows):
                break
            part = reflections[rows]
            completed = self._completed(model[rows], part, phased[rows], self._most_atoms(part, least))
            own_b = part.counts() >= self.reflections_per_b * completed.count()
            fitted = fit_atoms(completed, part, self.steps, own_b)
            model = model.with_rows(rows, fitted)
            found = found.with_better(rows, judged_atoms(fitted, part))
        for _ in range(self.composition_rounds):
            rows = (found.evidence < self.enough).nonzero()[:, 0]
            if not len(rows):
                break
            part, known = reflections[rows], contents[rows]
            completed = self._completed(model[rows], part, phased[rows], (known > 0).sum(1), known=True)
            one_b = torch.zeros_like(rows, dtype=torch.bool)
            told = completed.with_weights(known).scaled(part)
            fitted = fit_atoms(told, part, self.steps, one_b, own_weight=False)
            found = found.with_better(rows, judged_atoms(fitted, part, _PARAMETERS - 1))
            # An atom in a wrong place loses its weight, and makes room for another one.
            model = model.with_rows(rows, fit_atoms(fitted, part, self.steps, one_b))
        return found

    def _completed(
        self, model: AtomicModel, reflections: ReflectionList, phased: Tensor, most: Tensor, known: bool = False
    ) -> AtomicModel:
        """Add atoms at the peaks of the difference map, or of the map of `phased` (B, H) while there are no atoms.

        If the number of atoms is known, the highest peaks are atoms, however low they are.
        """
        completed = model
        for box in reflections.box.unique(dim=0):
            rows = (reflections.box == box).all(1).nonzero()[:, 0]
            of_box = self._completed_in_box(model[rows], reflections[rows], phased[rows], most[rows], known)
            completed = completed.with_rows(rows, of_box)
        return completed

    def _completed_in_box(
        self, model: AtomicModel, reflections: ReflectionList, phased: Tensor, most: Tensor, known: bool
    ) -> AtomicModel:
        """Do so for crystals whose FFT boxes have the same shape."""
        calculated, is_begun = model.structure_factors(reflections), (model.count() > 0)[:, None]
        magnitude = calculated.abs()
        unit = calculated / magnitude.clamp_min(torch.finfo(magnitude.dtype).tiny)
        difference = torch.where(is_begun, (reflections.amplitude - magnitude) * unit, phased)
        blur = torch.exp(-MAP_B_ISO / 4 * reflections.inverse_square) * reflections.measured
        # Of a map of such coefficients with random phases, in units of the height of an atom of weight one.
        deviation = (difference.abs() * blur).square().sum(1, keepdim=True).div(2).sqrt() / blur.sum(1, keepdim=True)
        deviation = torch.where(is_begun, deviation, torch.inf)
        weight = model.weight * (model.weight > self.atoms.least(_highest(model.weight), deviation))
        model = replace(model, weight=weight)
        density = map_from_structure_factors(reflections.boxes(difference * blur), reflections.lattice)
        fine = fourier_upsample(density, _OVERSAMPLING)
        apart = self.atoms.distance(reflections)
        peaks = find_peaks(fine, reflections.lattice, int(most.max()), apart)
        # An atom of weight one peaks at 2 Σ exp(−B s²/4) / V: a Friedel pair counts twice.
        height = 2 * blur.sum(1) / volume(reflections.lattice)
        added = peaks.heights.nan_to_num(0.0, 0.0, 0.0).clamp_min(0) / height[:, None]
        if not known:
            added = added * (added > self.atoms.least(torch.maximum(_highest(weight), _highest(added)), deviation))
        near = nearer_than(peaks.positions, model.position, reflections.lattice, apart)
        added = added * ~(near & (model.weight > 0)[:, None]).any(2)
        b_iso = model.mean_b().expand_as(added)
        completed = model.with_atoms(peaks.positions, added, b_iso).heaviest(most)
        return completed.scaled(reflections)


def _highest(weight: Tensor) -> Tensor:
    return weight.amax(1, keepdim=True)


def judged_atoms(model: AtomicModel, reflections: ReflectionList, parameters: int = _PARAMETERS) -> Refined:
    """Judge atoms of B crystals by how well they fit.

    Args:
        model: the atoms.
        reflections: the crystals' measured reflections, in lists (B, H).
        parameters: free ones of each atom.

    Returns:
        The figures of merit; the factors are lists (B, H).
    """
    noise = reflections.r_of_noise()
    r_factor = (model.r_factor(reflections).square() - noise.square()).clamp_min(0).sqrt()
    count = reflections.counts().clamp_min(2).to(r_factor.dtype)
    penalty = parameters * model.count() * count.log() / count
    evidence = -(r_factor.square() + (noise / 10).square() + _SMALLEST_R**2).log() - penalty
    return Refined(model.structure_factors(reflections), r_factor, evidence)
