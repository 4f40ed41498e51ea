"""solve.html: the structure and its map, the candidates, the data, and how sure the solution is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from phaselearn.determination.atoms import atoms_of
from phaselearn.determination.confidence import CONFIDENT
from phaselearn.determination.determination import Determination
from phaselearn.determination.known_isotype import KnownIsotype
from phaselearn.determination.listing import advice, counted_trials, isotype_named
from phaselearn.determination.reference import Comparison
from phaselearn.measured.cells import inverse_d_squared, lattice_of
from phaselearn.measured.laue import LaueCandidate
from phaselearn.measured.shells import Shell, shells, useful_resolution
from phaselearn.report.rendering import COLOURS, drawable, write_page
from phaselearn.report.structure_figure import structure_figure
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.writers.maps import density_of

_SHELLS = 20  # of equal volume in reciprocal space
_MOST_LAUE = 12


def write_solve_page(path: Path, result: Determination, known: Comparison | None, command: str) -> None:
    """Write the page of a determination.

    Args:
        path: the HTML file.
        result: the determination.
        known: its agreement with the published structure, if one was given.
        command: as it was typed.
    """
    best = result.best
    write_page(
        path,
        "report/solve.html",
        title=f"{best.formula}, {best.space_group.symbol}" if best else "No structure",
        tiles=_tiles(result),
        verdict=_verdict(result),
        structure=drawable([_structure(best)]) if best else [],
        candidate_headings=["", "space group", "R1", "wR2", "GoF", "parameters", "phases", "forbidden", "formula", "Z"],
        candidates=[_candidate_row(each) for each in result.candidates],
        isotype=_isotype(result.isotype),
        known=_known(known),
        atoms=_atom_rows(best) if best else [],
        facts={**_facts(result), "command": command},
        plots=drawable([_wilson_plot(result), *([_r_plot(best)] if best else [])]),
        shells=[_shell_row(shell) for shell in shells(result.merged)],
        useful=f"{useful_resolution(result.merged):.2f}",
        laue_headings=["class", "R_int", "R_pim", "CC½", "pairs", "verdict"],
        laue=[_laue_row(each, result) for each in result.laue.candidates[-_MOST_LAUE:]],
        laue_note=result.laue.reason,
        trials=[
            [
                trial.number + 1,
                f"{trial.seconds:.1f}",
                f"{trial.r_map:.3f}",
                f"{trial.agreement:.2f}",
                _number(trial.r1),
                trial.space_group or "",
                f"{trial.confidence:.2f}",
            ]
            for trial in result.trials
        ],
    )


def _tiles(result: Determination) -> list[tuple[str, str, str]]:
    best = result.best
    tiles = [("solved" if result.solved else "not solved", f"{result.confidence:.0%}", "confidence")]
    if best:
        tiles += [
            ("R1", f"{best.fit.r1:.3f}", f"{best.fit.strong} reflections with I > 2σ(I)"),
            ("space group", best.space_group.symbol, f"number {best.space_group.number}"),
            ("formula", best.formula, f"Z = {best.units}"),
        ]
    tiles.append(("time", f"{result.seconds:.1f} s", counted_trials(len(result.trials))))
    return tiles


def _verdict(result: Determination) -> str:
    threshold = f"A structure counts as solved where the calibrated confidence is at least {CONFIDENT}."
    if result.solved:
        return threshold
    return f"{threshold} This one is the best attempt. What may help: {advice(result)}."


def _structure(best: Candidate) -> go.Figure:
    numbers, positions = atoms_of(best)
    labels = _labels(best, len(numbers))
    return structure_figure(numbers, positions, labels, density_of(best), lattice_of(best.cell))


def _labels(best: Candidate, count: int) -> list[str]:
    labels = [atom.label for atom in best.atoms for _ in range(atom.multiplicity)]
    return labels if len(labels) == count else [""] * count


def _candidate_row(each: Candidate) -> list[Any]:
    fit, symmetry = each.fit, each.symmetry
    return [
        each.name,
        each.space_group.symbol,
        f"{fit.r1:.3f}",
        f"{fit.wr2:.3f}",
        f"{fit.goodness:.2f}",
        fit.parameters,
        f"{symmetry.agreement:.2f}",
        f"{symmetry.absent_over_sigma:.1f} ({symmetry.absent})",
        each.formula,
        each.units,
    ]


def _shell_row(shell: Shell) -> list[Any]:
    return [
        f"{shell.d_max:.2f} to {shell.d_min:.2f}",
        shell.unique,
        f"{shell.completeness:.0%}",
        f"{shell.redundancy:.1f}",
        f"{shell.mean_i_over_sigma:.1f}",
        f"{shell.significant:.0%}",
    ]


def _laue_row(each: LaueCandidate, result: Determination) -> list[Any]:
    statistics = each.statistics
    verdict = "chosen" if each is result.laue.chosen else each.verdict
    figures = (_number(value) for value in (statistics.r_int, statistics.r_pim, statistics.cc_half))
    return [each.laue_class.name, *figures, each.pairs, verdict]


def _atom_rows(best: Candidate) -> list[list[Any]]:
    return [
        [atom.label, *(f"{round(value, 4) % 1:.4f}" for value in atom.xyz), f"{atom.u_iso:.4f}", atom.multiplicity]
        for atom in best.atoms
    ]


def _isotype(isotype: KnownIsotype | None) -> dict[str, str]:
    if isotype is None:
        return {}
    return {"isotypic with": isotype_named(isotype), "known crystals": isotype.origin}


def _known(known: Comparison | None) -> dict[str, str]:
    if known is None:
        return {}
    return {
        "atoms found within 0.5 Å": f"{known.found:.0%}, {known.elements:.0%} of them with the right element",
        "atoms that are real": f"{known.real:.0%}",
        "rms distance": f"{known.deviation:.3f} Å",
        "map correlation": f"{known.correlation:.3f}",
        "map correlation of phase zero": f"{known.floor:.3f}",
        "StructureMatcher": "agrees" if known.matched else "does not agree",
    }


def _facts(result: Determination) -> dict[str, str]:
    experiment, statistics = result.data.experiment, result.merged.statistics
    a, b, c, alpha, beta, gamma = experiment.cell
    facts = {
        "file": result.data.source,
        "cell": f"{a:.4f} {b:.4f} {c:.4f} Å, {alpha:.3f} {beta:.3f} {gamma:.3f}°",
        "probe": experiment.probe
        + (f", {experiment.wavelength:g} Å" if experiment.wavelength is not None else ", wavelength unknown"),
        "reflections": f"{statistics.measured} measured, {statistics.unique} unique",
        "resolution": f"{statistics.d_max:.2f} to {statistics.d_min:.2f} Å, {statistics.completeness:.1%} complete",
        "I/σ": f"{statistics.mean_i_over_sigma:.1f}",
        **(
            {"R_int, R_pim, CC½": f"{statistics.r_int:.3f}, {statistics.r_pim:.3f}, {statistics.cc_half:.3f}"}
            if statistics.repeated
            else {}
        ),
        "B by Wilson statistics": f"{float(result.wilson.b_iso[0]):.2f} ± {float(result.wilson.b_error[0]):.2f} Å²",
        "starts": result.starts,
    }
    warnings = [*result.data.warnings, *result.notes, *(result.best.notes if result.best else ())]
    return {**facts, "notes": "; ".join(warnings)} if warnings else facts


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3f}"


def _wilson_plot(result: Determination) -> go.Figure:
    merged = result.merged
    square = inverse_d_squared(merged.hkl, merged.cell)
    middle, mean = _shells(square, merged.intensity)
    figure = go.Figure(go.Scatter(x=middle, y=np.log(np.maximum(mean, 1e-12)), mode="lines+markers", name="ln⟨I⟩"))
    figure.update_traces(line={"color": COLOURS[0]})
    figure.update_layout(
        title="Wilson plot: the logarithm of the mean intensity in shells of resolution",
        xaxis_title="1/d² / Å⁻²",
        yaxis_title="ln⟨I⟩",
    )
    return figure


def _r_plot(best: Candidate) -> go.Figure:
    table = best.reflections
    square = inverse_d_squared(table.hkl, best.cell)
    measured = np.sqrt(np.maximum(table.intensity, 0))
    middle, difference = _shells(square, np.abs(measured - np.abs(table.calculated)))
    _, amplitude = _shells(square, measured)
    figure = go.Figure(
        go.Scatter(x=1 / np.sqrt(middle), y=difference / np.maximum(amplitude, 1e-12), mode="lines+markers", name="R")
    )
    figure.update_traces(line={"color": COLOURS[1]})
    figure.update_layout(
        title="R against resolution: all reflections of the shell",
        xaxis_title="d / Å",
        xaxis={"autorange": "reversed"},
        yaxis_title="R",
        yaxis_rangemode="tozero",
    )
    return figure


def _shells(square: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean 1/d² and the mean value of each shell that holds reflections."""
    shell = np.minimum((_SHELLS * (square / square.max()) ** 1.5).astype(int), _SHELLS - 1)
    count = np.bincount(shell, minlength=_SHELLS)
    filled = count > 0
    middle, mean = (np.bincount(shell, each, _SHELLS)[filled] / count[filled] for each in (square, values))
    return middle, mean
