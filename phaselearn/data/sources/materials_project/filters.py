"""Which materials of the Materials Project are wanted."""

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
    """What a material must fulfil, all of it; None asks for nothing. Made by `filters`, which checks and sorts.

    Attributes:
        elements: symbols that the material holds, perhaps beside others.
        chemsys: chemical systems, one of which it is: exactly these elements, e.g. `O-Si`; `*` for any element.
        nsites: fewest and most atoms of the primitive cell.
        energy_above_hull: least and most, in eV an atom.
        theoretical: true for materials that nobody has made, false for those known from experiment.
        ids: identifiers, one of which it has.
        count: of those that fulfil the rest so many, those whose id has the smallest SHA-256.
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
        """Whether anything is asked of a material; a count asks nothing of it."""
        return replace(self, count=None) != Filters()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON reads them back."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Filters:
        """Return the filters of which `as_dict` made the values."""
        arguments: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**arguments)

    def digest(self) -> str:
        """Return ten hexadecimal digits that differ where the filters do."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]

    def within(self, held: Filters) -> bool:
        """Return whether a snapshot of the filters `held` has all that these ask for; if none are given, it has."""
        alike = not self.are_given or replace(self, count=None) == replace(held, count=None)
        if held.count is None or (self.count is None and not self.are_given):
            return alike
        return alike and self.count is not None and self.count <= held.count

    def choose(self, ids: Iterable[str]) -> list[str]:
        """Return the ids that `count` leaves, sorted; smaller choices lie within larger ones."""
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
    """Return checked filters, the same for every order of what has none.

    Raises:
        UserError: an unknown element, an empty list, a range that is none, a count below 1.
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
