"""Classical phasing: pure functions on batches of crystals and restarts; never the truth."""
