"""Families of tests of which `make test` runs a part, and `make test-slow` the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def thinned(values: Iterable[Any], kept: Callable[[Any], bool]) -> list[Any]:
    """Return the values as parameters of a test; those that are not kept are slow."""
    return [value if kept(value) else pytest.param(value, marks=pytest.mark.slow) for value in values]
