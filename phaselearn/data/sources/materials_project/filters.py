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


@dataclass(frozen=True)
class Filters:
    """Conditions that a material must fulfil, all of them; None is no condition.

    They are made by `filters`, which checks and sorts the values.

    Attributes:
        elements: symbols of elements that the material must contain; it may contain others, too.
        chemsys: chemical systems, e.g. `O-Si`; the material must have exactly the elements of one of them. `*` stands
            for any element.
        nsites: least and largest number of atoms in the primitive cell.
        energy_above_hull: least and largest energy above the convex hull, in eV an atom.
        theoretical: true for materials that nobody has made, false for those that are known from experiment.
        ids: identifiers, one of which the material must have.
        count: number of materials, chosen among those that fulfil the other conditions by the SHA-256 of their ids.
    """

    elements: tuple[str, ...] | None = None
    chemsys: tuple[str, ...] | None = None
    nsites: Range | None = None
    energy_above_hull: Range | None = None
    theoretical: bool | None = None
    ids: tuple[str, ...] | None = None
    count: int | None = None

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
        arguments: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**arguments)

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


def filters(
    elements: Sequence[str] | None,
    chemsys: str | Sequence[str] | None,
    nsites: Sequence[int | None] | None,
    energy_above_hull: Sequence[float | None] | None,
    theoretical: bool | None,
    ids: Sequence[str] | None,
    count: int | None,
) -> Filters:
    """Return checked filters; lists are sorted, so that their order makes no difference.

    Raises:
        UserError: an unknown element, an empty list, an invalid range, or a count below 1.
    """
    if count is not None:
        check_whole("source.count", count, least=1, example=1000)
    systems = [chemsys] if isinstance(chemsys, str) else chemsys
    for name, values in (("elements", elements), ("chemsys", systems), ("ids", ids)):
        if values is not None and not all(isinstance(value, str) and value for value in values):
            raise UserError(f"source.{name}={list(values)}: a list of words is needed, e.g. source.{_EXAMPLES[name]}")
        if values is not None and not values:
            raise UserError(f"source.{name}=[] is empty: give e.g. source.{_EXAMPLES[name]}, or null for any")
    for name, symbols in (("elements", elements or ()), ("chemsys", [s for one in systems or () for s in _parts(one)])):
        for symbol in symbols:
            if not (Element.is_valid_symbol(symbol) or (name == "chemsys" and symbol == "*")):
                raise UserError(f"source.{name}: {symbol} is no element: give e.g. source.{_EXAMPLES[name]}")
    return Filters(
        elements=_sorted(elements),
        chemsys=_sorted(None if systems is None else ["-".join(_parts(system)) for system in systems]),
        nsites=_range("nsites", nsites, int),
        energy_above_hull=_range("energy_above_hull", energy_above_hull, float),
        theoretical=theoretical,
        ids=_sorted(ids),
        count=count,
    )


_EXAMPLES = {
    "elements": "elements=[Si,O]",
    "chemsys": "chemsys=[Si-O,Al-O]",
    "nsites": "nsites=[1,20]",
    "energy_above_hull": "energy_above_hull=[0,0.05]",
    "ids": "ids=[mp-149,mp-22862]",
}


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
        f"source.{name}={list(given)}: the least and the most are needed, null where there is no bound, "
        f"e.g. source.{_EXAMPLES[name]}"
    )


def _shown(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value)
    some = ["null" if entry is None else str(entry) for entry in value[:5]]
    return f"[{','.join(some)}{',…' if len(value) > 5 else ''}]"
