"""The report of a run as one HTML page without network: table, crystals in 3D, curves, configuration."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import gemmi
import numpy as np

from phaselearn.quoting import printable
from phaselearn.report.content import FLOOR_METHOD, ResultRow, ShownCrystal
from phaselearn.report.curves import Curves
from phaselearn.report.page_comparison import comparison_html
from phaselearn.report.patterns import displayed_pattern
from phaselearn.report.simple_page import asset, write_shell
from phaselearn.report.surfaces import THRESHOLD, atoms_in_cell, drawing_shape
from phaselearn.report.terminal import LEGEND, by_subset, cells, counting_note, number, percent

# In the order in which they need each other.
SCRIPTS = (
    "maps.js",
    "page.js",
    "page_curves.js",
    "page_crystal.js",
    "page_voxels.js",
    "page_surfaces.js",
    "page_slices.js",
    "page_pattern.js",
    "page_controls.js",
)
CURVES_SHOWN = ("train/loss", "val/loss", "val/median_cc", "val/floor")
HEADINGS = ("", "crystals", "solved", "solved, strict", "median CC", "gain", "phase error")


def write_page(
    path: Path,
    *,
    title: str,
    facts: Mapping[str, str],
    table: Sequence[ResultRow],
    curves: Curves | None,
    crystals: Sequence[ShownCrystal],
    config_text: str,
) -> None:
    """Write the page.

    Args:
        path: the HTML file, replaced in one step.
        title: what the run was.
        facts: what there is to say about it, in order.
        table: each method on each subset of the test crystals.
        curves: of its training; None where there was none.
        crystals: to be looked at; the files of their maps are expected in maps/ beside the page.
        config_text: config.yaml.
    """
    curve_data = _curve_data(curves) if curves is not None else {}
    data = {"curves": curve_data or None, "crystals": [_crystal_data(crystal) for crystal in crystals]}
    # Inside a script element only a < can end it or open a comment.
    text = json.dumps(data, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
    parts = [
        _results(table),
        _crystal_section(crystals),
        asset("page_curves.html") if curve_data else "",
        Template(asset("page_run.html")).substitute(facts=_definitions(facts), config=escape(config_text)),
    ]
    write_shell(
        Path(path),
        title,
        _tiles(table, facts.get("judged on", "")),
        parts,
        f'<script type="application/json" id="report-data">{text}</script>',
        "\n".join(asset(name) for name in SCRIPTS),
    )


def _tiles(table: Sequence[ResultRow], judged_on: str) -> str:
    """The network's main numbers, each above its floor."""
    network = {row.subset: row for row in table if not row.is_parameter_free}
    floor = {row.subset: row for row in table if row.method == FLOOR_METHOD}
    if "all" not in network:
        return ""

    def tile(name: str, subset: str, show: Any) -> str:
        if subset not in network:
            return ""
        below = f"phase-zero floor {show(floor[subset])}" if subset in floor else ""
        return f"<div><dt>{name}</dt><dd>{show(network[subset])}</dd><dd>{below}</dd></div>"

    tiles = [
        f"<div><dt>crystals judged</dt><dd>{network['all'].n}</dd><dd>{escape(judged_on)}</dd></div>",
        tile("median map correlation", "all", lambda row: number(row.median_cc)),
        tile("solved", "all", lambda row: percent(row.solved)),
        tile("solved, hard crystals", "hard", lambda row: percent(row.solved)),
        tile("median phase error", "all", lambda row: number(row.phase_error, 0, "°")),
    ]
    return f'<dl class="tiles">{"".join(tiles)}</dl>'


def _results(table: Sequence[ResultRow]) -> str:
    if not table:
        return ""
    head = "".join(f'<th scope="col">{heading}</th>' for heading in HEADINGS)
    body = "".join(
        f'<tbody><tr><th scope="rowgroup" colspan="{len(HEADINGS)}">{escape(subset)}</th></tr>'
        + "".join(_result_row(row) for row in rows)
        + "</tbody>"
        for subset, rows in by_subset(table).items()
    )
    return (
        '<section aria-labelledby="results-heading"><h2 id="results-heading">Results</h2>'
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>{body}</table></div>'
        f'<p class="note">{LEGEND} The phase-zero floor is the map with every phase 0, which needs no '
        "network: what a method is worth is what it adds to it. Gain = (CC − CC₀)/(1 − CC₀). "
        f"{escape(counting_note(table))}</p></section>"
    )


def _result_row(row: ResultRow) -> str:
    kind = "floor" if row.method == FLOOR_METHOD else "other" if row.is_parameter_free else "network"
    method, *values = cells(row)
    data = "".join(f"<td>{value}</td>" for value in values)
    return f'<tr class="{kind}"><th scope="row">{escape(method)}</th>{data}</tr>'


def _crystal_section(crystals: Sequence[ShownCrystal]) -> str:
    if not crystals:
        return ""
    template = Template(asset("page_crystals.html"))
    return template.substitute(
        threshold=round(100 * THRESHOLD), size=crystals[0].truth.shape[0], comparison=comparison_html(crystals)
    )


def _definitions(facts: Mapping[str, str]) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(printable(text))}</dd>" for name, text in facts.items())
    return f'<dl class="facts">{items}</dl>'


def _curve_data(curves: Curves) -> dict[str, Any]:
    return {
        name: {
            "epochs": curves[name].epochs.tolist(),
            "values": [_finite(value) for value in curves[name].values],
        }
        for name in CURVES_SHOWN
        if len(curves[name].epochs)
    }


def _crystal_data(crystal: ShownCrystal) -> dict[str, Any]:
    numbers, positions = atoms_in_cell(crystal.numbers, crystal.positions)
    group = gemmi.find_spacegroup_by_number(int(crystal.space_group))
    pattern = displayed_pattern(crystal)
    return {
        "id": crystal.id,
        "formula": crystal.formula,
        "file_stem": crystal.file_stem,
        "prototype": crystal.prototype,
        "prototype_seen": bool(crystal.prototype_seen),
        "space_group_name": f"{group.hm} ({crystal.space_group})" if group else str(crystal.space_group),
        "lattice": np.asarray(crystal.lattice, dtype=float).round(5).tolist(),
        "elements": [gemmi.Element(number).name for number in sorted({int(number) for number in crystal.numbers})],
        "atoms": [
            {"symbol": gemmi.Element(int(number)).name, "position": position.round(5).tolist()}
            for number, position in zip(numbers, positions, strict=True)
        ],
        "truth": _packed(crystal.truth),
        "prediction": _packed(crystal.prediction),
        "pattern": _packed(pattern.log_intensity),
        "first_index": pattern.first_index,
        "drawing_shape": drawing_shape(crystal.truth.shape, crystal.lattice),
        "correlation": _finite(crystal.correlation),
        "correlation_floor": _finite(crystal.correlation_floor),
        "gain": _finite(crystal.gain),
        "phase_error": _finite(crystal.phase_error),
        "verdict": crystal.verdict,
    }


def _packed(density: np.ndarray) -> dict[str, Any]:
    """A map in 16-bit steps between its extremes; what is not a number (a diverged network's) becomes 0."""
    density = np.nan_to_num(np.asarray(density, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(density.min()), float(density.max())
    steps = np.zeros(density.shape) if high == low else (density - low) / (high - low) * 65535
    encoded = base64.b64encode(steps.round().astype("<u2").tobytes()).decode()
    return {"shape": list(density.shape), "low": low, "high": high, "base64": encoded}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
