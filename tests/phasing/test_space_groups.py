"""A random structure in each of the 230 space groups, gemmi's operations being the oracle."""

from dataclasses import replace

import gemmi
import numpy as np
import pytest
import torch

from phaselearn.benchmark.table import is_centrosymmetric
from phaselearn.crystal.judgement import judge
from phaselearn.crystal.layout import friedel_mate, miller_indices
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.phasing.charge_flipping import ChargeFlipping
from phaselearn.phasing.laue import rotations, with_equivalents
from phaselearn.phasing.map_symmetry import impose_symmetry, symmetry_agreement
from phaselearn.phasing.search import search
from tests.crystal.space_groups import CELLS, COVERING, lattice_of, space_groups
from tests.phasing.plan import PLAN

SIZE = 10


def structure(number, atoms=1):
    """Return group, lattice (1, 3, 3), numbers (1, A), positions (1, A, 3): general positions in the whole cell."""
    group = gemmi.find_spacegroup_by_number(number)
    generator = np.random.default_rng(number)
    positions, numbers = [], []
    for atom in range(atoms):
        where = generator.random(3).tolist()
        for operation in group.operations():
            positions.append(np.array(operation.apply_to_xyz(where)) % 1.0)
            numbers.append(8 + 20 * (atom == 0))
    tensors = (torch.from_numpy(np.array(values)[None]) for values in (lattice_of(number), numbers, positions))
    return group, *tensors


def factors_of(lattice, numbers, positions, size=SIZE):
    return structure_factors(lattice, numbers, positions, miller_indices("full", size))


@pytest.mark.parametrize("number", space_groups())
def test_structure_factors_have_the_symmetry_and_absences_of_their_group(number):
    group, lattice, numbers, positions = structure(number)
    box = factors_of(lattice, numbers, positions)[0].numpy()
    index = miller_indices("full", SIZE).numpy()
    hkl = np.stack(np.meshgrid(index, index, index, indexing="ij"), -1).reshape(-1, 3)
    hkl = hkl[(np.abs(hkl) * 2 < SIZE).all(1)]
    largest = np.abs(box).max()
    for operation in list(group.operations())[1:]:
        rotation = np.array(operation.rot) // operation.DEN
        shift = np.array(operation.tran) / operation.DEN
        moved = hkl @ rotation
        inside = (np.abs(moved) * 2 < SIZE).all(1)
        here, there = box[tuple(hkl[inside].T)], box[tuple(moved[inside].T)]
        np.testing.assert_allclose(here, there * np.exp(2j * np.pi * hkl[inside] @ shift), atol=1e-9 * largest)
    absent = group.operations().systematic_absences(hkl)
    assert np.abs(box[tuple(hkl.T)])[absent].max(initial=0) < 1e-9 * largest


@pytest.mark.parametrize("number", space_groups())
def test_the_truth_is_found_from_any_origin_and_in_both_hands(number):
    _, lattice, numbers, positions = structure(number)
    box = factors_of(lattice, numbers, positions)
    observed = Observed.from_intensity(box.abs().square(), box.abs() > -1, "full", lattice)
    shift = torch.tensor([0.123, 0.456, 0.789], dtype=torch.float64)
    for where in (positions + shift, shift - positions):
        judgement, _ = judge(factors_of(lattice, numbers, where), observed, numbers, positions)
        assert judgement.correlation.item() == pytest.approx(1.0, abs=1e-6)
        assert judgement.phase_error.item() < 0.1


@pytest.mark.parametrize("number", space_groups(first=3))
def test_the_true_map_has_the_symmetry_of_its_group_and_random_phases_have_not(number):
    _, lattice, numbers, positions = structure(number, atoms=2)
    box = factors_of(lattice, numbers, positions, 12).to(torch.complex64)
    observed = Observed.from_intensity(box.abs().square(), box.abs() > -1, "full", lattice.float())
    assert symmetry_agreement(box, observed).item() > 0.9
    noise = torch.fft.fftn(torch.randn(box.shape, generator=torch.Generator().manual_seed(number)), dim=(1, 2, 3))
    assert symmetry_agreement(noise, observed).item() < 0.8


