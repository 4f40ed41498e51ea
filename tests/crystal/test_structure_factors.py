"""Structure factors against gemmi and against the plain sum."""

from dataclasses import replace

import gemmi
import numpy as np
import pytest
import torch

from phaselearn.crystal import structure_factors as module
from phaselearn.crystal.choices import SCATTERING
from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import Indices, miller_box, miller_indices
from phaselearn.crystal.scattering import Scattering, unknown_elements
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.errors import UserError
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


CALCULATORS = {
    "xray": gemmi.StructureFactorCalculatorX,
    "electron": gemmi.StructureFactorCalculatorE,
    "neutron": gemmi.StructureFactorCalculatorN,
}
# Everything that a structure may say of its atoms, and nothing of it.
ATOMS = {"at rest": (0.0, None, None), "one B": (1.5, None, None), "U and occupancy": (0.7, 0.06, 0.5)}


def gemmis_structure(lattice, numbers, positions, u_iso, occupancy) -> gemmi.SmallStructure:
    structure = gemmi.SmallStructure()
    a, b, c = lattice.numpy()

    def angle(u, v):
        return np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v)))

    lengths = [np.linalg.norm(v) for v in (a, b, c)]
    structure.cell = gemmi.UnitCell(*lengths, angle(b, c), angle(a, c), angle(a, b))
    structure.spacegroup_hm = "P 1"
    structure.setup_cell_images()
    for number, position, u, share in zip(
        *(values.tolist() for values in (numbers, positions, u_iso, occupancy)), strict=True
    ):
        if number:
            site = gemmi.SmallStructure.Site()
            site.element = gemmi.Element(number)
            site.fract = gemmi.Fractional(*position)
            site.u_iso, site.occ = u, share
            structure.add_site(site)
    return structure


@pytest.mark.parametrize("atoms", ATOMS)
@pytest.mark.parametrize("probe", CALCULATORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tabulated_scattering_agrees_with_gemmi(probe, atoms, dtype):
    lattice, numbers, positions = random_crystals(5, 7, seed=2)
    numbers = numbers.clamp_max(83)  # how Po, At, Rn, Fr and Ac scatter neutrons is not known
    box = torch.arange(-3, 4), torch.arange(-2, 5), torch.arange(0, 6)
    generator = torch.Generator().manual_seed(3)
    b_iso, u_most, least_occupied = ATOMS[atoms]
    u_iso = None if u_most is None else u_most * torch.rand(numbers.shape, generator=generator)
    occupancy = None if least_occupied is None else 1 - least_occupied * torch.rand(numbers.shape, generator=generator)
    ours = structure_factors(
        lattice.to(dtype), numbers, positions, box, Scattering(probe, u_iso, occupancy), b_iso
    ).numpy()
    assert ours.shape == (5, 7, 7, 6)
    overall = torch.full(numbers.shape, b_iso / (8 * np.pi**2), dtype=torch.float64)
    theirs_u = overall if u_iso is None else overall + u_iso
    theirs_occupancy = torch.ones_like(overall) if occupancy is None else occupancy
    for crystal in range(5):
        structure = gemmis_structure(
            *(values[crystal] for values in (lattice, numbers, positions, theirs_u, theirs_occupancy))
        )
        calculator = CALCULATORS[probe](structure.cell)
        h, k, l = (index.tolist() for index in box)  # noqa: E741
        expected = np.array(
            [[[calculator.calculate_sf_from_small_structure(structure, (i, j, m)) for m in l] for j in k] for i in h]
        )
        assert np.abs(ours[crystal] - expected).max() < 1e-5 * np.abs(expected).max()


def test_crystals_of_several_probes_share_a_batch():
    lattice, numbers, positions = random_crystals(8, 5, seed=6)
    crystals = lattice, numbers.clamp_max(83), positions
    indices = miller_indices("full", 6)
    probe = torch.arange(8) % len(SCATTERING)
    u_iso = 0.03 * torch.rand(crystals[1].shape, generator=torch.Generator().manual_seed(1))
    for displaced in (None, u_iso):
        together = structure_factors(*crystals, indices, Scattering(probe, displaced))
        for row, name in enumerate(SCATTERING * 2):
            one = slice(row, row + 1)
            own = Scattering(name, None if displaced is None else displaced[one])
            alone = structure_factors(*(values[one] for values in crystals), indices, own)
            torch.testing.assert_close(together[one], alone)


UNKNOWN_TO_NEUTRONS = ("Po", "At", "Rn", "Fr", "Ac", "Pu", "Bk", "Cf")


@pytest.mark.parametrize("moving", [False, True])
def test_an_element_of_unknown_scattering_is_an_error_and_not_an_atom_that_scatters_nothing(moving):
    everything = torch.arange(99)[:, None]
    unknown = [symbol for row in everything for symbol in unknown_elements(row, torch.full((1,), 3))]
    assert sorted(unknown) == sorted(UNKNOWN_TO_NEUTRONS)
    assert not unknown_elements(everything, torch.full((99, 1), SCATTERING.index("xray")))
    lattice, numbers, positions = random_crystals(2, 4, seed=8)
    numbers = numbers.clamp_max(83)
    scattering = Scattering("neutron", torch.full(numbers.shape, 0.01) if moving else None)
    indices = miller_indices("full", 6)
    assert torch.isfinite(structure_factors(lattice, numbers, positions, indices, scattering).abs()).all()
    numbers[1, 0] = 94
    with pytest.raises(UserError, match="neutrons is known of Pu: "):
        structure_factors(lattice, numbers, positions, indices, scattering)
    # The probe of each crystal counts: X-rays see plutonium.
    mixed = replace(scattering, probe=torch.tensor([3, 1]))
    assert structure_factors(lattice, numbers, positions, indices, mixed).abs()[1].max() > 0


def test_a_batch_larger_than_what_is_worked_on_at_once_is_the_same(monkeypatch):
    crystals = random_crystals(6, 9, seed=7)
    scattering = Scattering("xray", 0.05 * torch.rand(crystals[1].shape, generator=torch.Generator().manual_seed(2)))
    whole = structure_factors(*crystals, miller_indices("full", 6), scattering)
    monkeypatch.setattr("phaselearn.crystal.structure_factors._FACTORS_AT_ONCE", 700)
    torch.testing.assert_close(structure_factors(*crystals, miller_indices("full", 6), scattering), whole)


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
    numbers = numbers.clamp_max(83)
    more = torch.nn.functional.pad(numbers, (0, 3)), torch.nn.functional.pad(positions, (0, 0, 0, 3), value=0.3)
    rest = 0.02 * torch.ones(2, 7)
    at_rest = [(name, name) for name in SCATTERING]
    moving = [(Scattering(name, rest[:, :4]), Scattering(name, rest)) for name in SCATTERING]
    for few, many in at_rest + moving:
        short = structure_factors(lattice, numbers, positions, miller_indices("octant", 5), few)
        long = structure_factors(lattice, *more, miller_indices("octant", 5), many)
        torch.testing.assert_close(short, long)


def test_unknown_scattering_is_refused():
    lattice, numbers, positions = random_crystals(1, 2, seed=5)
    with pytest.raises(ValueError, match="muon"):
        structure_factors(lattice, numbers, positions, miller_indices("octant", 4), "muon")
