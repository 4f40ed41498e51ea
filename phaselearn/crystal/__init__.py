"""Crystallography on batches of crystals: pure functions on tensors, on any device, in float32 or float64."""