@pytest.mark.parametrize("number", space_groups(first=3))
def test_imposing_the_symmetry_leaves_the_truth_and_lessens_errors(number):
    _, lattice, numbers, positions = structure(number, atoms=2)
    true = factors_of(lattice, numbers, positions + 0.123, 12).to(torch.complex64)
    observed = Observed.from_intensity(true.abs().square(), true.abs() > -1, "full", lattice.float())
    noise = torch.randn(true.shape, generator=torch.Generator().manual_seed(number))
    # The transform of a real map: its errors of the phases are those of a real map too.
    wrong = true * torch.exp(0.7j * torch.fft.fftn(noise, dim=(1, 2, 3), norm="ortho").imag)
    found = [
        judge(impose_symmetry(factors, observed, 0.5, 2), observed, numbers, positions)[0].correlation.item()
        for factors in (true, wrong)
    ]
    before = judge(wrong, observed, numbers, positions)[0].correlation.item()
    assert found[0] > 0.99
    assert before < 0.96
    assert found[1] > before + 0.02


@pytest.mark.parametrize("number", [3, 10, 16, 25, 47, 75, 123, 146, 168, 191, 195, 200, 207, 221, 227])
def test_missing_reflections_are_filled_in_from_measured_equivalents(number):
    _, lattice, numbers, positions = structure(number, atoms=2)
    true = factors_of(lattice, numbers, positions, 12)
    everything = Observed.from_intensity(true.abs().square(), true.abs() > -1, "full", lattice)
    kept = torch.rand(true.shape, generator=torch.Generator().manual_seed(number)) < 0.5
    mask = everything.mask & kept & friedel_mate(kept)
    filled = with_equivalents(Observed(everything.amplitude * mask, mask, lattice))
    new = filled.mask & ~mask
    assert new.sum() > 0.2 * (everything.mask & ~mask).sum()
    torch.testing.assert_close(filled.amplitude[new], everything.amplitude[new], rtol=1e-6, atol=1e-6)
    assert torch.equal(filled.amplitude[mask], everything.amplitude[mask])
    assert not (filled.mask & ~everything.mask).any()


def test_rotations_that_the_amplitudes_contradict_fill_in_nothing():
    # P1 atoms in a cubic cell: the lattice has rotations, the crystal none.
    _, _, numbers, positions = structure(1, atoms=6)
    lattice = 7 * torch.eye(3, dtype=torch.float64)[None]
    true = factors_of(lattice, numbers, positions, 12)
    everything = Observed.from_intensity(true.abs().square(), true.abs() > -1, "full", lattice)
    kept = torch.rand(true.shape, generator=torch.Generator().manual_seed(0)) < 0.8
    mask = everything.mask & kept & friedel_mate(kept)
    assert torch.equal(with_equivalents(Observed(everything.amplitude * mask, mask, lattice)).mask, mask)


@pytest.mark.parametrize("number", [1, 2])
def test_triclinic_maps_have_no_rotation_to_agree_with(number):
    _, lattice, numbers, positions = structure(number)
    box = factors_of(lattice, numbers, positions, 12).to(torch.complex64)
    observed = Observed.from_intensity(box.abs().square(), box.abs() > -1, "full", lattice.float())
    assert symmetry_agreement(box, observed).isnan().item()


def test_rotations_are_those_of_the_cubic_and_hexagonal_lattices_and_more():
    matrices = {tuple(rotation.flatten().tolist()) for rotation in rotations()}
    for system in ("cubic", "hexagonal"):
        cell = gemmi.UnitCell(*CELLS[system])
        name = {"cubic": "P m -3 m", "hexagonal": "P 6/m m m"}[system]
        for operation in gemmi.SpaceGroup(name).operations().sym_ops:
            matrix = np.array(operation.rot) // operation.DEN
            if np.linalg.det(matrix) > 0 and (matrix != np.eye(3)).any():
                assert tuple(matrix.flatten().tolist()) in matrices, cell


@pytest.mark.parametrize("number", [1, 2, 4, 14, 19, 33, 76, 146, 148, 173, 198])
def test_charge_flipping_solves_small_structures_of_many_groups(number):
    _, lattice, numbers, positions = structure(number, atoms=2)
    box = factors_of(lattice, numbers, positions, 16).to(torch.complex64)
    observed = Observed.from_intensity(box.abs().square(), box.abs() > -1, "full", lattice.float())
    method = ChargeFlipping(150, (1.0, 1.4, 0.8), 0.2, 0.7, 0.2)
    solution = search(observed, method, replace(PLAN, rounds=3, check_every=50), 0, [0])
    judgement, _ = judge(solution.factors, observed, numbers, positions)
    assert judgement.solved.all()


def test_the_default_run_covers_each_laue_class_with_each_of_its_centrings():
    def kind(number):
        group = gemmi.find_spacegroup_by_number(number)
        return group.laue_str(), group.centring_type()

    assert {kind(number) for number in COVERING} == {kind(number) for number in range(1, 231)}
    assert len(COVERING) == 24


def test_92_groups_have_an_inversion():
    assert sum(is_centrosymmetric(number) for number in range(1, 231)) == 92
