"""W&B and TensorBoard beside metrics.csv: what they are told of a run, and how it looks there."""
