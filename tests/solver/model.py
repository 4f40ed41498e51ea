"""A small phaser and starts for it, for tests."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from phaselearn.losses.shift_invariant import ShiftInvariant
from phaselearn.models.phaser import Phaser
from phaselearn.phaser.starts import FlippedStarts
from phaselearn.phasing.charge_flipping import ChargeFlipping
from phaselearn.testing.models import DEFINITION
from tests.phasing.plan import PLAN


def phaser(**changes) -> Phaser:
    options = {
        "width": 8,
        "hidden": 4,
        "patterson": True,
        "cycles": 4,
        "starts": 1,
        "first": 8,
        "rounds": 1,
        "settled": 0.95,
        "seconds": None,
        "refined": 1,
        "trust": 0.5,
        "flipping": None,
        "resolution": [1.2, 1.6],
        "box": {"largest_index": 4, "share": 0.0},
        "symmetry": {"least": 0.5, "passes": 0},
        "density_share": 0.08,
        "extension": 10,
        "refinement": None,
        "judge_weight": 0.1,
        "seed": 0,
        "weights": None,
    }
    torch.manual_seed(0)
    model = Phaser(
        **options | changes,
        loss=ShiftInvariant("correlation"),
        definition=DEFINITION,
        optimizer=partial(torch.optim.Adam, lr=1e-3),
    )
    # A fresh network's last layer is zero: it would hand every phase on as it is.
    torch.nn.init.normal_(model.network.last.weight, std=0.3)
    return model.eval()


def flipped_starts(share: float = 0.5) -> FlippedStarts:
    plan = replace(PLAN, restarts=1, rounds=1, check_every=20, settled=0.98, polishing=2, finishing=4)
    # Ten cycles: more let rounding, which depends on the batch, grow.
    return FlippedStarts(ChargeFlipping(10, (0.7, 1.0), 0.2, 0.7, 0.2), plan, 10, share)
