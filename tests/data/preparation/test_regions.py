"""Regions of reciprocal space, against brute force."""

import math

import pytest
import torch

from phaselearn.data.preparation.draws import directions, generators
from phaselearn.data.preparation.regions import PressureCell, TiltSeries
from phaselearn.errors import UserError


def directions_of_all_kinds(count, seed=0, longest=1.25):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    vectors /= vectors.norm(dim=1, keepdim=True)
    return vectors * longest * torch.rand(count, 1, generator=generator, dtype=torch.float64) ** (1 / 3)


@pytest.mark.parametrize("tilt", [35.0, 60.0, 80.0])
def test_a_tilt_series_reaches_what_some_tilted_plane_holds(tilt):
    vectors = directions_of_all_kinds(4000)
    reached = TiltSeries(tilt).reached(vectors[None], [5])[0]
    beam, across = directions(generators([5], "tilt axis"), 2)[0]
    axis = torch.linalg.cross(beam, across)
    angles = torch.deg2rad(torch.linspace(-tilt, tilt, 4001, dtype=torch.float64))
    # The crystal turned by an angle about the axis: the normal of its plane, the beam, turns the other way.
    normals = beam * angles.cos()[:, None] + torch.linalg.cross(axis, beam) * angles.sin()[:, None]
    nearest = (vectors @ normals.T).abs().amin(1) / vectors.norm(dim=1)
    assert torch.equal(reached, nearest < 1e-3) or (reached != (nearest < 1e-3)).sum() < 5
    assert reached.double().mean().item() == pytest.approx(2 * tilt / 180, abs=0.03)


def test_what_lies_on_the_tilt_axis_is_reached_and_what_lies_along_the_beam_is_not():
    beam, across = directions(generators([3], "tilt axis"), 2)[0]
    axis = torch.linalg.cross(beam, across)
    reached = TiltSeries(60).reached(torch.stack([axis, beam, across, -beam])[None].float(), [3])[0]
    assert reached.tolist() == [True, False, True, False]


@pytest.mark.parametrize("opening", [30.0, 47.0, 70.0])
def test_a_pressure_cell_reaches_what_can_be_turned_so_that_both_beams_pass_its_windows(opening):
    vectors = directions_of_all_kinds(1500, seed=1)
    cell = PressureCell(opening, 0.7107)
    reached = cell.reached(vectors[None], [9])[0]
    [axis] = directions(generators([9], "axis of the cell"), 1)[0]
    length = vectors.norm(dim=1)
    unit = vectors / length[:, None]
    bragg = torch.asin(0.7107 * length / 2)
    # Every bisector of the beams at right angles to the reflection, all around it.
    first = torch.linalg.cross(unit, torch.tensor([[0.3, 0.5, 0.8]], dtype=torch.float64).expand_as(unit))
    first /= first.norm(dim=1, keepdim=True)
    second = torch.linalg.cross(unit, first)
    turn = torch.linspace(0, 2 * math.pi, 3601, dtype=torch.float64)[:, None, None]
    bisector = first * turn.cos() + second * turn.sin()
    incoming, outgoing = (bisector * bragg.cos()[:, None] + sign * unit * bragg.sin()[:, None] for sign in (-1, 1))
    # Both beams in the cones about the axis, one after the other window: the beam passes straight through.
    least = torch.minimum(incoming @ axis, outgoing @ axis).amax(0)
    possible = least >= math.cos(math.radians(opening))
    assert (reached != possible).sum() < 5
    assert 0.05 < reached.double().mean() < 0.95


def test_every_crystal_is_mounted_in_its_own_way_and_mates_are_reached_together():
    vectors = directions_of_all_kinds(500, seed=2).expand(6, -1, -1)
    for region in (TiltSeries(60), PressureCell([40, 50])):
        reached = region.reached(vectors, list(range(6)))
        assert torch.equal(reached, region.reached(-vectors, list(range(6))))
        assert torch.equal(reached[2:3], region.reached(vectors[2:3], [2]))
        assert len(torch.unique(reached, dim=0)) == 6


@pytest.mark.parametrize(
    ("region", "given"),
    [(TiltSeries, {"tilt": 95}), (PressureCell, {"opening": [50, 40]}), (PressureCell, {"wavelength": 0.0})],
)
def test_impossible_regions_are_refused(region, given):
    with pytest.raises(UserError, match=f"observation.region.{next(iter(given))}="):
        region(**given)
