"""Tables for a terminal that show every text as it is: anybody may have chosen the names in them."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from phaselearn.quoting import printable


class PlainTable(Table):
    """A table of rich in the style of all commands, without rich's markup.

    Args:
        title: text above the table.
        caption: text below the table.
        options: the arguments of `rich.table.Table`.
    """

    def __init__(self, title: str | None = None, caption: str | None = None, **options: Any) -> None:
        super().__init__(
            box=box.SIMPLE_HEAD,
            title=None if title is None else plain(title, "table.title"),
            title_justify="left",
            caption=None if caption is None else plain(caption, "table.caption"),
            caption_justify="left",
            **options,
        )

    def add_column(self, header: RenderableType = "", footer: RenderableType = "", **options: Any) -> None:
        """Add a column with a text above and one below it."""
        super().add_column(plain(header), plain(footer), **options)

    def add_row(self, *cells: object, **options: Any) -> None:
        """Add a row of texts."""
        super().add_row(*map(plain, cells), **options)


def plain(text: object, style: str = "") -> Text:
    """Return a text that rich shows as it is, markup included."""
    return Text(printable(text), style)
