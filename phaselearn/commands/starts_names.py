"""Sources of trial phases as a user names them: an option of conf/starts, a network, or `OPTION+NETWORK`."""

from __future__ import annotations

from pathlib import Path

from phaselearn.commands.options import options_of
from phaselearn.errors import UserError, unknown
from phaselearn.models.model_card import cards
from phaselearn.quoting import setting
from phaselearn.report.run_files import CONFIG_FILE

_NETWORK = "_network"  # the option of conf/starts that takes the network of a run
_JOIN = "+"


def begin_and_network(name: str) -> tuple[str | None, str]:
    """Return the option whose trial phases a network improves, None if none is named, and the rest of the name."""
    begin, join, network = name.partition(_JOIN)
    if join and begin in options_of("starts") and not Path(name).exists():
        return begin, network
    return None, name


def joined(begin: str | None, network: str) -> str:
    """Return the name of a network's starts; `begin` is the option whose trial phases it improves."""
    return network if begin is None else f"{begin}{_JOIN}{network}"


def short_name(name: str) -> str:
    """Return a name of starts without the folders that a run lies in."""
    begin, network = begin_and_network(name)
    return joined(begin, Path(network).name)


def starts_words(word: str) -> list[str]:
    """Return the overrides for a word of the command line: several for `starts=` with a network, any other as it is."""
    key, _, value = word.partition("=")
    begin, network = begin_and_network(value)
    named = begin is not None or "/" in network or Path(network).exists() or network in cards()
    if key != "starts" or value in ("", *options_of("starts")) or not named:
        return [word]
    words = [f"starts={_NETWORK}", setting("starts.run", network)]
    # What a method has found of the reflections that are too fine for the network is kept; random phases are not.
    return words if begin is None else [*words, f"starts@starts.begin={begin}", "starts.completion.keep=true"]


def unknown_starts(given: str, command: str = "", listed: bool = False) -> UserError:
    """Return the error for starts that are neither an option nor a network; the arguments are those of `unknown`."""
    allowed = [*sorted({*options_of("starts"), *cards()}), f"a run folder (with its {CONFIG_FILE})", "OPTION+NETWORK"]
    return unknown("starts", given, allowed, command=command, listed=listed)
