"""The parameters of the classes and functions that a configuration names, and their types."""

from __future__ import annotations

import ast
import inspect
import typing
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from phaselearn.commands.source_code import READ, Unreadable, constructors, find, parameters_of


@dataclass(frozen=True)
class Signature:
    """The arguments that a class or a function takes.

    Attributes:
        parameters: {name: type}; the type is `Any` where nothing says which.
        open_ended: whether it takes any other name, too.
    """

    parameters: dict[str, Any]
    open_ended: bool


def signature_of(target: str) -> Signature:
    """Return the signature of a class, inherited constructors included, or of a function, from its dotted name.

    That of PhaseLearn's own, of torch's and of Lightning's is read from the source: to import them takes seconds.

    Raises:
        Exception: it cannot be imported.
    """
    if target.partition(".")[0] in READ:
        with suppress(Unreadable):
            return read_signature(target)
    return imported_signature(target)


def read_signature(target: str) -> Signature:
    """Return a signature as the source has it.

    Raises:
        Unreadable: the source does not say it.
    """
    source, node = find(target)
    if not isinstance(node, ast.ClassDef):
        parameters = parameters_of(source, node)
        takes_any = parameters.pop("**", None) is not None
        return Signature(parameters, takes_any)
    parameters = {}
    for inherited in constructors(source, node):
        takes_any = inherited.pop("**", None) is not None
        for name, kind in inherited.items():
            parameters.setdefault(name, kind)
        if not takes_any:
            break
    return Signature(parameters, False)


def imported_signature(target: str) -> Signature:
    """Return a signature after importing what it is of.

    Raises:
        Exception: it cannot be imported.
    """
    from hydra.utils import get_object

    found = get_object(target)
    functions = (
        [vars(cls)["__init__"] for cls in found.__mro__ if "__init__" in vars(cls)]
        if isinstance(found, type)
        else [found]
    )
    parameters: dict[str, Any] = {}
    for function in functions:
        function = inspect.unwrap(function)
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            return Signature(parameters, True)
        try:
            hints = typing.get_type_hints(function)
        except Exception:  # annotations that only a type checker can import: names are checked, types are not
            hints = {}
        takes_any = False
        for name, parameter in signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                takes_any = True
            elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL and name != "self":
                parameters.setdefault(name, hints.get(name, Any))
        if not takes_any:
            return Signature(parameters, False)
    return Signature(parameters, functions[-1] is not object.__init__)
