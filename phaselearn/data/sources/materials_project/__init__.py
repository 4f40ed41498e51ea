"""Snapshots of the Materials Project: the choice of materials, the fetching, and the files on disk."""
