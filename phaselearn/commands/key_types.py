"""Types of the keys that are null by default: the value shows none."""

from __future__ import annotations

from typing import Any

from phaselearn.commands.signatures import signature_of

_READ = "phaselearn.measured.readers.reading.read_reflections"  # its arguments are keys of `phaselearn solve`
_TEXT = (
    *("compile", "data.store", "entity", "example", "file", "page", "reference", "resume", "run", "store", "weights"),
)
_OTHER = {"job": int | None, "search.counts": list[int] | None, "search.seconds": float | None}


def type_of_null(key: str) -> Any:
    """Return the type of a key outside classes whose default is null; `Any` where others check what is given."""
    if key in _TEXT:
        return str | None
    return _OTHER[key] if key in _OTHER else signature_of(_READ).parameters.get(key, Any)
