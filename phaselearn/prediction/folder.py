"""A folder of predictions: a table, maps, and the entries that were left out. Stopped work goes on where it was."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from phaselearn.data.screening import screen
from phaselearn.data.structures import Crystal, LeftOut, storable
from phaselearn.files import write_csv, write_whole
from phaselearn.prediction.predictor import Prediction, Predictor
from phaselearn.progress import Progress
from phaselearn.report.training_set import TrainingSet

TABLE = "predictions.csv"
LEFT_OUT = "left_out.csv"
MAPS = "maps"
_PARTS = "parts"  # a file for each block of entries; they become the tables at the end
_FIGURES = ("correlation", "floor", "gain", "phase_error", "solved")
COLUMNS = ("id", "formula", "space_group", "atoms", "formula_seen", *_FIGURES, "map")


@dataclass(frozen=True)
class PredictionSummary:
    """Predictions in numbers.

    Attributes:
        crystals: number of crystals that were predicted.
        judged: number of these with enough reflections to judge; the medians are over them.
        solved: number of crystals with CC ≥ 0.90.
        correlation: median map correlation; None without judged crystals.
        floor: median map correlation of the maps with all phases zero.
        gain: median gain.
        seen: number of crystals whose formulas the network was trained on; None if that is unknown.
        left_out: number of entries that were left out.
    """

    crystals: int
    judged: int
    solved: int
    correlation: float | None
    floor: float | None
    gain: float | None
    seen: int | None
    left_out: int


def write_predictions(
    folder: Path,
    entries: Iterable[Crystal | LeftOut],
    count: int | None,
    predictor: Predictor,
    *,
    longest_edge: float,
    training: TrainingSet | None,
    maps: bool,
) -> PredictionSummary:
    """Predict entries block by block, and write the folder; what is there already is not predicted again.

    Args:
        folder: the folder, which an earlier process may have begun with the same entries.
        entries: crystals, and entries that their source left out.
        count: number of entries; None if it is not known.
        predictor: the network.
        longest_edge: crystals with a longer cell edge (Å) are left out.
        training: the crystals that the network was trained on; None if they are unknown.
        maps: whether to write a map for each crystal.
    """
    if not (folder / TABLE).exists():
        with Progress("predicting", count) as progress:
            for number, block in enumerate(_blocks(entries, predictor.batch_size)):
                part = folder / _PARTS / f"{number:08}.json"
                if not part.exists():
                    crystals, left_out = _screened(block, longest_edge, predictor.regime.definition.scattering)
                    rows = [
                        _row(found, training, folder if maps else None) for found in predictor.predictions(crystals)
                    ]
                    write_whole(part, json.dumps({"rows": rows, "left_out": left_out}).encode())
                progress.advance(len(block))
        parts = [json.loads(part.read_bytes()) for part in sorted((folder / _PARTS).glob("*.json"))]
        # The table comes last: where it is, all is done.
        write_csv(folder / LEFT_OUT, (row for part in parts for row in part["left_out"]), ("id", "reason"))
        write_csv(folder / TABLE, (row for part in parts for row in part["rows"]), COLUMNS)
    shutil.rmtree(folder / _PARTS, ignore_errors=True)
    return _summary(folder)


def _blocks(entries: Iterable[Crystal | LeftOut], size: int) -> Iterator[list[Crystal | LeftOut]]:
    entries = iter(entries)
    while block := list(islice(entries, size)):
        yield block


def _screened(
    entries: Sequence[Crystal | LeftOut], longest_edge: float, scattering: str
) -> tuple[list[Crystal], list[dict[str, str]]]:
    """Return the crystals that can be predicted, and a row for each other entry."""
    crystals = [entry for entry in entries if isinstance(entry, Crystal)]
    reasons = screen(crystals, longest_edge, scattering=scattering)
    refused = [
        LeftOut(crystal.id, reason) for crystal, reason in zip(crystals, reasons, strict=True) if reason is not None
    ]
    kept = [crystal for crystal, reason in zip(crystals, reasons, strict=True) if reason is None]
    left_out = [entry for entry in entries if isinstance(entry, LeftOut)] + refused
    return kept, [{"id": storable(entry.id), "reason": storable(entry.reason)} for entry in left_out]


def _row(found: Prediction, training: TrainingSet | None, folder: Path | None) -> dict[str, Any]:
    """Return the row of a crystal, after writing its map into a folder; None writes no map."""
    crystal = found.crystal
    row: dict[str, Any] = {
        "id": crystal.id,
        "formula": crystal.formula,
        "space_group": crystal.space_group,
        "atoms": len(crystal.numbers),
    }
    if training is not None:
        row["formula_seen"] = training.has_seen(crystal.formula)
    if found.judged:
        row |= {name: getattr(found, name) for name in _FIGURES}
    if folder is not None and np.isfinite(found.density).all():
        row["map"] = f"{MAPS}/{found.map_name}"
        found.write_map(folder / row["map"])
    return row


def _summary(folder: Path) -> PredictionSummary:
    rows, left_out = _table(folder / TABLE), _table(folder / LEFT_OUT)
    judged = [row for row in rows if row["correlation"]]

    def middle(name: str) -> float | None:
        return median(float(row[name]) for row in judged) if judged else None

    return PredictionSummary(
        crystals=len(rows),
        judged=len(judged),
        solved=sum(row["solved"] == "True" for row in judged),
        correlation=middle("correlation"),
        floor=middle("floor"),
        gain=middle("gain"),
        seen=sum(row["formula_seen"] == "True" for row in rows) if rows and rows[0]["formula_seen"] else None,
        left_out=len(left_out),
    )


def _table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
