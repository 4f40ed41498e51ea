"""Names of the columns of a table: which hold h, k, l, a measured value, and the σ of just that value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_INTENSITY = re.compile(
    r"i(o|obs|meas|mean|net)?|int|intensity(obs|meas|mean|net)?|f(o|obs|meas)?(2|sq|squared)|f(sq|squared)(o|obs|meas)"
)
_AMPLITUDE = re.compile(r"f(o|obs|meas|mean|p)?|amplitude")
_SIGMA = r"(?:sigma|sig|esd|su|sd|std(?:err|dev)?|err|error|uncertainty)"
_SIGMA_OF = re.compile(rf"{_SIGMA}(?P<before>.+)|(?P<behind>.+?){_SIGMA}")
# Signs that people put into names or leave out; a minus between brackets is that of a Friedel mate.
_SIGNS = re.compile(r"[\s_^*(){}\[\]|]|(?<=\w)-(?=\w)")


@dataclass(frozen=True)
class Columns:
    """Places of columns.

    Attributes:
        indices: places of h, k and l.
        value: place of the measured value.
        sigma: place of its σ; None if there is none.
        amplitudes: the values are |F|.
    """

    indices: tuple[int, int, int]
    value: int
    sigma: int | None
    amplitudes: bool

    @property
    def places(self) -> list[int]:
        """h, k, l, value, and σ if there is one."""
        return [*self.indices, self.value, *([] if self.sigma is None else [self.sigma])]


def has_indices(names: Sequence[str]) -> bool:
    """Return whether h, k and l are among some names."""
    return {"h", "k", "l"} <= {_plain(name) for name in names}


def columns_named(names: Sequence[str]) -> Columns | None:
    """Return the columns to be read, None without a measured one.

    A value with a σ of its own is preferred, then an intensity. The σ of |F| is never taken for that of |F|².

    Args:
        names: names of all columns, h, k and l among them.
    """
    plain = [_plain(name) for name in names]
    values = {place: name for place, name in enumerate(plain) if _kind(name)}
    if not values:
        return None
    sigmas = {place: _sigma_of(place, values, plain) for place in values}
    value = min(values, key=lambda place: (sigmas[place] is None, _kind(values[place]) == "F", place))
    return Columns(
        (plain.index("h"), plain.index("k"), plain.index("l")), value, sigmas[value], _kind(values[value]) == "F"
    )


def _plain(name: str) -> str:
    return _SIGNS.sub("", name.casefold().replace("σ", "sigma").replace("ς", "sigma").replace("²", "2"))


def _kind(name: str) -> str:
    """Return "I" of an intensity, "F" of an amplitude, nothing of any other column."""
    return "I" if _INTENSITY.fullmatch(name) else "F" if _AMPLITUDE.fullmatch(name) else ""


def _sigma_of(value: int, values: dict[int, str], plain: Sequence[str]) -> int | None:
    """Return the σ of a value: named after it, else after others of its kind, else named σ alone and behind it."""
    same_kind = alone = None
    for place, name in enumerate(plain):
        found = _SIGMA_OF.fullmatch(name)
        quantity = (found["before"] or found["behind"]) if found else ""
        if quantity == values[value]:
            return place
        if quantity and quantity not in values.values() and _kind(quantity) == _kind(values[value]):
            same_kind = place if same_kind is None else same_kind
        if re.fullmatch(_SIGMA, name) and max((one for one in values if one < place), default=value) == value:
            alone = place if alone is None else alone
    return alone if same_kind is None else same_kind
