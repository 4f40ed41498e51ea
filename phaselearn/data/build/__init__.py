"""Building of stores: from a source, resumed, repaired, and found again by their configuration."""
