"""Several runs on one page and in one table of the terminal: their differences and their results."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import plotly.graph_objects as go
from markupsafe import Markup

from phaselearn.metrics.default import DIRECTION, METRIC
from phaselearn.report.plain_table import PlainTable
from phaselearn.report.rendering import drawable, link, write_page
from phaselearn.report.run_curves import draw_curves
from phaselearn.report.run_records import BrokenRun, RunRecord, differing_settings
from phaselearn.report.terminal import LEGEND, number, percent

RESULTS = ("epochs", "val. CC", "CC", "floor", "solved", "hard", "gain")
_MOST_CURVES = 12  # as many as an eye can follow
_MOST_SETTINGS = 8  # columns and axes
_AXIS = 130  # pixels for an axis and its labels
_SCALE = ((0.0, "#56b4e9"), (0.5, "#8d969f"), (1.0, "#d55e00"))  # visible on light and on dark backgrounds
_NOTE = (
    f"{LEGEND} Val. CC: the best median of a validation, origins searched on the voxels only. Floor: median CC of the "
    "phase-zero map on the same test crystals; hard: solved of those with CC₀ < 0.9. A heading sorts."
)


def terminal_table(runs: Sequence[RunRecord]) -> PlainTable:
    """Return the table for a terminal of 80 columns; the names of folders usually give the model and the data."""
    table = PlainTable(caption=LEGEND, padding=(0, 1, 0, 0))
    table.add_column("run", overflow="fold", min_width=24)
    for column in RESULTS:
        table.add_column(column, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(run.name, *_results(run))
    return table


def problems_table(runs: Sequence[RunRecord], broken: Sequence[BrokenRun]) -> PlainTable | None:
    """Return the table of the runs that failed or cannot be read, with the reasons; None if there are none."""
    problems = _problems(runs, broken)
    if not problems:
        return None
    table = PlainTable("runs that failed or cannot be read")
    table.add_column("run", overflow="fold", min_width=24)
    table.add_column("reason", overflow="fold")
    for name, reason in problems:
        table.add_row(name, reason)
    return table


def _problems(runs: Sequence[RunRecord], broken: Sequence[BrokenRun]) -> list[tuple[str, str]]:
    failed = [(run.name, run.failure.reason) for run in runs if run.failure is not None]
    return [*failed, *((each.name, each.reason) for each in broken)]


def write_runs_page(path: Path, title: str, runs: Sequence[RunRecord], broken: Sequence[BrokenRun]) -> None:
    """Write the page of several runs: table, differing settings as parallel coordinates, curves, the best command.

    Args:
        path: the HTML file; links to the runs' own pages are relative to it.
        title: heading of the page.
        runs: runs that can be read.
        broken: runs that cannot be read. There is at least one run of either kind.
    """
    metric = objective(runs)[0]
    given_up, problems = sum(run.is_pruned for run in runs), _problems(runs, broken)
    facts = {
        "runs": f"{len(runs) + len(broken)}, {sum(run.is_finished for run in runs)} of them judged"
        + (f", {given_up} given up (pruned)" if given_up else "")
        + (f", {len(problems)} failed or unreadable" if problems else "")
    }
    for label, best in best_runs(runs).items():
        facts[label] = f"{best.name}: {metric} {number(_score(best, runs))}"
        facts[label.replace("best", "train it again", 1)] = best.command
    settings = dict(list(differing_settings(runs).items())[:_MOST_SETTINGS])
    newest = list(runs)[:_MOST_CURVES]
    differing = [
        [_link(run, path.parent), *(values[place] for values in settings.values()), *_short_results(run, runs)]
        for place, run in enumerate(runs)
    ]
    write_page(
        path,
        "report/runs.html",
        title=title,
        facts=facts,
        headings=["run", *RESULTS, "model", "data", "loss", "changed"],
        rows=[[_link(run, path.parent), *_results(run), *_parts(run), _changed(run)] for run in runs],
        note=_NOTE,
        problems=problems,
        settings=settings,
        coordinates=drawable([_parallel_coordinates(runs, settings)]) if settings else [],
        differing_headings=["run", *settings, metric, "solved"],
        differing=differing,
        curves=drawable(
            [
                draw_curves(newest, "val/loss", "Validation loss", "log"),
                draw_curves(newest, "val/median_cc", "Validation: median map correlation", "linear"),
            ]
        ),
    )


def best_runs(runs: Sequence[RunRecord]) -> dict[str, RunRecord]:
    """Return the run with the best validation under `best`; none if no run was validated.

    Runs that were validated on other crystals or other data are not compared. If there are such, each kind has a best
    run under `best of N on DATA`.
    """
    kinds: dict[str, list[RunRecord]] = {}
    for run in runs:
        if math.isfinite(_score(run, runs)):
            kinds.setdefault(run.validation, []).append(run)
    better = {"max": max, "min": min}[objective(runs)[1]]
    best = [(len(kind), better(kind, key=lambda run: _score(run, runs))) for kind in kinds.values()]
    if len(best) == 1:
        return {"best": best[0][1]}
    return {f"best of {count} on {run.data_name} ({run.name})": run for count, run in best}


def objective(runs: Sequence[RunRecord]) -> tuple[str, str]:
    """Return the metric that runs are compared by and its direction: their own if they share one."""
    own = {run.objective for run in runs}
    return own.pop() if len(own) == 1 else (METRIC, DIRECTION)


def _score(run: RunRecord, runs: Sequence[RunRecord]) -> float:
    return run.best(*objective(runs))


def _parts(run: RunRecord) -> tuple[str, str, str]:
    return run.option("model"), run.data_name, run.option("loss")


def _changed(run: RunRecord) -> str:
    return datetime.fromtimestamp(run.last_change).strftime("%Y-%m-%d %H:%M")


def _results(run: RunRecord) -> list[str]:
    network, floor, hard = run.result("all"), run.result("all", floor=True), run.result("hard")
    return [
        str(run.epochs),
        number(run.best_correlation),
        number(network.median_cc) if network else _state(run),
        number(floor.median_cc) if floor else "–",
        percent(network.solved) if network else "–",
        percent(hard.solved) if hard else "–",
        number(network.gain) if network else "–",
    ]


def _short_results(run: RunRecord, runs: Sequence[RunRecord]) -> list[str]:
    network = run.result("all")
    solved = percent(network.solved) if network else _state(run)
    return [number(_score(run, runs)), solved]


def _state(run: RunRecord) -> str:
    """Return the state of a run that was not tested."""
    return "failed" if run.failure is not None else "pruned" if run.is_pruned else "–"


def _link(run: RunRecord, folder: Path) -> str | Markup:
    return run.name if run.page is None else link(run.name, os.path.relpath(run.page, folder))


def _parallel_coordinates(runs: Sequence[RunRecord], settings: dict[str, list[str]]) -> go.Figure:
    """Draw a line for each validated run, through its settings to its result."""
    places = [place for place, run in enumerate(runs) if math.isfinite(_score(run, runs))]
    if len(places) < 2:
        return go.Figure()
    scores = [_score(runs[place], runs) for place in places]
    axes = [_axis(name, [values[place] for place in places]) for name, values in settings.items()]
    axes.append({"label": objective(runs)[0], "values": scores})
    lines = {"color": scores, "colorscale": _SCALE, "showscale": True}
    figure = go.Figure(go.Parcoords(dimensions=axes, line=lines), layout={"title": "Settings and results"})
    # The labels of axes any closer would overlap: simple_page.js has another plot for a phone.
    return figure.update_layout(margin={"t": 60, "l": 140}, meta={"narrowest": 240 + _AXIS * len(axes)})


def _axis(name: str, values: Sequence[str]) -> dict[str, object]:
    label = ".".join(name.split(".")[-2:])
    try:
        return {"label": label, "values": [float(value) for value in values]}
    except ValueError:
        kinds = sorted(set(values))
        return {
            "label": label,
            "values": [kinds.index(value) for value in values],
            "tickvals": list(range(len(kinds))),
            "ticktext": kinds,
        }
