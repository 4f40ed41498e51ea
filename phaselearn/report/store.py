"""The content of a store, as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from phaselearn.data.store.summary import StoreSummary
from phaselearn.report.plain_table import PlainTable

_WIDTH = 78
_BAR = 40  # characters
_MOST = 15  # bars of a histogram


def store_panels(summary: StoreSummary) -> Iterator[PlainTable]:
    """Yield the tables: crystals, provenance, definition, what was left out, and histograms."""
    attributes = summary.attributes
    source = attributes["source"]
    yield _facts(
        "Crystals",
        {
            "crystals": f"{summary.crystals:,}",
            "formulas": f"{summary.formulas:,}",
            "structure types": f"{summary.prototypes:,}",
            **{f"{split} split": f"{count:,}" for split, count in summary.splits.items()},
        },
    )
    yield _facts(
        "Provenance",
        {
            "source": source["name"],
            **{f"source.{key}": value for key, value in source["config"].items() if not key.startswith("_")},
            "licence": source["licence"],
            "to cite": source["attribution"],
            "fingerprint": source["fingerprint"][:16],
            "versions": ", ".join(f"{name} {version}" for name, version in attributes["versions"].items()),
        },
    )
    yield _facts("Definition", {**attributes["definition"], "longest_edge": attributes["longest_edge"]})
    yield _facts("Left out", attributes["left_out"] or {"nothing": ""})
    yield _bars("Atoms in the cell", summary.atoms)
    yield _bars("Volume of the cell / Å³", summary.volumes)
    yield _bars("Crystal system", summary.systems)
    yield _bars("Space group", summary.space_groups)
    yield _bars("Element", summary.elements)


def _facts(title: str, facts: Mapping[str, object]) -> PlainTable:
    table = PlainTable(title, show_header=False, width=_WIDTH)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value)
    return table


def _bars(title: str, counts: Mapping[str, int] | Mapping[int, int]) -> PlainTable:
    rest = len(counts) - _MOST
    caption = f"and {rest} more" if rest > 0 else None
    table = PlainTable(title, caption, show_header=False, width=_WIDTH)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1)
    most = max(counts.values(), default=1)
    for label, count in list(counts.items())[:_MOST]:
        bar = "█" * round(_BAR * count / most) or "▏" * (count > 0)
        table.add_row(label, f"{count:,}", bar)
    return table
