"""Crystallographic information files: each block with atoms is an entry; magnetic moments are ignored."""

from phaselearn.data.sources.readers.cif.blocks import holds_many
from phaselearn.data.sources.readers.cif.structure import read

__all__ = ["holds_many", "read"]
