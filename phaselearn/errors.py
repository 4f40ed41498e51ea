"""The exception for mistakes that a user can make and correct, and the most common one: an unknown option."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake in the input; commands print it as one line and exit with code 2.

    The message says what was given, what is allowed, and which command helps.
    """


def choose(key: str, given: str, options: Iterable[str], *, command: str = "", listed: bool = False) -> str:
    """Return the given value if it is one of the options.

    Args:
        key: the setting, such as `data.batching`.
        given: its value.
        options: the allowed values, at least one.
        command: a command that takes the setting, such as `phaselearn train`, for the error.
        listed: whether the setting is a list and the given value one of its entries.

    Raises:
        UserError: the value is not one of the options.
    """
    options = list(options)
    if given not in options:
        raise unknown(key, given, options, command=command, listed=listed)
    return given


def unknown(key: str, given: object, options: Iterable[str], *, command: str = "", listed: bool = False) -> UserError:
    """Return the error for a value that is not one of the options; the arguments are those of `choose`."""
    options = list(options)
    best = closest(given, options)
    written, example = (f"{key}=[{value}]" if listed else f"{key}={value}" for value in (given, best or options[0]))
    return UserError(
        f"{written} is unknown: allowed are {', '.join(options)}; "
        + (f"did you mean {best}? For example " if best else "for example ")
        + (f"`{command} {example}`" if command else example)
    )


def check_whole(key: str, given: object, least: int, example: int) -> None:
    """Check that a setting is a whole number.

    Args:
        key: the setting, such as `data.batch_size`.
        given: its value.
        least: the least number allowed.
        example: a sensible number, for the error.

    Raises:
        UserError: the value is not a whole number, or too small.
    """
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise UserError(f"{key}={given}: a whole number of at least {least} is needed, e.g. {key}={example}")


def closest(given: object, allowed: Iterable[str]) -> str | None:
    """Return the most similar of the allowed words, whatever the case; None if none is similar."""
    words = {word.lower(): word for word in allowed}
    found = get_close_matches(str(given).lower(), words, n=1, cutoff=0.6)
    return words[found[0]] if found else None
