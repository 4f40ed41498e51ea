"""All that is used of zarr's undocumented interface; pyproject.toml bounds zarr's version because of it."""

from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

__all__ = ["default_buffer_prototype", "sync"]
