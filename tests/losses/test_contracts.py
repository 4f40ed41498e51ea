"""Every option of conf/loss keeps the contract; a new one is collected by itself. So do the options' own options."""

import pytest

from phaselearn.losses.aligned import Aligned
from phaselearn.losses.combined import Combined
from phaselearn.losses.correlation import Correlation
from phaselearn.losses.energy import EnergyDistance
from phaselearn.losses.l1 import MeanAbsoluteError
from phaselearn.losses.patterson import Patterson
from phaselearn.losses.shift_invariant import ShiftInvariant
from phaselearn.losses.sinkhorn import Sinkhorn
from phaselearn.losses.sliced_wasserstein import SlicedWasserstein
from phaselearn.testing.losses import LossContract, from_option
from phaselearn.testing.options import options
from tests.thinned import thinned

for option in options("loss"):
    globals()[f"Test_{option}"] = from_option(option)

VARIANTS = {
    "one_hand": lambda: ShiftInvariant(inversion=False),
    "shift_invariant_correlation": lambda: ShiftInvariant("correlation"),
    "soft_minimum": lambda: ShiftInvariant(temperature=0.05),
    "soft_minimum_of_correlation": lambda: ShiftInvariant("correlation", temperature=0.05),
    "between_voxels": lambda: ShiftInvariant("correlation", subvoxel=True),
    "patterson_of_intensities": lambda: Patterson("intensity", "full", "fractional", 0.225),
    "sharp_sinkhorn": lambda: Sinkhorn(epsilon=0.2, tolerance=1e-6),
    "sinkhorn_of_shape": lambda: Sinkhorn(negative_cost=0.0, tolerance=1e-6),
    "unbalanced_sinkhorn": lambda: Sinkhorn(reach=2.0),
    "energy_of_roots": lambda: EnergyDistance(exponent=0.5),
    "coarse_slices": lambda: SlicedWasserstein(max_index=1),
    "aligned_distribution": lambda: Aligned(EnergyDistance(), inversion=False),
    "scheduled": lambda: Combined(
        {"a": {"loss": MeanAbsoluteError(), "weight": {0: 1.0, 5: 0.0}}, "b": {"loss": Correlation(), "weight": 0.5}}
    ),
}


# Each of these combines two other variants, or is another variant with a different number.
ALIKE = {"soft_minimum_of_correlation", "sharp_sinkhorn", "coarse_slices", "shift_invariant_correlation"}


@pytest.mark.parametrize("variant", thinned(sorted(VARIANTS), lambda variant: variant not in ALIKE))
class TestVariants(LossContract):
    """The options beside the defaults."""

    @pytest.fixture(autouse=True)
    def _choose(self, variant):
        self.variant = variant

    def loss(self):
        return VARIANTS[self.variant]()
