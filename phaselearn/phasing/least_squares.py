"""Atoms fitted to amplitudes by damped least squares (Levenberg 1944, Marquardt 1963), all crystals at once.

Σ wΔ² is made least, Δ = |F_model| − |F|, w = 1/(σ² + v). Here σ is the error of the measurement, and v = ⟨Δ² − σ²⟩ is
the variance of Δ beyond the noise, the same for all reflections. So a rough model is fitted with equal weights, and a
right one with 1/σ².
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.rows import Rows
from phaselearn.phasing.atomic_model import VALUES_AT_ONCE, AtomicModel
from phaselearn.phasing.reflections import ReflectionList

_LONGEST_STEP = 0.3  # Å, of an atom
_LEAST_B, _MOST_B = -6.0, 20.0  # Å²
_B_UNIT = 4.0  # Å²; in this unit B is of the size of the other parameters
_FITTED = 1e-6  # of Σ|F|²; with a smaller residual nothing is left to fit
_SLOW = 1e-4  # of the residual; a step that gains less is the last
_DOUBLINGS = 2  # of the work of a step: crystals that differ by no more are fitted together
_DAMPING, _LESS, _MORE = 1e-2, 0.4, 4.0


def fit_atoms(
    model: AtomicModel, reflections: ReflectionList, steps: int, own_b: Tensor, own_weight: bool = True
) -> AtomicModel:
    """Move, weigh and blur atoms until they fit best; weights that would be negative become 0.

    Args:
        model: the atoms that the fit begins with. Those of weight 0 keep it, and should come last.
        reflections: the crystals' measured reflections.
        steps: largest number of steps.
        own_b: (B,) bool, whether each atom of a crystal has a B of its own, or all atoms one.
        own_weight: whether each atom has a weight of its own. Otherwise the weights keep their ratios.
    """
    # A step costs H K² or so, and most of it would be padding if small crystals were fitted beside large ones.
    size = (reflections.counts() * model.count().square()).clamp_min(1).log2().div(_DOUBLINGS, rounding_mode="floor")
    kinds, kind = torch.stack((size.long(), own_b.long()), 1).unique(dim=0, return_inverse=True)
    for number, (_, own) in enumerate(kinds.tolist()):
        rows = (kind == number).nonzero()[:, 0]
        fitted = _fitted(model[rows].trimmed(), reflections[rows].trimmed(), steps, _Freedom(own_weight, bool(own)))
        model = model.with_rows(rows, fitted)
    return model


@dataclass(frozen=True)
class _Freedom:
    """Which parameters each atom has for itself; the others are one for all atoms of a crystal.

    Attributes:
        weight: whether each atom has its weight; otherwise there is one scale.
        b_iso: whether each atom has its B.
    """

    weight: bool
    b_iso: bool

    def split(self, parameters: Tensor, atoms: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return those of the last axis that stand for weights, positions (…, K, 3), and B."""
        weights = atoms if self.weight else 1
        first, second, third = parameters.split((weights, 3 * atoms, atoms if self.b_iso else 1), -1)
        return first, second.unflatten(-1, (atoms, 3)), third

    def count(self, atoms: int) -> int:
        """Return the number of parameters of so many atoms."""
        return (atoms if self.weight else 1) + 3 * atoms + (atoms if self.b_iso else 1)


def _fitted(model: AtomicModel, reflections: ReflectionList, steps: int, free: _Freedom) -> AtomicModel:
    if not free.b_iso:
        model = replace(model, b_iso=model.mean_b().expand_as(model.weight))
    fitted = model
    going = changed = torch.arange(len(model), device=model.weight.device)
    damping = torch.full_like(model.weight[:, 0], _DAMPING)
    difference = _difference(model, reflections)
    equations = _Equations.empty(model, free)
    for _ in range(steps):
        weights = _weights(difference, reflections)
        # Nearly half of all trial steps are refused; equations are set up only where one has been taken.
        if len(changed):
            new = _Equations.of(model[changed], reflections[changed], difference[changed], weights[changed], free)
            equations = equations.with_rows(changed, new)
        moved = _step(model, reflections, equations, damping, free)
        there = _difference(moved, reflections)
        residual, residual_there = ((weights * each.square()).sum(1) for each in (difference, there))
        better = residual_there < residual
        done = (better & (residual - residual_there < _SLOW * residual)) | (residual_there < _FITTED)
        model, difference = AtomicModel.where(better, moved, model), torch.where(better[:, None], there, difference)
        fitted = fitted.with_rows(going, model)
        if done.all():
            break
        damping = torch.where(better, damping * _LESS, damping * _MORE).clamp(1e-7, 1e4)
        if done.any():
            rows = (~done).nonzero()[:, 0]
            model, reflections, going, better = model[rows], reflections[rows], going[rows], better[rows]
            equations, difference, damping = equations[rows], difference[rows], damping[rows]
        changed = better.nonzero()[:, 0]
    return fitted


def _difference(model: AtomicModel, reflections: ReflectionList) -> Tensor:
    """Return Δ = |F_model| − |F|, (B, H)."""
    return model.structure_factors(reflections).abs() - reflections.amplitude


def _weights(difference: Tensor, reflections: ReflectionList) -> Tensor:
    """Return (B, H) weights in proportion to 1/(σ² + v); they are 1 where σ is the same for all reflections."""
    noise = reflections.sigma.square()
    count = reflections.counts().clamp_min(1)[:, None]
    mean = noise.sum(1, keepdim=True) / count
    tiny = torch.finfo(noise.dtype).eps / count
    of_model = (difference.square().sum(1, keepdim=True) / count - mean).clamp_min(0) + tiny
    return (mean + of_model) / (noise + of_model)


