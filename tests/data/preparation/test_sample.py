"""The intensities of a sample, and the displacements of its atoms."""

import gemmi
import pytest
import torch

from phaselearn.crystal.choices import SCATTERING
from phaselearn.crystal.layout import inside_nyquist, miller_indices
from phaselearn.crystal.scattering import Scattering
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.batch import Batch
from phaselearn.data.pair_maps import make_intensity
from phaselearn.data.preparation.observation import Observation
from phaselearn.data.preparation.sample import Sample
from phaselearn.errors import UserError
from tests.conftest import FULL, random_crystals

RANGE = [0.005, 0.06]


def ideal(crystals, layout="full", size=10):
    lattice, numbers, positions = crystals
    return Batch(
        intensity=torch.ones(len(lattice), size, size, size),
        lattice=lattice.float(),
        numbers=numbers,
        positions=positions,
    )


@pytest.mark.parametrize("layout", ["full", "octant"])
@pytest.mark.parametrize("probe", SCATTERING)
def test_intensities_are_calculated_anew_from_the_atoms_with_what_the_batch_says_of_them(probe, layout):
    lattice, numbers, positions = random_crystals(6, 8, seed=1)
    # Beyond bismuth, not every element has a known scattering length for neutrons.
    crystals = lattice, numbers.clamp(max=83), positions
    measured = Observation(sample=Sample(probe, RANGE)).apply(ideal(crystals), layout, list(range(6)))
    assert [SCATTERING[place] for place in measured["probe"].tolist()] == [probe] * 6
    scattering = Scattering(measured["probe"], measured["u_iso"])
    factors = structure_factors(*crystals, miller_indices(layout, 10), scattering)
    expected = factors.abs().square()
    expected[:, 0, 0, 0] = 0  # the beam stop
    if layout == "full":
        expected = expected * inside_nyquist(10)
    torch.testing.assert_close(measured["intensity"].double(), expected, rtol=1e-3, atol=1e-4 * expected.amax().item())


def test_point_atoms_at_rest_are_those_of_the_store():
    crystals = random_crystals(4, 6, seed=2)
    measured = Observation(sample=Sample("atomic_number", 0.0)).apply(ideal(crystals), "full", [1, 2, 3, 4])
    stored = make_intensity(crystals[0].float(), *crystals[1:], FULL)
    stored[:, 0, 0, 0] = 0
    torch.testing.assert_close(measured["intensity"], stored, rtol=1e-4, atol=1e-6 * stored.amax().item())


def test_displacements_stay_in_their_range_and_depend_on_the_crystal_alone():
    lattice, numbers, positions = random_crystals(40, 12, seed=3)
    seeds = list(range(40))
    drawn = Sample("xray", RANGE).displacements(lattice, numbers, positions, seeds)
    assert ((drawn >= 0.005) & (drawn <= 0.06)).all()
    means = drawn.log().mean(1).exp()
    assert means.min() < 0.009
    assert means.max() > 0.04
    alone = Sample("xray", RANGE).displacements(lattice[7:8], numbers[7:8], positions[7:8], [7])
    torch.testing.assert_close(alone[0], drawn[7])
    other = Sample("xray", RANGE).displacements(lattice, numbers, positions, [seed + 1 for seed in seeds])
    assert (other - drawn).abs().amax(1).min() > 1e-5


@pytest.mark.parametrize(
    ("name", "edges", "gamma"), [("P 21 3", (7, 7, 7), 90), ("P 63/m m c", (5, 5, 9), 120), ("P 42 n m", (6, 6, 4), 90)]
)
def test_symmetry_equivalent_atoms_have_one_displacement(name, edges, gamma):
    operations = list(gemmi.SpaceGroup(name).operations())
    sites = [(0.13, 0.27, 0.41), (0.05, 0.37, 0.19)]  # of one element, on two general orbits
    positions = torch.tensor([[operation.apply_to_xyz(site) for site in sites for operation in operations]]) % 1.0
    cell = gemmi.UnitCell(*edges, 90, 90, gamma)
    lattice = torch.tensor(cell.orth.mat.tolist(), dtype=torch.float64).T[None]
    numbers = torch.full(positions.shape[:2], 8)
    for seed in range(5):
        first, second = Sample("xray", RANGE).displacements(lattice, numbers, positions.double(), [seed])[0].chunk(2)
        torch.testing.assert_close(first, first[:1].expand_as(first), rtol=1e-4, atol=0)
        torch.testing.assert_close(second, second[:1].expand_as(second), rtol=1e-4, atol=0)
        assert abs(first[0] / second[0] - 1) > 1e-3 or first[0] in (0.005, 0.06)


def test_a_displacement_that_the_structure_gives_is_kept():
    crystals = random_crystals(2, 5, seed=4)
    known = torch.full(crystals[1].shape, torch.nan)
    known[0, 0] = 0.2
    measured = Observation(sample=Sample("xray", RANGE)).apply(ideal(crystals) | Batch(u_iso=known), "full", [1, 2])
    assert measured["u_iso"][0, 0] == pytest.approx(0.2)
    drawn = Observation(sample=Sample("xray", RANGE)).apply(ideal(crystals), "full", [1, 2])
    torch.testing.assert_close(measured["u_iso"].flatten()[1:], drawn["u_iso"].flatten()[1:])


@pytest.mark.parametrize("given", [{"scattering": "muon"}, {"u_iso": -0.1}, {"u_iso": [0.06, 0.005]}, {"u_iso": "x"}])
def test_impossible_samples_are_refused(given):
    with pytest.raises(UserError, match=f"observation.sample.{next(iter(given))}="):
        Sample(**given)
