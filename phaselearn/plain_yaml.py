"""YAML files of unknown origin, read as plain values: nothing in them is built, resolved or unfolded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

_MOST_BYTES = 4_000_000
_DEEPEST = 64
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which reads numbers and dates as Hydra does: 1e-3 is a number, 2026-01-31 a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (an attribute of PyYAML's)
        letter: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_plain(path: Path) -> Any:
    """Return the content of a YAML file: dictionaries, lists, texts and numbers; interpolations are texts.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not YAML, larger than 4 MB, deeper than 64 levels, or has an alias: a few lines of
            aliases can unfold to more than the memory holds.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"larger than {_MOST_BYTES:,} bytes")
    text = path.read_text(encoding="utf-8")
    try:
        _check_shape(text)
        return yaml.load(text, Loader=_Loader)  # a safe one
    except (yaml.YAMLError, RecursionError, TypeError) as error:  # TypeError: a key that is a list
        raise ValueError("not valid YAML") from error


def _check_shape(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has an alias (*)")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"deeper than {_DEEPEST} levels")
