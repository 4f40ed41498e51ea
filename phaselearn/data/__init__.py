"""From sources of crystals to batches of pairs: screening, stores, split, preparation, loading."""
