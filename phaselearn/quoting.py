"""Names and values that anybody may have chosen, quoted for their reader: a terminal, a shell, Hydra or a page.

They are shown and never executed: no escape sequence reaches a terminal and no markup a page, and a quoted command does
what it shows.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from urllib.parse import quote

_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
# Words that Hydra does not read as text.
_NOT_TEXT = re.compile(r"null|true|false|[+-]?(inf|nan)|[+-]?[0-9_.]+(e[+-]?[0-9_]+)?", re.IGNORECASE)
_NO_QUOTES = re.compile(r"[\w@%+=:,./…-]+")  # signs that a shell leaves alone, and the ellipsis for a part to fill in
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")


def printable(text: object) -> str:
    """Return a text for one line of a terminal: line breaks, escapes and direction marks are spelled out."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in str(text)
    )


def one_line(text: str) -> str:
    """Return a message on one line of a terminal; its line breaks become spaces."""
    return printable(" ".join(filter(None, (line.strip() for line in text.replace("\t", " ").splitlines()))))


def setting(key: str, value: str | Path) -> str:
    """Return `key=value`, quoted so that Hydra reads the same text back whatever it holds."""
    text = str(value)
    if _PLAIN.fullmatch(text) and not _NOT_TEXT.fullmatch(text):
        return f"{key}={text}"
    # OmegaConf takes ${ for an interpolation, and halves the backslashes before it.
    text = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + r"\${", text)
    # Hydra halves those before a quote, and before the end.
    text = re.sub(r'(\\+)(?="|\Z)', lambda found: 2 * found[1], text)
    text = text.replace('"', r"\"")
    return f'{key}="{text}"'


def command(program: str, *words: str | Path) -> str:
    """Return a command on one line, quoted for a shell.

    Args:
        program: the program as it is typed, such as `phaselearn train`.
        words: its arguments: flags, paths, and overrides in Hydra's grammar (see `setting`).
    """
    return " ".join([program, *map(_shell_word, words)])


def _shell_word(word: str | Path) -> str:
    # A path that begins with a dash is not a flag.
    text = os.path.join(".", word) if isinstance(word, Path) and str(word).startswith("-") else str(word)
    if _NO_QUOTES.fullmatch(text):
        return text
    if text.isprintable():
        return shlex.quote(text)
    spelled = "".join(
        character if character.isprintable() and character not in "\\'" else _in_bash(character) for character in text
    )
    return f"$'{spelled}'"


def _in_bash(character: str) -> str:
    """Return the bytes of a character as bash and zsh read them between $' and '."""
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def markdown_text(text: object) -> str:
    """Return a text for Markdown, without line breaks; markup in it is escaped."""
    return _MARKDOWN.sub(lambda found: "\\" + found[0], printable(text))


def link_target(path: str | Path) -> str:
    """Return the relative URL of a path, for a link in a page beside it."""
    return quote(os.fsencode(path))
