"""Made-up crystals for the report's tests."""

from __future__ import annotations

import numpy as np

from phaselearn.report.content import ShownCrystal

SIZE = 20


def density_of(
    lattice: np.ndarray, numbers: np.ndarray, positions: np.ndarray, sigma: float, size: int = SIZE
) -> np.ndarray:
    """Gaussian atoms and all their images within one cell, summed one by one."""
    axis = np.arange(size) / size
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    density = np.zeros((size,) * 3)
    for number, position in zip(numbers, positions, strict=True):
        for shift in np.ndindex(5, 5, 5):
            apart = (grid - position - np.array(shift) + 2) @ lattice
            density += number * np.exp(-(apart**2).sum(-1) / (2 * sigma**2))
    return (density / (2 * np.pi * sigma**2) ** 1.5).astype(np.float32)


def lattice_of(a: float, b: float, c: float, alpha: float, beta: float, gamma: float) -> np.ndarray:
    """Rows a, b, c of a cell in Å and degrees, turned so that no axis of it is a Cartesian one."""
    ca, cb, cg = np.cos(np.radians([alpha, beta, gamma]))
    sg = np.sin(np.radians(gamma))
    cy = (ca - cb * cg) / sg
    standard = np.array([[a, 0, 0], [b * cg, b * sg, 0], [c * cb, c * cy, c * np.sqrt(1 - cb**2 - cy**2)]])
    turn, _ = np.linalg.qr(np.array([[1.0, 0.2, -0.1], [0.1, 1.0, 0.3], [0.0, -0.2, 1.0]]))
    return standard @ (turn * np.sign(np.linalg.det(turn)))


def shown(
    name: str, number: int, lattice: np.ndarray, numbers: list[int], positions: list, noise: float
) -> ShownCrystal:
    """A crystal whose prediction is its density with some smooth noise."""
    numbers, positions = np.array(numbers), np.array(positions, dtype=float)
    truth = density_of(lattice, numbers, positions, sigma=0.45)
    random = np.random.default_rng(number).normal(size=(SIZE,) * 3)
    frequency = np.fft.fftfreq(SIZE, 1 / SIZE)
    low = np.exp(-(frequency[:, None, None] ** 2 + frequency[:, None] ** 2 + frequency**2) / 40)
    smooth = np.fft.ifftn(np.fft.fftn(random) * low).real
    prediction = 0.8 * truth + noise * truth.max() * smooth / smooth.std() / 3
    return ShownCrystal(
        id=f"demo-{number}",
        formula=name,
        prototype="AB_cF8_225_a_b" if number % 2 else "A2B_hP9_152_c_a",
        space_group=225 if number % 2 else 2,
        lattice=lattice,
        numbers=numbers,
        positions=positions,
        pattern=np.abs(np.fft.ifftn(truth)).astype(np.float32) ** 2 * abs(np.linalg.det(lattice)) ** 2,
        layout="full",
        truth=truth,
        prediction=prediction.astype(np.float32),
        correlation=0.97 - noise,
        correlation_floor=0.82,
        gain=0.8 - noise,
        phase_error=10 + 90 * noise,
        solved=noise < 0.07,
        strict=noise < 0.05,
        prototype_seen=bool(number % 2),
    )
