"""Structure factors against gemmi and against the plain sum."""

import gemmi
import numpy as np
import pytest
import torch

from phaselearn.crystal import structure_factors as module
from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import Indices, miller_box, miller_indices
from phaselearn.crystal.structure_factors import structure_factors
from tests.conftest import random_crystals

BOXES = {
    "octant": (miller_indices("octant", 8),) * 3,
    "full": (miller_indices("full", 8),) * 3,
    "three edges": miller_box((5, 8, 6)),
}


def plain_sum(numbers: np.ndarray, positions: np.ndarray, indices: Indices) -> np.ndarray:
    hkl = np.stack(np.meshgrid(*(index.numpy() for index in indices), indexing="ij"), -1)
    return np.exp(2j * np.pi * hkl @ positions.T) @ numbers


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("at_once", [1 << 24, 500])
def test_point_atoms_agree_with_the_plain_sum(box, dtype, at_once, monkeypatch):
    # Split or whole, the sum over the atoms is the same.
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", at_once)
    lattice, numbers, positions = random_crystals(4, 9, seed=1)
    ours = structure_factors(lattice.to(dtype), numbers, positions, BOXES[box])
    assert ours.real.dtype == dtype
    for crystal in range(4):
        expected = plain_sum(numbers[crystal].numpy(), positions[crystal].numpy(), BOXES[box])
        tolerance = 1e-5 if dtype == torch.float32 else 1e-12
        assert np.abs(ours[crystal].numpy() - expected).max() < tolerance * np.abs(expected).max()


@pytest.mark.parametrize("b_iso", [0.0, 1.5])
def test_xray_agrees_with_gemmi(b_iso):
    lattice, numbers, positions = random_crystals(5, 7, seed=2)
    indices = miller_indices("full", 6)
    ours = structure_factors(lattice.float(), numbers, positions, indices, "xray", b_iso)
    for crystal in range(5):
        structure = gemmi.SmallStructure()
        a, b, c = lattice[crystal].numpy()
        length = [np.linalg.norm(v) for v in (a, b, c)]

        def angle(u, v):
            return np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v)))

        structure.cell = gemmi.UnitCell(*length, angle(b, c), angle(a, c), angle(a, b))
        structure.spacegroup_hm = "P 1"
        structure.setup_cell_images()
        for number, position in zip(numbers[crystal].tolist(), positions[crystal].tolist(), strict=True):
            if number:
                site = gemmi.SmallStructure.Site()
                site.element = gemmi.Element(number)
                site.fract = gemmi.Fractional(*position)
                site.u_iso = b_iso / (8 * np.pi**2)
                structure.add_site(site)
        calculator = gemmi.StructureFactorCalculatorX(structure.cell)
        values = indices.tolist()
        expected = np.array(
            [
                [[calculator.calculate_sf_from_small_structure(structure, (h, k, m)) for m in values] for k in values]
                for h in values
            ]
        )
        assert np.abs(ours[crystal].numpy() - expected).max() < 1e-5 * np.abs(expected).max()


def test_resolution_agrees_with_gemmi():
    lattice, _, _ = random_crystals(3, 2, seed=3)
    indices = miller_indices("full", 6)
    ours = inverse_d_squared(lattice, indices)
    for crystal in range(3):
        lengths = lattice[crystal].norm(dim=1)
        cosines = [
            (lattice[crystal, i] @ lattice[crystal, j]) / lengths[i] / lengths[j] for i, j in ((1, 2), (0, 2), (0, 1))
        ]
        cell = gemmi.UnitCell(*lengths.tolist(), *(float(torch.rad2deg(torch.acos(value))) for value in cosines))
        for i, j, k in [(0, 0, 1), (1, 2, 3), (5, 4, 2), (3, 3, 5)]:
            h = (int(indices[i]), int(indices[j]), int(indices[k]))
            assert ours[crystal, i, j, k].item() == pytest.approx(cell.calculate_1_d2(h), rel=1e-9)


def test_padding_atoms_do_not_scatter():
    lattice, numbers, positions = random_crystals(2, 4, seed=4)
    more = torch.nn.functional.pad(numbers, (0, 3)), torch.nn.functional.pad(positions, (0, 0, 0, 3), value=0.3)
    for scattering in ("atomic_number", "xray"):
        short = structure_factors(lattice, numbers, positions, miller_indices("octant", 5), scattering)
        long = structure_factors(lattice, *more, miller_indices("octant", 5), scattering)
        torch.testing.assert_close(short, long)


def test_unknown_scattering_is_refused():
    lattice, numbers, positions = random_crystals(1, 2, seed=5)
    with pytest.raises(ValueError, match="neutron"):
        structure_factors(lattice, numbers, positions, miller_indices("octant", 4), "neutron")
