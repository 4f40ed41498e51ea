"""Functions and classes of packages, read from the source: to import torch and Lightning takes seconds.

Only what a check of arguments asks for is read: the parameters of a constructor and their types. Whatever the source
does not say plainly is `Unreadable`, and has to be imported.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Packages that are installed wherever this one is. A class of any other is imported, since it may be missing or broken.
READ = frozenset({"phaselearn", "torch", "pytorch_lightning", "lightning_fabric"})
_LIGHT = sys.stdlib_module_names | {"typing_extensions"}
_WITHOUT_CONSTRUCTOR = frozenset({"object", "ABC", "Generic"})
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Unreadable(Exception):
    """The source does not say it: the class must be imported."""


@dataclass(frozen=True)
class Imported:
    """A name that a module imports.

    Attributes:
        module: the module that is imported, or from which.
        name: the name in that module; None for the module itself.
    """

    module: str
    name: str | None


@dataclass(frozen=True, eq=False)
class Source:
    """The source of a module.

    Attributes:
        module: its full name.
        names: its names and their meanings: a class, a function, the expression of a value, an import.
        stars: the modules of which it imports all names.
    """

    module: str
    names: Mapping[str, ast.AST | Imported]
    stars: Sequence[str]

    def type_of(self, annotation: ast.expr) -> Any:
        """Return the type that an annotation stands for; a class of a package that is not imported has a stand-in.

        Raises:
            Exception: it cannot be evaluated; some annotations are for type checkers alone.
        """
        # This is what `typing.get_type_hints` does, too; the text is that of an installed package.
        return eval(compile(ast.Expression(annotation), self.module, "eval"), {}, _Types(self))


@cache
def source_of(module: str) -> Source | None:
    """Return the source of a module of the packages in `READ`; None if there is none."""
    root, *inner = module.split(".")
    spec = find_spec(root) if root in READ else None  # the spec of a package that is in no other imports nothing
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        folder = Path(place, *inner)
        for file in (folder / "__init__.py", folder.parent / f"{folder.name}.py"):
            if file.is_file():
                package = module if file.name == "__init__.py" else module.rpartition(".")[0]
                tree = ast.parse(file.read_text(encoding="utf-8"))
                names: dict[str, ast.AST | Imported] = {}
                stars = []
                for name, node in _defined(tree.body, package):
                    if name == "*" and isinstance(node, Imported):
                        stars.append(node.module)
                    names.setdefault(name, node)
                return Source(module, names, stars)
    return None


def _defined(body: list[ast.stmt], package: str) -> Iterator[tuple[str, ast.AST | Imported]]:
    for node in body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name, node.value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case ast.Import():
                for alias in node.names:
                    root = alias.name.partition(".")[0]
                    yield alias.asname or root, Imported(alias.name if alias.asname else root, None)
            case ast.ImportFrom():
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                module = ".".join([*above, *([node.module] if node.module else [])])
                for alias in node.names:
                    yield alias.asname or alias.name, Imported(module, alias.name)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from _defined(node.orelse, package)
            case ast.If() | ast.Try():
                yield from _defined([*node.body, *node.orelse], package)


def find(target: str) -> tuple[Source, ast.ClassDef | Function]:
    """Return the class or function with a dotted name, and the module that defines it.

    Raises:
        Unreadable: the packages in `READ` have none of this name that can be found without imports.
    """
    module, _, name = target.rpartition(".")
    source = source_of(module)
    found = source.names.get(name) if source is not None else None
    if source is not None and isinstance(found, ast.ClassDef | Function):
        return source, found
    # A package may import its own module `nn` as `nn`.
    if isinstance(found, Imported) and found.name is not None and found.module != module:
        return find(f"{found.module}.{found.name}")
    for other in source.stars if source is not None and found is None else ():
        with suppress(Unreadable):
            return find(f"{other}.{name}")
    raise Unreadable(target)


def constructors(source: Source, node: ast.ClassDef) -> Iterator[dict[str, Any]]:
    """Yield the parameters of a class's constructor, then of those that it may hand `**more` to.

    Yields:
        {name: type}; with the name `**` where the constructor takes any.

    Raises:
        Unreadable: a constructor is in a class that cannot be found, or the order of bases decides.
    """
    own = next((part for part in node.body if isinstance(part, Function) and part.name == "__init__"), None)
    if own is not None:
        yield parameters_of(source, own)
    elif _dataclass_options(node) is not None:
        yield _typed(source, _fields(source, node))
    bases = [base for base in node.bases if _last_name(base) not in _WITHOUT_CONSTRUCTOR]
    if len(bases) > 1:
        raise Unreadable(f"{source.module}.{node.name} has several bases")
    for base in bases:
        yield from constructors(*_base(source, base))


def parameters_of(source: Source, node: Function) -> dict[str, Any]:
    """Return the parameters of a function without `self`: {name: type}, with the name `**` if it takes any."""
    arguments = node.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    annotations = {argument.arg: argument.annotation for argument in listed if argument.arg != "self"}
    return _typed(source, annotations) | ({"**": Any} if arguments.kwarg is not None else {})


def _typed(source: Source, annotations: Mapping[str, ast.expr | None]) -> dict[str, Any]:
    try:
        return {name: Any if node is None else source.type_of(node) for name, node in annotations.items()}
    except Exception:  # one is for type checkers alone: as after an import, names are checked and types are not
        return dict.fromkeys(annotations, Any)


def _fields(source: Source, node: ast.ClassDef) -> dict[str, ast.expr | None]:
    """Return the fields of a dataclass that its constructor takes, those of its bases first."""
    options = _dataclass_options(node)
    if options is None:
        return {}
    bases = [base for base in node.bases if _last_name(base) not in _WITHOUT_CONSTRUCTOR]
    if options.get("init") is False or bases:
        raise Unreadable(f"{source.module}.{node.name} is more than its own fields")
    fields: dict[str, ast.expr | None] = {}
    for part in node.body:
        match part:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                given = value.keywords if isinstance(value, ast.Call) else []
                if _last_name(annotation) == "KW_ONLY":
                    raise Unreadable(f"{source.module}.{node.name} has the field {name}")
                if _last_name(annotation) != "ClassVar" and _options(given).get("init") is not False:
                    fields[name] = annotation
    return fields


def _dataclass_options(node: ast.ClassDef) -> dict[str, Any] | None:
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if _last_name(called) == "dataclass":
            return _options(decorator.keywords if isinstance(decorator, ast.Call) else [])
    return None


def _options(keywords: list[ast.keyword]) -> dict[str, Any]:
    return {
        each.arg: each.value.value for each in keywords if each.arg is not None and isinstance(each.value, ast.Constant)
    }


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _base(source: Source, node: ast.expr) -> tuple[Source, ast.ClassDef]:
    """Return a base class, and the module that defines it."""
    first, *more = ast.unparse(node).partition("[")[0].split(".")
    behind = source.names.get(first)
    if isinstance(behind, Imported):
        first = behind.module if behind.name is None else f"{behind.module}.{behind.name}"
    else:
        first = f"{source.module}.{first}"
    place, found = find(".".join((first, *more)))
    if not isinstance(found, ast.ClassDef):
        raise Unreadable(ast.unparse(node))
    return place, found


class _StandIn(type):
    """A class that is known by its name alone; its attributes are such classes, too."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _StandIn(name, (), {})

    def __getitem__(cls, key: Any) -> Any:
        return cls


class _Types(dict[str, Any]):
    """The types behind the names of a module, looked up when an annotation has them."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __missing__(self, name: str) -> Any:
        found = self._source.names.get(name)
        if found is None:
            return getattr(builtins, name)
        if isinstance(found, ast.expr):
            return self._source.type_of(found)
        if not isinstance(found, Imported):
            return _StandIn(name, (), {})
        if found.module.partition(".")[0] in _LIGHT:
            module = import_module(found.module)
            return module if found.name is None else getattr(module, found.name)
        source = source_of(found.module)
        # A package may import its own module `nn` as `nn`.
        if source is None or source is self._source or found.name is None or found.name not in source.names:
            return _StandIn(name, (), {})
        return _Types(source)[found.name]
