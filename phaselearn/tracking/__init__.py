"""Loggers (metrics.csv, W&B and TensorBoard), what they log of a run, and how it looks there."""
