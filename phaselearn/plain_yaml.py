"""YAML from anybody, read as plain values: nothing in it is built, resolved or unfolded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

_MOST_BYTES = 4_000_000
_DEEPEST = 64


def read_plain(path: Path) -> Any:
    """Return what a YAML file holds: dictionaries, lists, texts, numbers; interpolations are texts.

    Raises:
        OSError: it cannot be read.
        ValueError: no YAML, larger than 4 MB, deeper than 64 levels, or with an alias, of which a few lines unfold to
            more than a memory holds.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"larger than {_MOST_BYTES:,} bytes")
    text = path.read_text(encoding="utf-8")
    try:
        _check_shape(text)
        # OmegaConf's loader is a safe one that reads numbers as Hydra does.
        return OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except (yaml.YAMLError, OmegaConfBaseException, RecursionError) as error:
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
