"""The classes that may stand in each place of a configuration: those that an option, shipped or installed, puts there.

A place is an argument of a class: `flipping` of the starts, `terms.*.loss` of the combined loss, `model` of the whole.
Two places with a class in common take each other's classes: wherever an option puts a loss, any loss may stand.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from phaselearn.commands.options import config_directories

Keys = tuple[str, ...]

TARGET = "_target_"
SPECIAL = frozenset({TARGET, "_partial_", "_recursive_", "_convert_", "_args_"})
WHOLE = ""  # the owner of the outermost classes
# The user chooses the names of the entries of these keys, so a name does not determine the class.
_NAMED_FREELY = frozenset({"callbacks", "logger", "options", "terms"})
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one in C, if PyYAML has it
_PACKAGE = re.compile(r"^\s*#\s*@package\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class _Mention:
    """A class that an option names.

    Attributes:
        file: the option's file.
        path: keys from the whole configuration to the class's node.
        target: the class.
        special: further instructions to Hydra beside it, such as `_partial_`.
    """

    file: Path
    path: Keys
    target: str
    special: Mapping[str, Any]


@dataclass(frozen=True)
class KnownClasses:
    """The classes that may stand in each place.

    Attributes:
        places: {(class, keys to its argument): classes}.
        special: {class: instructions to Hydra that may stand beside it}, as (key, value).
    """

    places: Mapping[tuple[str, Keys], frozenset[str]]
    special: Mapping[str, frozenset[tuple[str, Any]]]

    def at(self, owner: str, path: Keys) -> frozenset[str]:
        """Return the classes that an argument of a class may have; none if no option names one."""
        return self.places.get((owner, path), frozenset())


def below(path: Keys, key: str) -> Keys:
    """Return the keys to an entry; all entries of a set with free names have the same keys."""
    return (*path, "*" if path and path[-1] in _NAMED_FREELY else key)


@cache
def known_classes(*more: Path) -> KnownClasses:
    """Return the classes of all options.

    Args:
        more: folders like conf/ that the command line names (`--config-dir`).
    """
    mentions = list(_mentions([*config_directories().values(), *more]))
    places: dict[tuple[str, Keys], set[str]] = defaultdict(set)
    special: dict[str, set[tuple[str, Any]]] = defaultdict(set)
    for mention in mentions:
        for owner, path in _places(mention, mentions):
            places[owner, path].add(mention.target)
        special[mention.target].update(mention.special.items())
    kinds = _kinds(places.values())
    return KnownClasses(
        {place: next(kind for kind in kinds if kind >= targets) for place, targets in places.items()},
        {target: frozenset(pairs) for target, pairs in special.items()},
    )


def _kinds(groups: Iterable[set[str]]) -> list[frozenset[str]]:
    """Return the sets, with overlapping ones joined."""
    kinds: list[frozenset[str]] = []
    for group in groups:
        joined = frozenset(group).union(*(kind for kind in kinds if kind & group))
        kinds = [kind for kind in kinds if not kind & group] + [joined]
    return kinds


def _places(mention: _Mention, mentions: Iterable[_Mention]) -> Iterator[tuple[str, Keys]]:
    """Yield each class that has the mentioned one as an argument, with the keys to the argument."""
    for length in range(len(mention.path) - 1, 0, -1):
        above = [other for other in mentions if other.path == mention.path[:length]]
        own = [other for other in above if other.file == mention.file]
        if above:
            yield from {(owner.target, mention.path[length:]) for owner in own or above}
            return
    yield WHOLE, mention.path


def _mentions(folders: Iterable[Path]) -> Iterator[_Mention]:
    options = [
        (folder, file, yaml.load(text, Loader=_LOADER) or {}, _PACKAGE.search(text))
        for folder in folders
        for file in sorted(folder.rglob("*.yaml"))
        for text in [file.read_text(encoding="utf-8")]
        if file.relative_to(folder).parts[0] != "hydra"  # Hydra's own classes, which no run's configuration names
    ]
    elsewhere: dict[str, set[str]] = defaultdict(set)
    for _, _, content, _ in options:
        for name, package in _moved(content.get("defaults", [])):
            elsewhere[name].add(package)
    for folder, file, content, stated in options:
        group = file.relative_to(folder).parent.parts
        named = stated[1] if stated else ".".join(group)
        for place in {named, *elsewhere["/".join(group)]}:
            base = tuple(key for key in place.split(".") if key not in ("", "_global_"))
            yield from _within(_own(content), file, base)
            for path, included in _included(content, file):
                yield from _within(included, file, _joined(base, path))


def _own(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: content[key] for key in content if key not in ("defaults", "hydra")}


def _included(content: Mapping[str, Any], file: Path) -> Iterator[tuple[Keys, dict[str, Any]]]:
    """Yield each node that an option fills from another option of its group (`option@node`): its keys and content."""
    for entry in content.get("defaults", []):
        option, at, package = str(entry).partition("@")
        if isinstance(entry, str) and at:
            yield tuple(package.split(".")), _with_defaults(file.parent / f"{option}.yaml")


def _with_defaults(file: Path) -> dict[str, Any]:
    """Return the content of an option, including that of the options of its group that it builds on."""
    if not file.is_file():  # `_self_`, or an option of another package, which is read on its own
        return {}
    content = yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER) or {}
    whole: dict[str, Any] = {}
    for entry in content.get("defaults", []):
        if isinstance(entry, str) and "@" not in entry:
            whole |= _with_defaults(file.parent / f"{entry}.yaml")
    return whole | _own(content)


def _joined(base: Keys, path: Keys) -> Keys:
    for key in path:
        base = below(base, key)
    return base


def _moved(defaults: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Yield each group that a defaults list puts elsewhere (`group@place`), with the place."""
    for entry in defaults:
        for key in entry if isinstance(entry, dict) else ():
            group, at, package = str(key).removeprefix("override ").strip().lstrip("/").partition("@")
            if at and package != "_global_":
                yield group, package


def _within(node: Any, file: Path, path: Keys) -> Iterator[_Mention]:
    if isinstance(node, dict):
        if TARGET in node:
            special = {key: node[key] for key in node if key in SPECIAL and key != TARGET}
            yield _Mention(file, path, str(node[TARGET]), special)
        for key, value in node.items():
            yield from _within(value, file, below(path, str(key)))
    elif isinstance(node, list):
        for value in node:
            yield from _within(value, file, (*path, "*"))
