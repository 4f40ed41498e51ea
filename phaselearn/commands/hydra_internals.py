"""What is taken of Hydra beside its documented interface; pyproject.toml bounds its version for that."""

from hydra._internal.utils import get_args_parser

__all__ = ["get_args_parser"]
