"""Check a configuration against the signatures of the classes that it names, before anything is built."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Union

from omegaconf import DictConfig

from phaselearn.commands.key_types import type_of_null
from phaselearn.commands.known_classes import SPECIAL
from phaselearn.commands.plain_config import plain_values
from phaselearn.commands.signatures import Signature, signature_of
from phaselearn.errors import UserError, closest
from phaselearn.quoting import command as quoted_command

MAY_BE_NULL = frozenset({"homometry", "run"})  # keys with a value by default, for which null means none
_LISTS = (list, Sequence)


def check_config(config: DictConfig, defaults: Mapping[str, Any], command: str) -> None:
    """Check every `_target_` node, and values outside classes against the types of their defaults.

    Classes are the user's choice: any that can be imported is allowed.

    Args:
        config: the configuration.
        defaults: the values of its file in conf/.
        command: the command that shows the configuration, such as `phaselearn train`, for the errors.

    Raises:
        UserError: a class cannot be imported (the message gives the real reason) or does not take an argument, or a
            value has another type.
    """
    try:
        plain = plain_values(config)
    except Exception as error:
        raise UserError(
            f"the configuration has a value that cannot be resolved: {str(error).splitlines()[0]}"
        ) from error
    _check_types("", plain, defaults, command)
    _check_node("", plain, command)


def _check_types(path: str, plain: Mapping[str, Any], defaults: Mapping[str, Any], command: str) -> None:
    """Check values against the types of their defaults, or of their keys; those of a class are its own affair."""
    for key, default in defaults.items():
        if key not in plain:
            continue
        given, name = plain[key], f"{path}.{key}" if path else key
        if isinstance(default, dict):
            if not isinstance(given, dict):
                if path:
                    continue  # what takes its place is told by those who read it
                raise UserError(
                    f"{name}={given} is a value, but a set of keys is needed: see `{command} --cfg job -p {name}`"
                )
            if "_target_" not in default and "_target_" not in given:
                _check_types(name, given, default, command)
        elif default is None:
            _check_value(name, given, type_of_null(name), command)
        elif not isinstance(given, dict) and not (given is None and name in MAY_BE_NULL):
            _check_value(name, given, type(default), command)


def _check_node(path: str, node: Any, command: str) -> None:
    if isinstance(node, Mapping):
        if "_target_" in node:
            _check_target(path, node, command)
        for key, value in node.items():
            _check_node(f"{path}.{key}" if path else str(key), value, command)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _check_node(f"{path}[{index}]", value, command)


def _check_target(path: str, node: Mapping[str, Any], command: str) -> None:
    signature = _signature(path, str(node["_target_"]))
    parameters = signature.parameters
    if not parameters:
        return
    for key, value in node.items():
        if key in SPECIAL:
            continue
        if key not in parameters:
            if signature.open_ended:
                continue
            best = closest(key, list(parameters))
            raise UserError(
                f"{path}.{key}: {node['_target_']} takes no '{key}'; allowed are {', '.join(parameters)}"
                + (f"; did you mean {best}? Try {path}.{best}={value}" if best else "")
            )
        if not (isinstance(value, Mapping) and "_target_" in value):
            _check_value(f"{path}.{key}", value, parameters[key], command)


def _signature(path: str, target: str) -> Signature:
    try:
        return signature_of(target)
    except Exception as error:
        cause = error.__cause__ or error
        module = target.rpartition(".")[0]
        imports = quoted_command("python -c", f"import {module}")
        raise UserError(
            f"{path}._target_={target} cannot be imported "
            f"({type(cause).__name__}: {' '.join(str(cause).split())}): give a class"
            + (f" that `{imports}` finds" if module else " by the name of its module, too, e.g. my_package.Mine")
        ) from error


def _check_value(path: str, value: Any, annotation: Any, command: str) -> None:
    if not fits(value, annotation):
        shown = "null" if value is None else f"{value!r} is {type(value).__name__}"
        raise UserError(f"{path}={shown}, {type_name(annotation)} is needed: {_look(command, path)}")
    if isinstance(value, float) and math.isnan(value):
        raise UserError(f"{path}=nan, a number is needed: {_look(command, path)}")


def _look(command: str, path: str) -> str:
    group, *keys = path.split(".")
    return f"see `{command} --cfg job -p {group}`" if keys else f"see `{command} --help`"


def fits(value: Any, annotation: Any) -> bool:
    """Return whether a plain value may be an argument of a type; where that is for the class to say, it may."""
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(fits(value, option) for option in typing.get_args(annotation))
    if origin is Literal:
        return value in typing.get_args(annotation)
    if annotation in (None, type(None)):
        return value is None
    if annotation is bool:
        return isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation in (str, Path):
        return isinstance(value, str)
    container = origin or annotation
    if container is timedelta:
        return isinstance(value, Mapping) and "_target_" in value  # no plain value is one
    if isinstance(value, Mapping) and container in _LISTS:
        return False
    if isinstance(value, list) and container is dict:
        return False
    if isinstance(value, list) and container in _LISTS and typing.get_args(annotation):
        return all(fits(element, typing.get_args(annotation)[0]) for element in value)
    if isinstance(container, type) and isinstance(value, str | int | float | bool | None.__class__):
        # This is a plain value where a structure is needed; anything else is left to the class itself.
        return not issubclass(container, Sequence | Mapping | set | frozenset)
    return True


def type_name(annotation: Any) -> str:
    """Return a type as a user reads it."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_name(option) for option in typing.get_args(annotation)))
    if typing.get_origin(annotation) in _LISTS:
        return f"list of {type_name(typing.get_args(annotation)[0])}"
    if annotation is Path:
        return "str"
    return getattr(annotation, "__name__", str(annotation)).replace("NoneType", "null")
