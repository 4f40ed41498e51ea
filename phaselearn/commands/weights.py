"""`phaselearn weights`: the trained networks that come with the package, and the model card of one."""

from __future__ import annotations

import sys
import textwrap
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from phaselearn.commands.application import fail
from phaselearn.errors import unknown

if TYPE_CHECKING:
    from phaselearn.models.model_card import ModelCard

_USAGE = """\
usage: phaselearn weights         the trained networks of the package
       phaselearn weights NAME    what one was trained on, how, and where it fails"""


def main() -> None:
    """Run the command."""
    from phaselearn.models.model_card import cards

    words = sys.argv[1:]
    if set(words) & {"-h", "--help"}:
        print(_USAGE)
        return
    known = cards()
    if len(words) > 1:
        fail(f"weights {' '.join(words)}: one name at a time, e.g. `phaselearn weights {next(iter(known))}`")
    if not words:
        for card in known.values():
            print(f"{card.name}   {card.parameters:,} numbers: {card.about}")
        print(f"\nuse: phaselearn predict weights={next(iter(known))} source=folder source.path=FOLDER")
        return
    if words[0] not in known:
        fail(str(unknown("weights", words[0], known, command="phaselearn predict")))
    print(_card(known[words[0]]))


def _card(card: ModelCard) -> str:
    """Return a model card as lines that fit the terminal."""
    facts = {"file": str(card.path), "SHA-256": card.sha256, "numbers": f"{card.parameters:,}", **card.facts}
    width = max(map(len, facts)) + 2
    columns = max(get_terminal_size((100, 24)).columns, width + 40)

    def filled(first: str, text: str) -> str:
        return textwrap.fill(
            text,
            columns,
            initial_indent=first.ljust(width),
            subsequent_indent=" " * width,
            break_long_words=False,
            break_on_hyphens=False,
        )

    lines = [f"{card.name}: {card.about}", "", *(filled(name, text) for name, text in facts.items())]
    return "\n".join([*lines, "", *(filled("limit", text) for text in card.limits)])
