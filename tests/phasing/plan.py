"""How long the tests search for phases."""

from phaselearn.phasing.search import SearchPlan

PLAN = SearchPlan(
    restarts=2,
    rounds=2,
    check_every=40,
    agreement=0.95,
    settled=0.99,
    density_share=0.12,
    polishing=10,
    finishing=10,
    oversampling=1.6,
    voxels_at_once=100_000,
)
