"""Filters: the choice of materials of the Materials Project."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from pymatgen.core import Element

from phaselearn.data.sources.file import order_of_choice
from phaselearn.errors import UserError, check_whole

Range = tuple[float | None, float | None]

_KEY = "source.filters"


_EXAMPLES = {
    "elements": "[Si,O]",
    "chemsys": "[Si-O,Al-O]",
    "nsites": "[1,20]",
    "energy_above_hull": "[0,0.05]",
    "ids": "[mp-149,mp-22862]",
}


@dataclass(frozen=True)
class Filters:
    """Conditions that a material must fulfil, all of them; None means no condition.

    Values are sorted, so that their order makes no difference.

    Attributes:
        elements: symbols of elements that the material must contain; it may contain others, too.
        chemsys: chemical systems, e.g. `Si-O`; the material must have exactly the elements of one of them. `*` stands
            for any element.
        nsites: least and largest number of atoms in the primitive cell.
        energy_above_hull: least and largest energy above the convex hull, in eV per atom.
        theoretical: true for materials that have never been made, false for those known from experiment.
        ids: identifiers, one of which the material must have.
        count: number of materials, chosen among those that fulfil the other conditions by the SHA-256 of their ids.

    Raises:
        UserError: an element is unknown, a list is empty, a range is invalid, or the count is below 1.
    """

    elements: Sequence[str] | None = None
    chemsys: str | Sequence[str] | None = None
    nsites: Sequence[int | None] | None = None
    energy_above_hull: Sequence[float | None] | None = None
    theoretical: bool | None = None
    ids: Sequence[str] | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        if self.count is not None:
            check_whole("source.count", self.count, least=1, example=1000)
        systems = [self.chemsys] if isinstance(self.chemsys, str) else self.chemsys
        for name, values in (("elements", self.elements), ("chemsys", systems), ("ids", self.ids)):
            if values is not None:
                _check_words(name, values)
        for symbol in self.elements or ():
            _check_symbol("elements", symbol)
        for symbol in (symbol for system in systems or () for symbol in _parts(system) if symbol != "*"):
            _check_symbol("chemsys", symbol)
        checked = {
            "elements": _sorted(self.elements),
            "chemsys": _sorted(None if systems is None else ["-".join(_parts(system)) for system in systems]),
            "nsites": _range("nsites", self.nsites, int),
            "energy_above_hull": _range("energy_above_hull", self.energy_above_hull, float),
            "ids": _sorted(self.ids),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def are_given(self) -> bool:
        """Whether there is any condition; a count is none."""
        return replace(self, count=None) != Filters()

    def as_dict(self) -> dict[str, Any]:
        """Return the filters as the plain values that JSON reads back."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Filters:
        """Return the filters from the values of `as_dict`."""
        return cls(**values)

    def digest(self) -> str:
        """Return a digest of the filters, ten hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]

    def within(self, held: Filters) -> bool:
        """Return whether a snapshot that was fetched with the filters `held` has all materials that these ask for.

        If no filters are given, it has.
        """
        alike = not self.are_given or replace(self, count=None) == replace(held, count=None)
        if held.count is None or (self.count is None and not self.are_given):
            return alike
        return alike and self.count is not None and self.count <= held.count

    def choose(self, ids: Iterable[str]) -> list[str]:
        """Return `count` of the ids, sorted; smaller choices lie within larger ones."""
        if self.count is None:
            return sorted(ids)
        return sorted(heapq.nsmallest(self.count, ids, key=lambda name: order_of_choice(name.encode())))

    def __str__(self) -> str:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return ", ".join(f"{name}={_shown(value)}" for name, value in given.items() if value is not None) or "no filter"


def _example(name: str) -> str:
    return f"{_KEY}.{name}={_EXAMPLES[name]}"


def _check_words(name: str, values: Sequence[str]) -> None:
    if not all(isinstance(value, str) and value for value in values):
        raise UserError(f"{_KEY}.{name}={list(values)}: a list of words is needed, e.g. {_example(name)}")
    if not values:
        raise UserError(f"{_KEY}.{name}=[] is empty: give e.g. {_example(name)}, or null for any")


def _check_symbol(name: str, symbol: str) -> None:
    if not Element.is_valid_symbol(symbol):
        raise UserError(f"{_KEY}.{name}: {symbol} is not an element: give e.g. {_example(name)}")


def _parts(system: str) -> list[str]:
    return sorted(part.strip() for part in system.split("-"))


def _sorted(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(sorted({value.strip() for value in values}))


def _range(name: str, given: Sequence[float | None] | None, kind: type) -> Range | None:
    if given is None or list(given) == [None, None]:
        return None
    if len(given) == 2:
        least, most = (None if bound is None else kind(bound) for bound in given)
        if least is None or most is None or least <= most:
            return least, most
    raise UserError(
        f"{_KEY}.{name}={list(given)}: the least and the largest value are needed, null for no bound, e.g. "
        f"{_example(name)}"
    )


def _shown(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value)
    some = ["null" if entry is None else str(entry) for entry in value[:5]]
    return f"[{','.join(some)}{',…' if len(value) > 5 else ''}]"
