"""The dataset card: describes a store to whoever finds it without the project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phaselearn.data.pairs import PairDefinition
from phaselearn.data.store.summary import StoreSummary
from phaselearn.quoting import markdown_text

_BAR = 40  # characters
_ARRAYS = {
    False: "`intensity` and `density` (n, N, N, N) float32",
    True: "`intensity` (n, M) and `density` (n, M, 2) float32",
}
_MOST = 20  # rows of a long table


def dataset_card(summary: StoreSummary) -> str:
    """Return the card as Markdown; the same store has the same card."""
    attributes = summary.attributes
    definition, source = attributes["definition"], attributes["source"]
    left_out = attributes["left_out"]
    is_sphere = definition["layout"] == "sphere"
    return "\n".join(
        [
            f"# {summary.crystals:,} pairs of diffraction intensities and electron densities, "
            f"{PairDefinition.from_dict(definition).extent}",
            "",
            f"Crystals of the source {markdown_text(source['name'])}; {summary.formulas:,} formulas, "
            f"{summary.prototypes:,} structure types. A zarr v3 group: {_ARRAYS[is_sphere]}, "
            "`lattice` (n, 3, 3) in Å, `id`, `formula`, `prototype`, `space_group`; the atoms of row i are "
            "`atom_offset[i]` to `atom_offset[i + 1]` of `atom_number` and `atom_position` (fractional). "
            "`manifest.json` holds the length and SHA-256 of every file.",
            "",
            *([_order(definition["resolution"]), ""] if is_sphere else []),
            f"- licence of the structures: {markdown_text(source['licence'])}",
            f"- to cite: {markdown_text(source['attribution'])}",
            "",
            "## Definition",
            "",
            *_table(("", ""), {**definition, "longest cell edge / Å": attributes["longest_edge"]}),
            "",
            "## Splits",
            "",
            "By the SHA-256 of the reduced formula modulo 100: below 10 test, 10–19 validation, the rest training.",
            "",
            *_table(("split", "crystals"), summary.splits),
            "",
            "## Left out",
            "",
            f"{sum(left_out.values()):,} entries, listed in `left_out.csv`.",
            "",
            *(_table(("reason", "entries"), left_out) if left_out else []),
            "",
            *_histogram("Atoms in the cell", summary.atoms),
            *_histogram("Volume of the cell / Å³", summary.volumes),
            *_histogram("Crystal systems", summary.systems),
            *_histogram("Space groups", summary.space_groups),
            *_histogram("Elements", summary.elements),
            "## Provenance",
            "",
            *_table(("source", ""), source["config"] | {"fingerprint": source["fingerprint"]}),
            "",
            *_table(("package", "version"), attributes["versions"]),
            "",
        ]
    )


def _order(resolution: float) -> str:
    """Return the sentences that say which reflections the lists of a sphere have, and in which order."""
    return (
        f"The lists hold the reflections of each crystal with d ≥ {resolution} Å (1/d² may be larger by 1 in 10⁶): "
        "those with l > 0, or l = 0 and k > 0, or l = k = 0 and h ≥ 0. l changes fastest, then k, then h; k and h run "
        "0, 1, 2, … and then from their least value up to −1. M is the number of the largest crystal; behind the "
        "reflections of the others are zeros. `density` has the structure factors of the density, real and imaginary "
        "part."
    )


def _table(head: tuple[str, str], rows: Mapping[Any, object]) -> list[str]:
    return [
        f"| {head[0]} | {head[1]} |",
        "|---|---|",
        *(f"| {markdown_text(key)} | {_cell(value)} |" for key, value in rows.items()),
    ]


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else markdown_text(value)


def _histogram(title: str, counts: Mapping[Any, int]) -> list[str]:
    shown = dict(list(counts.items())[:_MOST])
    rest = len(counts) - len(shown)
    return [
        f"## {title}",
        "",
        "```",
        *bars(shown),
        *([f"… and {rest} more"] if rest else []),
        "```",
        "",
    ]


def bars(counts: Mapping[Any, int]) -> list[str]:
    """Return a histogram of {label: count} as lines of text."""
    labels, most = max((len(str(label)) for label in counts), default=0), max(counts.values(), default=0)
    digits = len(f"{most:,}")
    return [
        f"{label!s:>{labels}}  {count:>{digits},}  {'█' * round(_BAR * count / most) or '▏' * (count > 0)}".rstrip()
        for label, count in counts.items()
    ]
