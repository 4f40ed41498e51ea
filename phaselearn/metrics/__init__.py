"""Judgements of predicted densities as torchmetrics."""
