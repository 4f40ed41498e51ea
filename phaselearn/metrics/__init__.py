"""Judgements of predicted densities, as metrics of torchmetrics."""
