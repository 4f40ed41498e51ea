"""Several crystals that one command solved, as a table of a terminal, a CSV file and a page."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from phaselearn.failures import FAILED_FILE, read_failure
from phaselearn.files import write_csv
from phaselearn.plain_yaml import read_plain
from phaselearn.quoting import one_line, printable
from phaselearn.report.plain_table import PlainTable
from phaselearn.report.rendering import link, write_page

TABLE_FILE = "solved.csv"
PAGE_FILE = "solved.html"
_HEADINGS = ("crystal", "verdict", "confidence", "R1", "space group", "formula", "seconds")


@dataclass(frozen=True)
class SolvedCrystal:
    """The outcome for one crystal.

    Attributes:
        folder: name of its run folder.
        crystal: the file of its reflections; of a job that failed, what its command names.
        verdict: `solved`, `not solved` or `failed`.
        confidence: probability that the structure is right; None without one.
        r1: R1 of the best attempt; None without one.
        space_group: its space group, empty without one.
        formula: its formula, empty without one.
        seconds: wall-clock seconds of the search; None where it failed.
        reason: the reason of a failure, on one line.
    """

    folder: str
    crystal: str
    verdict: str
    confidence: float | None = None
    r1: float | None = None
    space_group: str = ""
    formula: str = ""
    seconds: float | None = None
    reason: str = ""

    def cells(self) -> list[str]:
        """Return the cells under the headings of the tables."""
        numbers = ((self.confidence, 2), (self.r1, 3), (self.seconds, 1))
        confidence, r1, seconds = ("–" if value is None else f"{value:.{digits}f}" for value, digits in numbers)
        return [self.crystal, self.verdict, confidence, r1, self.space_group or "–", self.formula or "–", seconds]


def find_solved(folder: Path, fixed: Collection[str]) -> list[SolvedCrystal]:
    """Return the outcomes in the folders of a multirun, in the order of its jobs.

    Args:
        folder: folder of the multirun.
        fixed: keys of the command line that all jobs share; a job that failed is named by its others.
    """
    jobs = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: (len(path.name), path.name))
    return [found for job in jobs if (found := _outcome(job, fixed)) is not None]


def _outcome(job: Path, fixed: Collection[str]) -> SolvedCrystal | None:
    summary = job / "solution.json"
    if (job / FAILED_FILE).is_file():
        failure = read_failure(job)
        told, reason = ("", "") if failure is None else (failure.choices(fixed), failure.reason)
        return SolvedCrystal(job.name, told.removeprefix("file=") or "–", "failed", reason=reason)
    if not summary.is_file():
        return None
    told = json.loads(summary.read_text(encoding="utf-8"))
    config = read_plain(job / "config.yaml")
    return SolvedCrystal(
        folder=job.name,
        crystal=printable(config["file"] or config["example"]),
        verdict="solved" if told["solved"] else "not solved",
        confidence=told["confidence"],
        r1=told["r1"],
        space_group=told["space_group"] or "",
        formula=told["formula"] or "",
        seconds=told["seconds"],
    )


def terminal_table(crystals: Sequence[SolvedCrystal]) -> PlainTable:
    """Return the table for a terminal."""
    table = PlainTable()
    for heading in _HEADINGS:
        is_text = heading in ("crystal", "verdict", "space group", "formula")
        width = 20 if heading == "crystal" else None
        table.add_column(heading, justify="left" if is_text else "right", overflow="fold", min_width=width)
    for crystal in crystals:
        table.add_row(*crystal.cells())
    return table


def write_solved(folder: Path, crystals: Sequence[SolvedCrystal]) -> Path:
    """Write the table and the page, which links to those of the crystals; return the page."""
    write_csv(
        folder / TABLE_FILE, [asdict(crystal) for crystal in crystals], [one.name for one in fields(SolvedCrystal)]
    )
    rows = []
    for crystal in crystals:
        first, *others = crystal.cells()
        is_shown = (folder / crystal.folder / "solve.html").is_file()
        rows.append([link(first, f"{crystal.folder}/solve.html") if is_shown else first, *others])
    write_page(
        folder / PAGE_FILE,
        "report/solved_crystals.html",
        title=f"{sum(crystal.verdict == 'solved' for crystal in crystals)} of {len(crystals)} crystals solved",
        headings=_HEADINGS,
        rows=rows,
        problems={crystal.crystal: one_line(crystal.reason) for crystal in crystals if crystal.verdict == "failed"},
    )
    return folder / PAGE_FILE
