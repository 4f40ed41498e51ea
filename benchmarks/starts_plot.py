"""Draw the curves of a benchmark of starts, share solved against seconds, into a PNG.

    python benchmarks/starts_plot.py FOLDER TARGET.png [--subset hard]

FOLDER is that of `phaselearn benchmark models=[…,solver] starts=[…]`; there is a panel for each regime.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from study_plot import COLOURS

from phaselearn.benchmark.curves import CURVES_FILE
from phaselearn.report.figures import FLOOR, STYLE

FLOOR_METHOD = "phase_zero"


def draw(points: list[dict[str, str]], axes: Axes, regime: str) -> None:
    """Draw the curves of a regime; a method without starts is a single point, and the phase-zero floor a line."""
    chosen = [point for point in points if point["regime"] == regime]
    methods = [name for name in dict.fromkeys(point["method"] for point in points) if name != FLOOR_METHOD]
    for method, colour in zip(methods, COLOURS, strict=False):
        own = [point for point in chosen if point["method"] == method]
        solved = [100 * float(point["solved"]) for point in own]
        spread = [
            [y - 100 * float(point["solved_low"]) for point, y in zip(own, solved, strict=True)],
            [100 * float(point["solved_high"]) - y for point, y in zip(own, solved, strict=True)],
        ]
        axes.errorbar(
            [float(point["seconds"]) for point in own],
            solved,
            spread,
            label=method.removeprefix("solver:"),
            color=colour,
            marker="o",
            markersize=4,
            elinewidth=0.6,
        )
    for point in chosen:
        if point["method"] == FLOOR_METHOD:
            axes.axhline(100 * float(point["solved"]), color=FLOOR, linewidth=1, label="phase-zero floor")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(-2, 102)
    axes.set_title(f"{regime}, {chosen[0]['n']} crystals")
    axes.set_xlabel("processor seconds per crystal")


def main() -> None:
    """Draw the figure."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("target", type=Path)
    arguments.add_argument("--subset", default="hard", choices=("all", "hard", "unseen_prototype"))
    given = arguments.parse_args()
    with open(given.folder / CURVES_FILE, newline="") as file:
        points = [point for point in csv.DictReader(file) if point["subset"] == given.subset]
    regimes = list(dict.fromkeys(point["regime"] for point in points))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(regimes) + 0.4, 3.8), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(regimes), squeeze=False, sharey=True)[0]
        for axes, regime in zip(panels, regimes, strict=True):
            draw(points, axes, regime)
        panels[0].set_ylabel(f"solved, % ({given.subset})")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
        figure.savefig(given.target)


if __name__ == "__main__":
    main()
