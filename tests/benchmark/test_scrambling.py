"""Scrambled data: the same statistics and symmetry, another structure; and no sure claim about them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from phaselearn.benchmark.contenders import regime_from
from phaselearn.benchmark.crystals import crystals_of_source
from phaselearn.benchmark.regimes import InputPreparation, batches
from phaselearn.benchmark.scrambling import false_claims, scrambled
from phaselearn.commands.options import config_directory
from phaselearn.crystal.layout import friedel_mate
from phaselearn.crystal.observed import Observed
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.phasing.laue import laue_rotations
from tests.benchmark.record import record

MEANINGS = {
    "sphere": {"observation": "d1.0"},
    "lab": {"observation": "lab1.0"},
    "octant": {"data": "hkl10", "observation": "ideal"},
}


@pytest.mark.parametrize("name", MEANINGS)
def test_scrambling_keeps_what_is_measured_and_its_intensities(name: str) -> None:
    regime = regime_from(config_directory(), name, MEANINGS)
    # One atom has one intensity, and nothing to scramble.
    everything = crystals_of_source(Prototypes(count=12, seed=1, cell="primitive"), 30.0)
    crystals = [crystal for crystal in everything if len(crystal.numbers) > 3]
    plain, mixed = (
        next(batches(crystals, each, InputPreparation(), frozenset(), 8, 0))[1] for each in (regime, scrambled(regime))
    )
    assert torch.equal(plain["observed"], mixed["observed"])
    before, after = (
        Observed.from_intensity(batch["intensity"], batch["observed"], regime.definition.layout, batch["lattice"])
        for batch in (plain, mixed)
    )
    for row in range(len(before)):
        mask = plain["observed"][row]
        old, new = plain["intensity"][row][mask], mixed["intensity"][row][mask]
        assert not torch.allclose(old, new)
        # A permutation of sets that have unequal sizes keeps the sum of a shell roughly, and the set of values.
        if name == "octant":
            torch.testing.assert_close(old.sort().values, new.sort().values)
        elif name == "sphere":
            assert np.isin(new.unique().numpy().round(1), old.unique().numpy().round(1)).mean() > 0.7
    if name != "octant":
        assert torch.allclose(after.amplitude, friedel_mate(after.amplitude), rtol=1e-4)
        shown, still = (laue_rotations(each, each.map_amplitude()) for each in (before, after))
        pairs, left = (set(zip(*(values.tolist() for values in each), strict=True)) for each in (shown, still))
        assert len(pairs & left) >= 0.9 * len(pairs) > 0


def test_false_claims_are_counted() -> None:
    right = [record(id=str(number), r_factor=0.05 + 0.001 * number) for number in range(30)]
    wrong = [record(id=f"w{number}", solved=False, r_factor=0.3 + 0.001 * number) for number in range(30)]
    regime = regime_from(config_directory(), "sphere", MEANINGS)
    found = [
        record(id="a", r_factor=0.31, solved=False),
        record(id="b", r_factor=0.06, solved=False),
        record(id="c", r_factor=0.06, solved=False, counted=False),
        record(id="d", r_factor=0.06, solved=True),  # a claim that is right
    ]
    claims = false_claims(regime, right + wrong, found)
    assert (claims.regime, claims.n, claims.above, claims.fitted) == ("sphere", 2, 1, 60)
    assert claims.highest > 0.9
