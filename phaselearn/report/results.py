"""The rows of a table of results, and what readers call its methods and subsets."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

UNSEEN = "unseen_prototype"
METHOD_LABELS = {"phase_zero": "phase-zero floor", "charge_flipping": "charge flipping", "solver": "shipped solver"}
SUBSET_LABELS = {
    "all": "all crystals",
    "hard": "hard (CC₀ < 0.9)",
    "seen_prototype": "structure types seen",
    UNSEEN: "structure types not seen",
}
FLOOR_METHOD = "phase_zero"


@dataclass(frozen=True)
class ResultRow:
    """One method on one subset of the test crystals.

    Attributes:
        method: an option of `evaluation.methods`, such as `phase_zero`, or the name of the network.
        subset: `all`, `hard`, `seen_prototype` or `unseen_prototype`.
        n: number of crystals judged.
        solved: share of these crystals with CC ≥ 0.90, 0 … 1.
        strict: share of these crystals that are solved and have their atoms found, 0 … 1.
        median_cc: median map correlation.
        gain: median of (CC − CC₀)/(1 − CC₀).
        phase_error: median phase error in degrees.
        left_out: number of crystals of the subset with too few reflections to be judged.
        failed: number of judged crystals for which the method gave no map (not a number, or without phases). They
            count as unsolved, with CC 0.
        seconds: processor seconds per crystal that the method and its judgement took; NaN where they were not measured.
    """

    method: str
    subset: str
    n: int
    solved: float
    strict: float
    median_cc: float
    gain: float
    phase_error: float
    left_out: int
    failed: int = 0
    seconds: float = math.nan

    def as_dict(self) -> dict[str, Any]:
        """Return the columns by name."""
        return asdict(self)

    @property
    def is_reference(self) -> bool:
        """Whether the method stands beside the network of the run, for comparison."""
        return self.method in METHOD_LABELS

    @property
    def method_label(self) -> str:
        """The name of the method for readers."""
        return METHOD_LABELS.get(self.method, self.method)

    @property
    def subset_label(self) -> str:
        """The name of the subset for readers."""
        return SUBSET_LABELS.get(self.subset, self.subset)
