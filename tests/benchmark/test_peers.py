"""Outside programs, where they are installed."""

from importlib.util import find_spec

import pytest
import torch

from phaselearn.benchmark.peers import _cell, _unique_reflections, peer
from phaselearn.benchmark.regimes import InputPreparation, Regime, batches
from phaselearn.crystal.judgement import judge
from phaselearn.crystal.layout import friedel_mate
from phaselearn.data.preparation.observation import Observation
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.errors import UserError
from phaselearn.metrics.phasing import observed_of
from phaselearn.testing.batches import DEFINITION
from tests.conftest import random_crystals


def test_cells_have_the_lengths_and_angles_of_their_lattice():
    lattice, _, _ = random_crystals(3, 2, seed=0)
    for matrix in lattice.numpy():
        a, b, c, alpha, beta, gamma = _cell(matrix)
        cosine = matrix[0] @ matrix[1] / (a * b)
        assert torch.tensor(gamma).deg2rad().cos().item() == pytest.approx(cosine, abs=1e-6)
        assert c == pytest.approx((matrix[2] @ matrix[2]) ** 0.5)
        assert 0 < alpha < 180
        assert 0 < beta < 180


def test_one_reflection_of_each_friedel_pair_is_handed_over():
    mask = torch.rand(10, 10, 10, generator=torch.Generator().manual_seed(0)) < 0.5
    mask = mask | friedel_mate(mask)
    mask[5] = mask[:, 5] = mask[:, :, 5] = False
    mask[0, 0, 0] = False
    hkl = _unique_reflections(mask)
    assert len(hkl) == mask.sum() // 2
    both = {tuple(row) for row in hkl.tolist()} | {tuple(row) for row in (-hkl).tolist()}
    assert len(both) == mask.sum()


def test_unknown_peers_are_refused():
    with pytest.raises(UserError, match="cctbx"):
        peer("shelxt", 1.0)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("smtbx") is None, reason="cctbx is not installed: pip install phaselearn[peers]")
def test_cctbx_solves_simple_crystals_in_its_own_process():
    from phaselearn.benchmark.crystals import crystals_of_source

    crystals = crystals_of_source(Prototypes(count=8, seed=0, cell="primitive"), 30.0)
    regime = Regime("full10", DEFINITION, Observation())
    _, batch = next(batches(crystals, regime, InputPreparation(), frozenset(), 8, 0))
    [timed] = peer("cctbx", 20.0).run(batch, regime)
    judgement, _ = judge(
        timed.stage.solution.factors, observed_of(batch, DEFINITION), batch["numbers"], batch["positions"]
    )
    assert judgement.solved.any()
    assert (timed.seconds > 0).all()
