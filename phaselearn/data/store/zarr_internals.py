"""What is taken of zarr beside its documented interface; pyproject.toml bounds its version for that."""

from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

__all__ = ["default_buffer_prototype", "sync"]