@dataclass(frozen=True)
class _Equations(Rows):
    """The normal equations of crystals.

    The parameters are K weights in units of `_unit_of_weight`, or the relative change of one scale; 3 K coordinates in
    Å; and K values of B, or one for all atoms, in units of `_B_UNIT`.

    Attributes:
        curvature: (B, P, P) normal matrix.
        slope: (B, P) half the derivatives of Σ wΔ².
    """

    curvature: Tensor
    slope: Tensor

    @classmethod
    def empty(cls, model: AtomicModel, free: _Freedom) -> _Equations:
        """Return equations of no reflections."""
        parameters = free.count(model.weight.shape[1])
        slope = model.weight.new_zeros((len(model), parameters))
        return cls(slope.new_zeros((len(model), parameters, parameters)), slope)

    @classmethod
    def of(
        cls, model: AtomicModel, reflections: ReflectionList, difference: Tensor, weights: Tensor, free: _Freedom
    ) -> _Equations:
        """Add up the reflections, no more at once than the memory should hold."""
        sums = cls.empty(model, free)
        at_once = max(1, VALUES_AT_ONCE // max(1, sums.slope.numel()))
        root = weights.sqrt()[..., None].split(at_once, 1)
        for part, some, of_some in zip(reflections.parts(at_once), root, difference.split(at_once, 1), strict=True):
            jacobian = _jacobian(model, part, free).mul_(some)
            sums.curvature.baddbmm_(jacobian.transpose(1, 2), jacobian)
            sums.slope.add_((jacobian.transpose(1, 2) @ (of_some[..., None] * some))[..., 0])
        return sums


def _jacobian(model: AtomicModel, reflections: ReflectionList, free: _Freedom) -> Tensor:
    """Return ∂|F_model|/∂(parameters), (B, H, P)."""
    cosine, sine = model.waves(reflections)
    weight = model.weight[:, :, None]
    real, imaginary = (cosine @ weight)[..., 0], (sine @ weight)[..., 0]
    magnitude = (real.square() + imaginary.square() + 1e-12).sqrt()
    along, across = (real / magnitude)[..., None], (imaginary / magnitude)[..., None]
    atoms = model.weight.shape[1]
    jacobian = cosine.new_empty((*magnitude.shape, free.count(atoms)))
    to_weight, to_position, to_b = free.split(jacobian, atoms)
    by_weight = torch.addcmul(cosine * along, sine, across)
    if free.weight:
        torch.mul(by_weight, (_unit_of_weight(model) * (model.weight > 0))[:, None], out=to_weight)
    else:
        to_weight.copy_((magnitude * reflections.measured)[..., None])
    by_b = by_weight * model.weight[:, None] if free.b_iso else magnitude[..., None]
    by_unit = (-_B_UNIT / 4 * reflections.inverse_square * reflections.measured)[..., None]
    torch.mul(by_b, by_unit, out=to_b)
    by_angle = torch.addcmul(cosine * across, sine, along, value=-1) * model.weight[:, None]
    gradient = 2 * math.pi * reflections.index @ torch.linalg.inv(reflections.lattice).transpose(1, 2)
    torch.mul(by_angle[..., None], gradient[:, :, None], out=to_position)
    return jacobian


def _unit_of_weight(model: AtomicModel) -> Tensor:
    """Return (B, 1) the root mean square of the weights; in this unit they are of the size of positions in Å."""
    count = model.count().clamp_min(1)[:, None]
    return (model.weight.square().sum(1, keepdim=True) / count).sqrt()


def _step(
    model: AtomicModel, reflections: ReflectionList, equations: _Equations, damping: Tensor, free: _Freedom
) -> AtomicModel:
    """Return the model after one damped step."""
    diagonal = equations.curvature.diagonal(dim1=1, dim2=2)
    # Absent atoms do not enter, so that a crystal's steps do not depend on how many atoms others of the batch have.
    mean = diagonal.sum(1, keepdim=True) / (diagonal > 0).sum(1, keepdim=True).clamp_min(1)
    # Parameters that nothing depends on, those of absent atoms, need some damping of their own.
    added = damping[:, None] * (diagonal + 1e-2 * mean) + 1e-6 * mean + 1e-12
    factor, _ = torch.linalg.cholesky_ex(equations.curvature + torch.diag_embed(added))
    change = -torch.cholesky_solve(equations.slope[..., None], factor)[..., 0].nan_to_num(0.0, 0.0, 0.0)
    by_weight, shift, by_b = free.split(change, model.weight.shape[1])
    shift = shift * (_LONGEST_STEP / shift.norm(dim=2, keepdim=True).clamp_min(_LONGEST_STEP))
    by_weight = by_weight * _unit_of_weight(model) if free.weight else by_weight.clamp(-0.5, 1.0) * model.weight
    weight = model.weight + by_weight
    b_iso = model.b_iso if free.b_iso else model.mean_b()
    return AtomicModel(
        model.position + shift @ torch.linalg.inv(reflections.lattice),
        weight.clamp_min(0) * (model.weight > 0),
        (b_iso + by_b.clamp(-1, 1) * _B_UNIT).clamp(_LEAST_B, _MOST_B).expand_as(weight),
    )
