"""Classical phasing: pure functions on batches of crystals and restarts; no Lightning, no Hydra, never the truth."""
