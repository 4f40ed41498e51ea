"""Loggers: metrics.csv, W&B and TensorBoard, what they are told of a run, and how it looks there."""
