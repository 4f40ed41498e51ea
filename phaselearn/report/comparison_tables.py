"""Table 1 and the symmetry score of the shown crystals as rows for CSV files, as cells to read, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gemmi
import numpy as np

from phaselearn.crystal.vectors import REPORT_F2, VectorTable
from phaselearn.quoting import markdown_text
from phaselearn.report.comparison import Symmetry
from phaselearn.report.content import ShownCrystal
from phaselearn.report.markdown_table import markdown_table
from phaselearn.report.terminal import number

VECTOR_HEADINGS = (
    "vector between atoms / voxels",
    "brightest voxels",
    "Δ / voxels",
    "Δ / Å",
    "peaks",
    "Δ / voxels",
    "Δ / Å",
)
REPORT_HEADINGS = ("the report’s F₂ at 20³, true", "predicted", "Δ / voxels")
SYMMETRY_HEADINGS = ("operation", "prediction", "truth", "random phases")
VECTOR_NOTE = (
    "Table 1 of the 2021 report: vectors between atoms against vectors between predicted maxima, matched one to one. "
    "Each is the shortest of its periodic images, and v is the same as −v: origin and hand do not matter. "
    "Maxima are groups of the most intense 1 % of the voxels (the report’s 80 of 20³), and peaks between the voxels: "
    "as many as there are atoms."
)
SYMMETRY_NOTE = (
    "Map correlation of a map with its copy moved by the operations of the true space group, each about its best "
    "origin. Random phases with the prediction’s amplitudes show how much any map gains by the choice of the origin. "
    "A prediction with high values here and wrong vectors above has the symmetry, but not the atoms."
)
MOST_ROWS = 12  # vectors in a table on the page; the files hold all of them


def vector_cells(crystal: ShownCrystal) -> list[list[str]]:
    """Return Table 1 with the shortest vectors first and the means last; empty if a crystal has no such table."""
    voxels, peaks = crystal.comparison.from_voxels, crystal.comparison.from_peaks
    if voxels is None or peaks is None:
        return []
    rows = [
        [_vector(voxels.true[row]), *_matched_cells(voxels, row), *_matched_cells(peaks, row)]
        for row in range(min(len(voxels.true), MOST_ROWS))
    ]
    return [*rows, [f"mean of {len(voxels.true)}", *_mean_cells(voxels), *_mean_cells(peaks)]]


def report_cells(crystal: ShownCrystal) -> list[list[str]]:
    """Return the report's own values for F₂, its test crystal; nothing for any other."""
    if crystal.formula != "F2":
        return []
    return [[_vector(np.array(true)), _vector(np.array(got)), number(_apart(true, got), 1)] for true, got in REPORT_F2]


def symmetry_cells(crystal: ShownCrystal) -> list[list[str]]:
    """Return the symmetry score: a row for each kind of operation, the mean last; empty for P1."""
    symmetry = crystal.comparison.symmetry
    if symmetry is None:
        return []
    kinds = [operation.kind for operation in symmetry.operations]
    rows = []
    for kind in dict.fromkeys(kinds):
        members = [place for place, other in enumerate(kinds) if other == kind]
        only = symmetry.operations[members[0]].triplet
        what = only if len(members) == 1 else f"{len(members)} operations"
        rows.append([f"{'translation' if kind == 't' else kind}: {what}", *_mean_scores(symmetry, members)])
    return [*rows, [f"mean of {len(kinds)}", *_mean_scores(symmetry, list(range(len(kinds))))]]


def summary(crystal: ShownCrystal) -> str:
    """Return sentences on the number of peaks, and on the vectors that are predicted to a voxel."""
    comparison = crystal.comparison
    atoms = len(crystal.numbers)
    more = " or more" if comparison.peaks_above == 2 * atoms else ""
    peaks = "1 peak" if comparison.peaks_above == 1 else f"{comparison.peaks_above}{more} peaks"
    text = f"The network’s own map: {peaks} above 70 % of the highest, where the crystal has {atoms} atoms."
    if comparison.from_voxels is None or comparison.from_peaks is None:
        return f"{text} Table 1 is made for 2 to 40 atoms."
    count = len(comparison.from_peaks.true)
    return (
        f"{text} Predicted to a voxel along each axis: {comparison.from_voxels.within_a_voxel} of {count} vectors from "
        f"the brightest voxels, {comparison.from_peaks.within_a_voxel} of {count} from peaks."
    )


