"""The listing of a determination: plain text, in the style of the trade."""

from __future__ import annotations

import math

from phaselearn.determination.confidence import CONFIDENT
from phaselearn.determination.determination import Determination
from phaselearn.determination.known_isotype import KnownIsotype
from phaselearn.determination.reference import Comparison
from phaselearn.quoting import printable

_ROWS = 6  # of a table


def listing(result: Determination, known: Comparison | None) -> str:
    """Return what was measured, the Laue classes, the candidates, the verdict, and what may help."""
    lines = [*_measured(result), "", *_laue(result), "", *_candidates(result), "", *_verdict(result)]
    if known is not None:
        lines += ["", *_known(known)]
    return "\n".join(printable(line) for line in lines)


def in_one_line(result: Determination) -> str:
    """Return the verdict with space group, formula and R1 of the best attempt."""
    word = "solved" if result.solved else "not solved"
    best = result.best
    found = f", {best.space_group.symbol}, {best.formula}, R1 {best.fit.r1:.3f}" if best is not None else ""
    return printable(f"{word}: confidence {result.confidence:.2f}{found}, {result.seconds:.1f} s")


def _measured(result: Determination) -> list[str]:
    data, statistics, wilson = result.data, result.merged.statistics, result.wilson
    experiment = data.experiment
    a, b, c, alpha, beta, gamma = experiment.cell
    wave = "wavelength unknown" if experiment.wavelength is None else f"{experiment.wavelength:g} Å"
    lines = [
        data.source,
        f"cell {a:.3f} {b:.3f} {c:.3f} Å, {alpha:.2f} {beta:.2f} {gamma:.2f}°; {experiment.probe}, {wave}",
        f"{statistics.measured} reflections, {statistics.unique} unique, d {statistics.d_max:.2f} to "
        f"{statistics.d_min:.2f} Å, {statistics.completeness:.0%} complete, I/σ {statistics.mean_i_over_sigma:.1f}",
        f"B = {float(wilson.b_iso[0]):.1f} ± {float(wilson.b_error[0]):.1f} Å² by Wilson statistics",
    ]
    return lines + [f"note: {warning}" for warning in (*data.warnings, *result.notes)]


def _laue(result: Determination) -> list[str]:
    head = f"{'Laue class':<22}{'R_int':>8}{'CC½':>8}{'pairs':>8}  verdict"
    rows = []
    for each in result.laue.candidates[-_ROWS:]:
        figures = [_share(each.statistics.r_int), _share(each.statistics.cc_half), str(each.pairs)]
        verdict = "chosen" if each is result.laue.chosen else each.verdict if each.pairs else "no pair to judge by"
        rows.append(f"{each.laue_class.name:<22}" + "".join(f"{figure:>8}" for figure in figures) + f"  {verdict}")
    return [head, *rows, result.laue.reason]


def _share(value: float) -> str:
    """Return a figure of equivalents; a dash where there are none."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def _candidates(result: Determination) -> list[str]:
    if not result.candidates:
        return ["no map showed atoms"]
    head = f"{'':<3}{'space group':<14}{'R1':>7}{'wR2':>7}{'GoF':>7}{'atoms':>7}{'phases':>8}  formula"
    rows = [
        f"{each.name:<3}{each.space_group.symbol:<14}{each.fit.r1:>7.3f}{each.fit.wr2:>7.3f}{each.fit.goodness:>7.2f}"
        f"{len(each.atoms):>7}{each.symmetry.agreement:>8.2f}  {each.formula}, Z = {each.units}"
        for each in result.candidates[:_ROWS]
    ]
    notes = [f"   {note}" for note in result.candidates[0].notes]
    if result.isotype is not None:
        notes.append(f"   {result.candidates[0].name} is isotypic with {isotype_named(result.isotype)}")
    return [head, *rows, *notes]


def isotype_named(isotype: KnownIsotype) -> str:
    """Return the formula and the id of a known crystal, and how near its atoms are."""
    return f"{isotype.formula} ({isotype.name}), whose atoms are {isotype.deviation:.2f} Å away (rms)"


def _verdict(result: Determination) -> list[str]:
    word = "solved" if result.solved else "not solved"
    lines = [
        f"{word}: confidence {result.confidence:.2f} (a structure counts as solved from {CONFIDENT} on), "
        f"{counted_trials(len(result.trials))} from starts={result.starts}, search of {result.seconds:.1f} s"
    ]
    return lines if result.solved else [*lines, f"what may help: {advice(result)}"]


def counted_trials(count: int) -> str:
    """Return `1 trial`, `2 trials`, …"""
    return f"{count} trial" + "s" * (count != 1)


def advice(result: Determination) -> str:
    """Return what may help where nothing was solved."""
    statistics = result.merged.statistics
    hints = ["more time, e.g. seconds=600", "other starts, e.g. starts=unrolled"]
    if not result.data.experiment.contents:
        hints.append("the elements, e.g. elements=[C,H,O]")
    if statistics.d_min > 1.2:
        hints.append(f"data beyond {statistics.d_min:.2f} Å: atoms are hard to tell apart from 1.2 Å on")
    if statistics.completeness < 0.8:
        hints.append(f"more complete data: {1 - statistics.completeness:.0%} of the reflections are missing")
    return "; ".join(hints)


def _known(known: Comparison) -> list[str]:
    verdict = "agrees" if known.matched else "does not agree"
    return [
        f"beside the reference: {known.found:.0%} of its atoms are found within 0.5 Å (rms {known.deviation:.2f} Å), "
        f"{known.elements:.0%} of these with the right element; {known.real:.0%} of the atoms here are real",
        f"map correlation {known.correlation:.3f}, of phase zero {known.floor:.3f}; StructureMatcher {verdict}",
    ]
