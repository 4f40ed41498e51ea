"""How a store is built from a source, continued, repaired and found again."""