def vector_rows(crystals: Sequence[ShownCrystal]) -> list[dict[str, Any]]:
    """Return the rows of vectors.csv: one for each vector of Table 1, and the report's own values for F₂."""
    rows = []
    for crystal in crystals:
        comparison = crystal.comparison
        for maxima, table in (("voxels", comparison.from_voxels), ("peaks", comparison.from_peaks)):
            if table is not None:
                columns = zip(table.true, table.predicted, table.voxels, table.deviation, strict=True)
                rows += [_vector_row(crystal, maxima, *values) for values in columns]
        if crystal.formula == "F2":
            rows += [_vector_row(crystal, "report", true, got, _apart(true, got), np.nan) for true, got in REPORT_F2]
    return rows


def symmetry_rows(crystals: Sequence[ShownCrystal]) -> list[dict[str, Any]]:
    """Return the rows of symmetry.csv, one for each operation."""
    return [
        {
            "id": crystal.id,
            "formula": crystal.formula,
            "kind": operation.kind.replace("−", "-"),
            "operation": operation.triplet,
            "prediction": symmetry.prediction[place],
            "truth": symmetry.truth[place],
            "random_phases": symmetry.chance[place],
        }
        for crystal in crystals
        if (symmetry := crystal.comparison.symmetry) is not None
        for place, operation in enumerate(symmetry.operations)
    ]


def comparison_markdown(crystals: Sequence[ShownCrystal]) -> str:
    """Return shown.md: Table 1 and the symmetry score of each crystal."""
    parts = ["# The shown crystals: vectors between maxima, and symmetry", VECTOR_NOTE, SYMMETRY_NOTE]
    for crystal in crystals:
        group = gemmi.find_spacegroup_by_number(int(crystal.space_group))
        names = f"{markdown_text(crystal.formula)} · {markdown_text(crystal.id)}"
        parts.append(f"## {names} · {group.hm if group else crystal.space_group}")
        parts.append(f"CC {number(crystal.correlation)}, {crystal.verdict}. {summary(crystal)}")
        for headings, cells in (
            (VECTOR_HEADINGS, vector_cells(crystal)),
            (REPORT_HEADINGS, report_cells(crystal)),
            (SYMMETRY_HEADINGS, symmetry_cells(crystal)),
        ):
            if cells:
                parts.append(markdown_table(headings, cells))
    return "\n\n".join(parts) + "\n"


def _vector(vector: np.ndarray) -> str:
    if not np.isfinite(vector).all():
        return "–"
    digits = 0 if np.allclose(vector, np.round(vector), atol=1e-6) else 1
    # Components are rounded first; adding 0 turns −0 into 0.
    return f"({', '.join(number(component, digits) for component in np.round(vector, digits) + 0.0)})"


def _matched_cells(table: VectorTable, row: int) -> list[str]:
    return [_vector(table.predicted[row]), number(table.voxels[row], 1), number(table.deviation[row], 2)]


def _mean_cells(table: VectorTable) -> list[str]:
    return [f"{table.matched} matched", number(table.mean_voxels, 1), number(table.mean_deviation, 2)]


def _mean_scores(symmetry: Symmetry, members: list[int]) -> list[str]:
    return [
        number(float(values[members].mean()), 2) for values in (symmetry.prediction, symmetry.truth, symmetry.chance)
    ]


def _apart(true: Sequence[float], predicted: Sequence[float]) -> float:
    return float(np.linalg.norm(np.subtract(true, predicted)))


def _vector_row(
    crystal: ShownCrystal,
    maxima: str,
    true: Iterable[float],
    predicted: Iterable[float],
    voxels: float,
    deviation: float,
) -> dict[str, Any]:
    return {
        "id": crystal.id,
        "formula": crystal.formula,
        "maxima": maxima,
        **{f"true_{axis}": value for axis, value in zip("abc", true, strict=True)},
        **{f"predicted_{axis}": value for axis, value in zip("abc", predicted, strict=True)},
        "deviation_voxels": voxels,
        "deviation_angstrom": deviation,
    }
