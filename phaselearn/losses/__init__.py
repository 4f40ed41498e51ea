"""Losses between densities, one file each; every loss gives one value per sample."""
