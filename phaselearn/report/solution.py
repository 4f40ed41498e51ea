"""The files of a determination in its run folder: solution.json, the structure, and solve.html."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from phaselearn.determination.determination import Determination
from phaselearn.determination.listing import listing
from phaselearn.determination.reference import Comparison
from phaselearn.files import readable, write_whole
from phaselearn.report.commit import git_commit
from phaselearn.report.solve_page import write_solve_page
from phaselearn.structure.writers.folder import write_solution as write_structure


def write_solution(folder: Path, result: Determination, known: Comparison | None, command: str) -> None:
    """Write all files of a determination.

    Args:
        folder: the run folder.
        result: the determination.
        known: its agreement with the published structure, if one was given.
        command: as it was typed.
    """
    if result.best is not None:
        for each in result.candidates:
            write_structure(each, folder, result.data.source, "solution" if each is result.best else each.name)
    write_whole(folder / "solution.lst", f"{command}\n\n{listing(result, known)}\n".encode())
    write_solve_page(folder / "solve.html", result, known, command)
    # Last: whoever sees it finds the others, too.
    write_whole(folder / "solution.json", json.dumps(summary(result, known), indent=1).encode())


def summary(result: Determination, known: Comparison | None) -> dict[str, Any]:
    """Return the content of solution.json: plain values, `null` for what is not known.

    What was given is exact; what was found has six significant digits.
    """
    experiment = result.data.experiment
    given = {"cell": list(experiment.cell), "probe": experiment.probe, "wavelength": experiment.wavelength}
    return readable(_found(result, known)) | given


def _found(result: Determination, known: Comparison | None) -> dict[str, Any]:
    best = result.best
    statistics = asdict(result.merged.statistics)
    return {
        "solved": result.solved,
        "confidence": round(result.confidence, 4),
        "r1": best.fit.r1 if best else None,
        "wr2": best.fit.wr2 if best else None,
        "goodness": best.fit.goodness if best else None,
        "space_group": best.space_group.symbol if best else None,
        "space_group_number": best.space_group.number if best else None,
        "formula": best.formula if best else None,
        "units": best.units if best else None,
        "atoms": len(best.atoms) if best else 0,
        "seconds": round(result.seconds, 2),
        "trials": len(result.trials),
        "ended": result.ended,
        "starts": result.starts,
        "laue_class": result.laue.chosen.laue_class.symbol,
        "b_iso": float(result.wilson.b_iso[0]),
        "merging": {key: _plain(value) for key, value in statistics.items()},
        "warnings": [*result.data.warnings, *result.notes, *(best.notes if best else ())],
        "candidates": [
            {
                "name": each.name,
                "space_group": each.space_group.symbol,
                "formula": each.formula,
                "r1": each.fit.r1,
                "wr2": each.fit.wr2,
            }
            for each in result.candidates
        ],
        "isotype": asdict(result.isotype) if result.isotype else None,
        "reference": {key: _plain(value) for key, value in asdict(known).items()} if known else None,
        "commit": git_commit(),
    }


def _plain(value: Any) -> Any:
    """Return a number that JSON has, or None for one that it lacks."""
    if isinstance(value, bool):
        return value
    return None if isinstance(value, float) and value != value else value
