"""Atoms fitted to amplitudes by damped least squares (Levenberg 1944, Marquardt 1963), all crystals at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from phaselearn.phasing.atomic_model import AtomicModel
from phaselearn.phasing.reflections import ReflectionList

_LONGEST_STEP = 0.3  # Å, of an atom
_MOST_B = 20.0  # Å²
_B_UNIT = 4.0  # Å²; in this unit B is of the size of the other parameters
_FITTED = 1e-6  # of Σ|F|²; with a smaller residual nothing is left to fit
_SLOW = 1e-4  # of the residual; a step that gains less is the last
_DOUBLINGS = 2  # of the work of a step: crystals that differ by no more are fitted together
_DAMPING, _LESS, _MORE = 1e-2, 0.4, 4.0


def fit_atoms(model: AtomicModel, reflections: ReflectionList, steps: int) -> AtomicModel:
    """Move, weigh and blur atoms until Σ(|F_model| − |F|)² is least; weights that would be negative become 0.

    Args:
        model: the atoms that the fit begins with. Those of weight 0 keep it, and should come last.
        reflections: the crystals' measured reflections.
        steps: largest number of steps.
    """
    # A step costs H K² or so, and most of it would be padding if small crystals were fitted beside large ones.
    size = (reflections.counts() * model.count().square()).clamp_min(1).log2().div(_DOUBLINGS, rounding_mode="floor")
    for like in size.unique():
        rows = (size == like).nonzero()[:, 0]
        model = model.with_rows(rows, _fitted(model[rows].trimmed(), reflections[rows].trimmed(), steps))
    return model


def _fitted(model: AtomicModel, reflections: ReflectionList, steps: int) -> AtomicModel:
    fitted = model
    going = torch.arange(len(model.weight), device=model.weight.device)
    damping = torch.full_like(model.b_iso, _DAMPING)
    jacobian, difference = _linearised(model, reflections)
    residual = difference.square().sum(1)
    for _ in range(steps):
        moved = _step(model, reflections, jacobian, difference, damping)
        jacobian_there, difference_there = _linearised(moved, reflections)
        residual_there = difference_there.square().sum(1)
        better = residual_there < residual
        done = (better & (residual - residual_there < _SLOW * residual)) | (residual_there < _FITTED)
        model = AtomicModel.where(better, moved, model)
        fitted = fitted.with_rows(going, model)
        if done.all():
            break
        jacobian_there[~better] = jacobian[~better]
        jacobian, difference = jacobian_there, torch.where(better[:, None], difference_there, difference)
        residual = torch.where(better, residual_there, residual)
        damping = torch.where(better, damping * _LESS, damping * _MORE).clamp(1e-7, 1e4)
        if done.any():
            rows = (~done).nonzero()[:, 0]
            model, reflections, going = model[rows], reflections[rows], going[rows]
            jacobian, difference, residual, damping = (
                values[rows] for values in (jacobian, difference, residual, damping)
            )
    return fitted


def _linearised(model: AtomicModel, reflections: ReflectionList) -> tuple[Tensor, Tensor]:
    """Return ∂|F|/∂(weights, positions, B) and |F_model| − |F|, (B, H, 4K + 1) and (B, H).

    Weights are in units of `_unit_of_weight`, positions in Å, B in units of `_B_UNIT`.
    """
    cosine, sine = model.waves(reflections)
    fall, weight = model.fall(reflections), model.weight[:, :, None]
    real, imaginary = (cosine @ weight)[..., 0] * fall, (sine @ weight)[..., 0] * fall
    magnitude = (real.square() + imaginary.square() + 1e-12).sqrt()
    along, across = (real / magnitude * fall)[..., None], (imaginary / magnitude * fall)[..., None]
    atoms = model.weight.shape[1]
    jacobian = cosine.new_empty((*magnitude.shape, 4 * atoms + 1))
    by_weight, by_position = jacobian[..., :atoms], jacobian[..., atoms:-1].unflatten(2, (atoms, 3))
    torch.addcmul(cosine * along, sine, across, out=by_weight)
    by_weight *= (_unit_of_weight(model) * (model.weight > 0))[:, None]
    by_angle = torch.addcmul(cosine * across, sine, along, value=-1) * model.weight[:, None]
    gradient = 2 * math.pi * reflections.index @ torch.linalg.inv(reflections.lattice).transpose(1, 2)
    torch.mul(by_angle[..., None], gradient[:, :, None], out=by_position)
    jacobian[..., -1] = -_B_UNIT / 4 * reflections.inverse_square * magnitude * reflections.measured
    return jacobian, (magnitude - reflections.amplitude) * reflections.measured


def _unit_of_weight(model: AtomicModel) -> Tensor:
    """Return (B, 1) the root mean square of the weights; in this unit they are of the size of positions in Å."""
    count = model.count().clamp_min(1)[:, None]
    return (model.weight.square().sum(1, keepdim=True) / count).sqrt()


def _step(
    model: AtomicModel, reflections: ReflectionList, jacobian: Tensor, difference: Tensor, damping: Tensor
) -> AtomicModel:
    """Return the model after one damped step."""
    curvature = jacobian.transpose(1, 2) @ jacobian
    slope = (difference[:, None] @ jacobian).transpose(1, 2)
    diagonal = curvature.diagonal(dim1=1, dim2=2)
    mean = diagonal.mean(1, keepdim=True)
    # Parameters that nothing depends on, those of absent atoms, need some damping of their own.
    added = damping[:, None] * (diagonal + 1e-2 * mean) + 1e-6 * mean + 1e-12
    factor, _ = torch.linalg.cholesky_ex(curvature + torch.diag_embed(added))
    change = -torch.cholesky_solve(slope, factor)[..., 0].nan_to_num(0.0, 0.0, 0.0)
    atoms = model.weight.shape[1]
    shift = change[:, atoms:-1].unflatten(1, (atoms, 3))
    shift = shift * (_LONGEST_STEP / shift.norm(dim=2, keepdim=True).clamp_min(_LONGEST_STEP))
    weight = model.weight + change[:, :atoms] * _unit_of_weight(model)
    return AtomicModel(
        model.position + shift @ torch.linalg.inv(reflections.lattice),
        weight.clamp_min(0) * (model.weight > 0),
        (model.b_iso + change[:, -1].clamp(-1, 1) * _B_UNIT).clamp(0, _MOST_B),
    )
