"""Readers of reflection files, one module for each format; `reading` chooses among them."""

from phaselearn.measured.readers.reading import read_reflections

__all__ = ["read_reflections"]
