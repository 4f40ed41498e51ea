"""The report of a run as one HTML page without network: table, crystals in 3D, curves, configuration."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from phaselearn.report import rendering
from phaselearn.report.comparison_tables import (
    REPORT_HEADINGS,
    SYMMETRY_HEADINGS,
    SYMMETRY_NOTE,
    VECTOR_HEADINGS,
    VECTOR_NOTE,
    report_cells,
    summary,
    symmetry_cells,
    vector_cells,
)
from phaselearn.report.content import ShownCrystal
from phaselearn.report.curves import Curves
from phaselearn.report.patterns import displayed_pattern
from phaselearn.report.results import FLOOR_METHOD, ResultRow
from phaselearn.report.surfaces import THRESHOLD, atoms_in_cell, drawing_shape
from phaselearn.report.terminal import LEGEND, by_subset, cells, counting_note, number, percent

# Each script may need those before it.
SCRIPTS = (
    "maps.js",
    "page.js",
    "page_curves.js",
    "page_seconds.js",
    "page_crystal.js",
    "page_voxels.js",
    "page_surfaces.js",
    "page_slices.js",
    "page_pattern.js",
    "page_controls.js",
)
CURVES_SHOWN = ("train/loss", "val/loss", "val/median_cc", "val/floor")
HEADINGS = ("", "crystals", "solved", "solved, strict", "median CC", "gain", "phase error", "seconds")


def write_page(
    path: Path,
    *,
    title: str,
    facts: Mapping[str, str],
    table: Sequence[ResultRow],
    curves: Curves | None,
    crystals: Sequence[ShownCrystal],
    config_text: str,
    evaluated: bool = False,
) -> None:
    """Write the page.

    Args:
        path: the HTML file, replaced in one step.
        title: heading of the page.
        facts: further facts about the run by name, in order.
        table: results of each method on each subset of the test crystals.
        curves: training curves; None if there was no training.
        crystals: crystals to show; the page links to the files of their maps in maps/ beside it.
        config_text: text of config.yaml.
        evaluated: whether the page lies in the `evaluations` of a run, to whose own page it links.
    """
    curve_data = _curve_data(curves) if curves is not None else {}
    rendering.write_page(
        path,
        "report/page_run.html",
        title=title,
        tiles=_tiles(table, facts.get("judged on", "")),
        headings=HEADINGS,
        results={subset: [_result_row(row) for row in rows] for subset, rows in by_subset(table).items()},
        legend=LEGEND,
        counting_note=counting_note(table),
        threshold=round(100 * THRESHOLD),
        comparisons=[_comparison(crystal) for crystal in crystals],
        vector_note=VECTOR_NOTE,
        symmetry_note=SYMMETRY_NOTE,
        facts=facts,
        config_text=config_text,
        evaluated=evaluated,
        data={
            "curves": curve_data or None,
            "seconds": _seconds(table),
            "crystals": [_crystal_data(crystal) for crystal in crystals],
        },
        scripts=SCRIPTS,
    )


def _tiles(table: Sequence[ResultRow], judged_on: str) -> list[tuple[str, str, str]]:
    """Return (name, value, note) of the network's main numbers; the note is the floor if there is one."""
    network = {row.subset: row for row in table if not row.is_reference}
    floor = {row.subset: row for row in table if row.method == FLOOR_METHOD}
    if "all" not in network:
        return []
    shown: tuple[tuple[str, str, Callable[[ResultRow], str]], ...] = (
        ("median map correlation", "all", lambda row: number(row.median_cc)),
        ("solved", "all", lambda row: percent(row.solved)),
        ("solved, hard crystals", "hard", lambda row: percent(row.solved)),
        ("median phase error", "all", lambda row: number(row.phase_error, 0, "°")),
    )
    return [
        ("crystals judged", str(network["all"].n), judged_on),
        *(
            (name, show(network[subset]), f"phase-zero floor {show(floor[subset])}" if subset in floor else "")
            for name, subset, show in shown
            if subset in network
        ),
    ]


def _result_row(row: ResultRow) -> dict[str, Any]:
    kind = "floor" if row.method == FLOOR_METHOD else "other" if row.is_reference else "network"
    method, *values = cells(row)
    return {"kind": kind, "method": method, "cells": values}


def _seconds(table: Sequence[ResultRow]) -> list[dict[str, Any]]:
    """Return what the plot of solved against seconds shows, of the hard crystals; empty if none were timed."""
    return [
        {
            "method": row.method_label,
            "kind": _result_row(row)["kind"],
            "seconds": row.seconds,
            "solved": 100 * row.solved,
        }
        for row in table
        if row.subset == "hard" and math.isfinite(row.seconds) and math.isfinite(row.solved)
    ]


def _comparison(crystal: ShownCrystal) -> dict[str, Any]:
    """Return Table 1 and the symmetry score of a crystal; the picker shows those of one crystal."""
    tables = (
        (VECTOR_HEADINGS, vector_cells(crystal), True),
        (REPORT_HEADINGS, report_cells(crystal), False),
        (SYMMETRY_HEADINGS, symmetry_cells(crystal), True),
    )
    return {
        "summary": summary(crystal),
        "tables": [{"headings": headings, "rows": rows, "has_mean": mean} for headings, rows, mean in tables],
    }


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
    """Return a map in 16-bit steps between its extremes; values that are not numbers become 0."""
    density = np.nan_to_num(np.asarray(density, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(density.min()), float(density.max())
    steps = np.zeros(density.shape) if high == low else (density - low) / (high - low) * 65535
    encoded = base64.b64encode(steps.round().astype("<u2").tobytes()).decode()
    return {"shape": list(density.shape), "low": low, "high": high, "base64": encoded}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
