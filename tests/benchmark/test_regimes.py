"""Regimes whose reflections fill a sphere: boxes as large as the crystals need, and the same data for every method."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
import torch

from phaselearn.benchmark.contenders import regime_from
from phaselearn.benchmark.regimes import InputPreparation, Regime, batches
from phaselearn.commands.options import config_directory
from phaselearn.crystal.layout import resized, shape_of
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError
from phaselearn.metrics.phasing import observed_of


def regime(observation: str, **data: str) -> Regime:
    return regime_from(config_directory(), "mine", {"mine": {"observation": observation, **data}})


def triclinic(edges: tuple[float, float, float], atoms: int, seed: int) -> Crystal:
    random = np.random.default_rng(seed)
    lattice = np.diag(edges) + np.tril(random.uniform(0.3, 0.9, (3, 3)), -1)
    numbers, positions = random.integers(6, 30, atoms), random.random((atoms, 3))
    return Crystal(id=str(seed), lattice=lattice, numbers=numbers, positions=positions, prototype="none", space_group=1)


CRYSTALS = [triclinic((3.1, 4.2, 9.7), 3, 0), triclinic((6.0, 5.0, 4.0), 5, 1), triclinic((3.5, 14.0, 5.0), 4, 2)]


@pytest.mark.parametrize(
    ("observation", "data"), [("d1.0", {}), ("ideal", {"data": "sphere1.0"})], ids=["observation", "data"]
)
def test_the_box_holds_every_reflection_to_the_resolution(observation: str, data: dict[str, str]) -> None:
    here = regime(observation, **data)
    [(chosen, batch)] = batches(CRYSTALS, here, InputPreparation(), frozenset(), 8, 0)
    observed = observed_of(batch, here.definition)
    for crystal, found in zip(chosen, observed.unique_reflections().tolist(), strict=True):
        lengths, angles = _cell(crystal.lattice)
        listed = gemmi.make_miller_array(gemmi.UnitCell(*lengths, *angles), gemmi.SpaceGroup("P 1"), 1.0)
        assert found == len(listed)


@pytest.mark.parametrize(
    ("observation", "data"),
    [("lab1.2", {}), ("ed", {}), ("dac", {}), ("dac", {"data": "sphere1.0"}), ("noise20", {"data": "sphere1.0"})],
    ids=["lab1.2", "ed", "dac", "dac of a sphere", "noise of a sphere"],
)
def test_what_is_measured_of_a_crystal_depends_neither_on_its_companions_nor_on_the_box(
    observation: str, data: dict[str, str]
) -> None:
    here = regime(observation, **data)
    [(chosen, together)] = batches(CRYSTALS, here, InputPreparation(), frozenset(), 8, 0)
    assert len({here.box([crystal]) for crystal in CRYSTALS}) == len(CRYSTALS)
    for row, crystal in enumerate(chosen):
        [(_, alone)] = batches([crystal], here, InputPreparation(), frozenset(), 8, 0)
        shape = shape_of(alone["intensity"])
        intensity, observed = (resized(together[name][row : row + 1], shape) for name in ("intensity", "observed"))
        assert torch.equal(observed, alone["observed"])
        # Some processors round the sums over atoms in another way where the matrices have another shape.
        rounding = 1e-6 * alone["intensity"].max().item()
        torch.testing.assert_close(intensity, alone["intensity"], rtol=1e-6, atol=rounding)
        assert int(together["observed"][row].sum()) == int(alone["observed"].sum())
        assert int(alone["observed"].sum()) > 40


def test_large_crystals_share_no_batch_that_memory_would_not_hold() -> None:
    large = [triclinic((24.0, 25.0, 26.0 + 0.1 * seed), 2, seed) for seed in range(30)]
    here = regime("lab0.8")
    groups = here.groups([*large, *CRYSTALS], 128)
    assert sorted(crystal.id for group in groups for crystal in group) == sorted(
        crystal.id for crystal in [*large, *CRYSTALS]
    )
    assert all(len(group) * np.prod(here.box(group)) <= 1 << 22 for group in groups)
    assert max(len(group) for group in groups) > 3


def test_a_sphere_needs_a_resolution() -> None:
    with pytest.raises(UserError, match="observation=ideal has no resolution"):
        regime("ideal")


def _cell(lattice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.linalg.norm(lattice, axis=1)
    unit = lattice / lengths[:, None]
    return lengths, np.degrees(np.arccos([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]))
