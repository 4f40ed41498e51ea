"""Snapshots of the Materials Project: which materials, how they are fetched, how they lie on disk."""
