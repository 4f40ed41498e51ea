"""An observation in words, as a page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any


def observation_text(observation: Any) -> str:
    """Return the settings of an observation that are not those of ideal data, such as `d_min 1.5, noise 0.0 to 0.1`.

    Args:
        observation: a data class whose defaults are ideal data; one of another kind is named by its class.
    """
    return _settings(observation) or "ideal"


def _settings(value: Any) -> str:
    if not is_dataclass(value):
        return type(value).__name__
    named = ((field.name, getattr(value, field.name), field.default) for field in fields(value))
    return ", ".join(_setting(name, given) for name, given, default in named if default is MISSING or given != default)


def _setting(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return f"one of {', '.join(map(str, value))}"
    if is_dataclass(value):
        return f"{name} ({_settings(value) or 'default'})"
    if isinstance(value, (list, tuple)):
        return f"{name} {' to '.join(map(str, value))}"
    return f"{name} {value}"
