"""The length of searches in the tests."""

from phaselearn.phasing.search import Polishing, SearchPlan

PLAN = SearchPlan(
    restarts=2,
    rounds=2,
    check_every=40,
    agreement=0.95,
    settled=0.99,
    polishing=Polishing(density_share=0.12, cycles=10, final_cycles=10),
    oversampling=1.6,
    voxels_at_once=100_000,
)
