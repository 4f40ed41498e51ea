"""Full-matrix least squares on F², isotropic, in the definitions of SHELXL.

Σ w(Fo² − kFc²)² is made least, w = 1/(σ² + (aP)²), P = (max(Fo², 0) + 2kFc²)/3 (Sheldrick, Acta Cryst. C71 (2015) 3).
Fc² is |A|² + |B|², the mean of Friedel mates, with A of f + f′ and B of f″. Within a refinement |B|² stays as it is at
the beginning, since it changes little. Positions move within the symmetry of their sites, in Å. A step is Levenberg and
Marquardt's: the damping grows when a step does not help, and vanishes at the minimum.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from phaselearn.structure.calculated import Calculator, Derivatives
from phaselearn.structure.model import Model

WEIGHT_A = 0.1
_STRONG = 2.0  # I/σ, that is F/σ(F) = 4
_LONGEST_STEP = 0.3  # Å, of an atom in a cycle
_LARGEST_U_STEP = 0.05  # Å²
_SMALLEST_U, _LARGEST_U = 0.0005, 1.0  # Å²
_FIRST_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-3, 1e-7, 1e3
_LESS, _MORE = 0.1, 10.0
_CONVERGED = 1e-4  # Å and Å²: largest shift of the last cycle


@dataclass(frozen=True, eq=False)
class Refined:
    """A model after least squares.

    Attributes:
        model: its atoms.
        scale: k, measured intensity / |F|².
        calculated: (M,) complex F of the model, without f″.
        parameters: number of parameters that the data determine.
        weighted: Σ w(Fo² − kFc²)².
        wr2, goodness: as in `FitFigures`.
        r1, r1_all: over reflections of I > 2σ, and over all.
        strong: number of reflections with I > 2σ.
    """

    model: Model
    scale: float
    calculated: NDArray[np.complex128]
    parameters: int
    weighted: float
    wr2: float
    goodness: float
    r1: float
    r1_all: float
    strong: int


def refine(
    model: Model, calculator: Calculator, cycles: int, with_occupancy: bool = False, deadline: float = math.inf
) -> Refined:
    """Refine the atoms.

    Args:
        model: the atoms to begin with.
        calculator: calculator for the reflections to fit.
        cycles: most cycles.
        with_occupancy: refine occupancies, too, on the scale that the given ones imply.
        deadline: `time.monotonic()` after which no further cycle begins.
    """
    imaginary = calculator.square_of_imaginary(model)
    scale = _scale(np.abs(calculator(model)) ** 2 + imaginary, calculator)
    if time.monotonic() > deadline:
        return judged(model, calculator, scale)
    damping = _FIRST_DAMPING
    equations = _equations(model, scale, calculator, imaginary, with_occupancy)
    for _ in range(cycles):
        step = _solved(equations, damping)
        moved, moved_scale, largest = _stepped(model, scale, step, with_occupancy)
        square = moved_scale * (np.abs(calculator(moved)) ** 2 + imaginary)
        if _residual(square, calculator, equations.weights) > equations.residual:
            damping *= _MORE
            if damping > _MOST_DAMPING:
                break
            continue
        model, scale, damping = moved, moved_scale, max(damping * _LESS, _LEAST_DAMPING)
        if largest < _CONVERGED or time.monotonic() > deadline:
            break
        equations = _equations(model, scale, calculator, imaginary, with_occupancy)
    return judged(model, calculator, scale)


def judged(model: Model, calculator: Calculator, scale: float | None = None) -> Refined:
    """Return a model as it is, with its figures; without a scale, the one that fits best."""
    reflections, calculated = calculator.reflections, calculator(model)
    square = np.abs(calculated) ** 2 + calculator.square_of_imaginary(model)
    scale = _scale(square, calculator) if scale is None else scale
    square = scale * square
    weights = _weights(square, calculator)
    difference = np.square(reflections.intensity - square)
    weighted = float((weights * difference).sum())
    parameters = parameter_count(model, calculator)
    observed = np.sqrt(np.maximum(reflections.intensity, 0))
    deviation = np.abs(observed - np.sqrt(square))
    strong = reflections.intensity > _STRONG * reflections.sigma
    return Refined(
        model=model,
        scale=scale,
        calculated=calculated,
        parameters=parameters,
        weighted=weighted,
        wr2=math.sqrt(weighted / max(float((weights * np.square(reflections.intensity)).sum()), 1e-300)),
        goodness=math.sqrt(weighted / max(len(reflections) - parameters, 1)),
        r1=float(deviation[strong].sum() / max(observed[strong].sum(), 1e-300)) if strong.any() else 1.0,
        r1_all=float(deviation.sum() / max(observed.sum(), 1e-300)),
        strong=int(strong.sum()),
    )


def parameter_count(model: Model, calculator: Calculator) -> int:
    """Return the number of parameters: scale, U, free coordinates, less the directions in which the origin floats."""
    rotations = calculator.group.rotations[calculator.group.primitive]
    floating = round(float(np.trace(rotations.mean(0))))
    return 1 + len(model) + sum(directions.shape[1] for directions in model.directions) - floating


def _scale(square: NDArray[np.float64], calculator: Calculator) -> float:
    """Return the scale that brings Σ|Fc| to Σ|Fo|, which a few wrong intensities disturb less than squares would."""
    observed = np.sqrt(np.maximum(calculator.reflections.intensity, 0))
    total = float(np.sqrt(square).sum())
    ratio = float(observed.sum()) / total if total > 0 else 1.0
    return ratio**2 if ratio > 0 else 1.0


def _weights(square: NDArray[np.float64], calculator: Calculator, rows: slice = slice(None)) -> NDArray[np.float64]:
    reflections = calculator.reflections
    mean = (np.maximum(reflections.intensity[rows], 0) + 2 * square) / 3
    weights: NDArray[np.float64] = 1 / (np.square(reflections.sigma[rows]) + np.square(WEIGHT_A * mean))
    return weights


def _residual(square: NDArray[np.float64], calculator: Calculator, weights: NDArray[np.float64]) -> float:
    difference = calculator.reflections.intensity - square
    return float((weights * np.square(difference)).sum())


@dataclass(frozen=True, eq=False)
class _Equations:
    """Normal matrix (P, P), slope (P,), weights (M,) of the reflections, and Σ w Δ²."""

    curvature: NDArray[np.float64]
    slope: NDArray[np.float64]
    weights: NDArray[np.float64]
    residual: float


def _equations(
    model: Model, scale: float, calculator: Calculator, imaginary: NDArray[np.float64], with_occupancy: bool
) -> _Equations:
    curvatures, slopes, weights, residual = [], [], [], 0.0
    for part in calculator.derivatives(model):
        square = scale * (np.abs(part.values) ** 2 + imaginary[part.rows])
        weight = _weights(square, calculator, part.rows)
        design = design_matrix(part, model, scale, calculator, with_occupancy)
        difference = calculator.reflections.intensity[part.rows] - square
        weighted = design * weight[:, None]
        curvatures.append(design.T @ weighted)
        slopes.append(difference @ weighted)
        weights.append(weight)
        residual += float((weight * np.square(difference)).sum())
    return _Equations(np.sum(curvatures, axis=0), np.sum(slopes, axis=0), np.concatenate(weights), residual)


def design_matrix(
    part: Derivatives, model: Model, scale: float, calculator: Calculator, with_occupancy: bool
) -> NDArray[np.float64]:
    """Return (m, P) the derivatives of k|A|².

    The parameters are ln k, or each occupancy where these are refined; each U in Å²; shifts of each atom in Å along
    its directions.
    """
    conjugate = 2 * scale * part.values.conj()[:, None]
    by_atom = (conjugate * part.by_atom).real
    first = by_atom / model.occupancy if with_occupancy else scale * np.square(np.abs(part.values))[:, None]
    square = calculator.reflections.inverse_d_squared[part.rows, None]
    by_position = (conjugate[..., None] * part.by_position).real
    shifts = [by_position[:, atom] @ directions for atom, directions in enumerate(model.directions)]
    return np.concatenate((first, -2 * math.pi**2 * square * by_atom, *shifts), axis=1)


def _solved(equations: _Equations, damping: float) -> NDArray[np.float64]:
    """Return the damped step. Parameters on which nothing depends stay."""
    diagonal = equations.curvature.diagonal()
    unit = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    matrix = equations.curvature * unit[:, None] * unit
    matrix[np.diag_indices_from(matrix)] = 1 + damping
    try:
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return np.zeros_like(unit)
    step: NDArray[np.float64] = cho_solve(factor, equations.slope * unit, check_finite=False) * unit
    return step


def _stepped(model: Model, scale: float, step: NDArray[np.float64], with_occupancy: bool) -> tuple[Model, float, float]:
    """Return model and scale after a step, and the largest shift in Å or Å²."""
    atoms = len(model)
    occupancy = model.occupancy
    if with_occupancy:
        occupancy = np.clip(occupancy + np.clip(step[:atoms], -0.5, 0.5), 0.01, 10)
        step = step[atoms:]
    else:
        scale = scale * math.exp(float(np.clip(step[0], -0.5, 0.5)))
        step = step[1:]
    by_u = np.clip(step[:atoms], -_LARGEST_U_STEP, _LARGEST_U_STEP)
    u_iso = np.clip(model.u_iso + by_u, _SMALLEST_U, _LARGEST_U)
    positions = model.positions.copy()
    largest, first = float(np.abs(u_iso - model.u_iso).max(initial=0)), atoms
    for atom, directions in enumerate(model.directions):
        shift = step[first : first + directions.shape[1]]
        first += directions.shape[1]
        length = float(np.linalg.norm(shift))
        positions[atom] += directions @ (shift * min(1.0, _LONGEST_STEP / max(length, 1e-12)))
        largest = max(largest, min(length, _LONGEST_STEP))
    return replace(model, positions=positions, u_iso=u_iso, occupancy=occupancy), scale, largest
