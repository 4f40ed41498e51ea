"""Errors of classes that a user wrote: one line with the place, since a traceback leads through files of others."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator
from functools import cache
from typing import Any

from omegaconf import DictConfig

from phaselearn.commands.known_classes import TARGET
from phaselearn.commands.options import config_directory
from phaselearn.commands.plain_config import plain_values
from phaselearn.commands.suggestions import name_of
from phaselearn.quoting import one_line


def told_of_own(error: Exception, config: DictConfig, name: str) -> str | None:
    """Return the line about an error of a run with classes of a user; None without such, and in Python's dev mode.

    Args:
        error: an exception of the task.
        config: the configuration.
        name: the command.
    """
    targets = set(_targets(plain_values(config, resolve=False)))
    own = sorted(target for target in targets if _package(target) not in _shipped())
    if not own or sys.flags.dev_mode or isinstance(error, BrokenPipeError):  # which ends the command without a word
        return None
    told = f"{type(error).__name__}: {one_line(str(error))}"
    packages = {_package(target) for target in own}
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if _package(str(frame.f_globals.get("__name__"))) in packages:
            told += f", at line {line} of {frame.f_code.co_filename} in {frame.f_code.co_name}"
            break
    return f"{told}; this is a run with {', '.join(own)}, and `PYTHONDEVMODE=1 {name_of(name)} …` shows the traceback"


def _targets(node: Any) -> Iterator[str]:
    """Yield the classes that a configuration names."""
    if isinstance(node, dict):
        if TARGET in node:
            yield str(node[TARGET])
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _targets(value)


def _package(name: str) -> str:
    return name.partition(".")[0]


@cache
def _shipped() -> frozenset[str]:
    """Return the packages that options of conf/ name."""
    texts = (path.read_text(encoding="utf-8") for path in config_directory().rglob("*.yaml"))
    return frozenset(name for text in texts for name in re.findall(rf"{TARGET}:\s*(\w+)", text))
