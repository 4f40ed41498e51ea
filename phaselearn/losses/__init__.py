"""Losses between densities, one file each; every one gives a value a sample."""
