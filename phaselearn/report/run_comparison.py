"""Two runs side by side: what differs in their configurations, their curves, and the crystals that both judged."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from statistics import median

import plotly.graph_objects as go

from phaselearn.errors import UserError
from phaselearn.report.plain_table import PlainTable
from phaselearn.report.rendering import drawable, link, write_page
from phaselearn.report.run_curves import draw_curves
from phaselearn.report.run_folders import crystals_of
from phaselearn.report.run_records import RunRecord, differing_settings
from phaselearn.report.terminal import COLUMNS, LEGEND, cells, number

_MOST_CRYSTALS = 20  # that are listed: those that differ most in either direction


@dataclass(frozen=True)
class ComparedCrystal:
    """A crystal that both runs judged: its map correlation by phase zero, by the first run and by the second."""

    id: str
    formula: str
    floor: float
    first: float
    second: float

    @property
    def difference(self) -> float:
        """The map correlation of the second run minus that of the first."""
        return self.second - self.first


def compared_crystals(first: RunRecord, second: RunRecord) -> list[ComparedCrystal]:
    """Return the crystals that both runs judged; in data that hide too much of one, it could not be."""
    theirs = crystals_of(second)
    return [
        ComparedCrystal(
            name,
            row["formula"],
            float(row["floor"]),
            float(row["correlation"]),
            float(theirs[name]["correlation"]),
        )
        for name, row in crystals_of(first).items()
        if name in theirs and _is_counted(row) and _is_counted(theirs[name])
    ]


def _is_counted(row: Mapping[str, str]) -> bool:
    return row["counted"] == "True"


def terminal_tables(first: RunRecord, second: RunRecord) -> list[PlainTable]:
    """Return tables for a terminal: the settings that differ, and the results."""
    settings = PlainTable("settings that differ")
    for column in ("", first.name, second.name):
        settings.add_column(column, overflow="fold")
    for key, values in differing_settings([first, second]).items():
        settings.add_row(key, *values)
    results = PlainTable("results", LEGEND)
    for column in ("run", *COLUMNS[1:]):
        results.add_column(column, justify="left" if column == "run" else "right", overflow="fold")
    for subset, rows in groupby(_result_cells(first, second), key=itemgetter(0)):
        results.add_row(subset, style="italic")
        for _, name, *values in rows:
            results.add_row(f"  {name}", *values)
    return [settings, results]


def write_comparison_page(path: Path, first: RunRecord, second: RunRecord) -> None:
    """Write the comparison of two runs.

    Args:
        path: the HTML file; links to the runs' own pages are relative to it.
        first, second: the runs.

    Raises:
        UserError: the same run is given twice.
    """
    if first.folder.resolve() == second.folder.resolve():
        raise UserError(f"compare: {first.folder} is given twice, two different run folders are needed")
    crystals = compared_crystals(first, second)
    both = [first, second]
    ordered = sorted(crystals, key=lambda crystal: crystal.difference, reverse=True)
    links = [link(run.name, os.path.relpath(run.page, path.parent)) if run.page else run.name for run in both]
    write_page(
        path,
        "report/run_comparison.html",
        title=f"{first.name} beside {second.name}",
        names=[first.name, second.name],
        settings=[["report", *links], *([key, *values] for key, values in differing_settings(both).items())],
        result_headings=["subset", "run", *COLUMNS[1:]],
        results=_result_cells(first, second),
        legend=LEGEND,
        curves=drawable([draw_curves(both, name, title, scale) for name, title, scale in _CURVES]),
        scatter=drawable([_scatter(crystals, first, second)] if crystals else []),
        verdict=_verdict(crystals, first, second) if crystals else "",
        crystals=[_crystal_cells(crystal) for crystal in _extremes(ordered)],
    )


_CURVES = (
    ("train/loss", "Training loss", "log"),
    ("val/loss", "Validation loss", "log"),
    ("val/median_cc", "Validation: median map correlation", "linear"),
)


def _result_cells(first: RunRecord, second: RunRecord) -> list[list[str]]:
    rows = []
    subsets = dict.fromkeys(row.subset for run in (first, second) for row in run.results)
    for subset in subsets:
        for run in (first, second):
            network, floor = run.result(subset), run.result(subset, floor=True)
            if network is not None:
                rows.append([network.subset_label, run.name, *cells(network)[1:]])
            if floor is not None:
                rows.append([floor.subset_label, f"phase-zero floor of {run.name}", *cells(floor)[1:]])
    return rows


def _scatter(crystals: Sequence[ComparedCrystal], first: RunRecord, second: RunRecord) -> go.Figure:
    figure = go.Figure(layout={"title": "Map correlation, crystal by crystal", "showlegend": False})
    figure.add_trace(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot"}, hoverinfo="skip"))
    marker = {"color": [crystal.floor for crystal in crystals], "colorscale": "Cividis", "colorbar": {"title": "floor"}}
    figure.add_trace(
        go.Scatter(
            x=[crystal.first for crystal in crystals],
            y=[crystal.second for crystal in crystals],
            text=[f"{crystal.formula} {crystal.id}" for crystal in crystals],
            mode="markers",
            marker=marker,
        )
    )
    figure.update_xaxes(title=f"CC, {first.name}")
    return figure.update_yaxes(title=f"CC, {second.name}")


def _verdict(crystals: Sequence[ComparedCrystal], first: RunRecord, second: RunRecord) -> str:
    better = sum(crystal.difference > 0 for crystal in crystals)
    return (
        f"{len(crystals)} crystals were judged by both. {second.name} is better on {better} of them; median CC "
        f"{number(median(crystal.first for crystal in crystals))} of {first.name}, "
        f"{number(median(crystal.second for crystal in crystals))} of {second.name}. Below: those that differ most."
    )


def _extremes(ordered: Sequence[ComparedCrystal]) -> list[ComparedCrystal]:
    if len(ordered) <= _MOST_CRYSTALS:
        return list(ordered)
    half = _MOST_CRYSTALS // 2
    return [*ordered[:half], *ordered[-half:]]


def _crystal_cells(crystal: ComparedCrystal) -> list[str]:
    values = (crystal.floor, crystal.first, crystal.second, crystal.difference)
    return [crystal.id, crystal.formula, *map(number, values)]
