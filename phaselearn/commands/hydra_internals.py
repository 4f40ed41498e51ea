"""The parts of Hydra outside its documented interface; pyproject.toml bounds Hydra's version because of them."""

from hydra._internal.utils import get_args_parser

__all__ = ["get_args_parser"]
