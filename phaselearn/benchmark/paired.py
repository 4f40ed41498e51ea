"""Starts compared crystal by crystal: what one solves and the other does not.

Two sources of trial phases run on the same crystals, most of which both solve, or neither. The others decide whether
one is better: the sign test on them finds differences that lie within the intervals of the two shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from phaselearn.benchmark.curves import SUBSETS, points
from phaselearn.benchmark.intervals import difference_interval
from phaselearn.benchmark.records import CrystalRecord

PAIRED_FILE = "paired.csv"


@dataclass(frozen=True)
class Paired:
    """A method and a reference, after at most so many starts of each crystal.

    Attributes:
        regime, subset: names of the regime and of the subset of its crystals.
        method, reference: names of the methods.
        starts: largest number of starts.
        n: number of counted crystals that both ran on.
        solved, reference_solved: shares solved.
        alone, reference_alone: numbers of crystals that the one solves and the other does not.
        difference, difference_low, difference_high: solved − reference_solved, with its interval at 95 %.
        p: two-sided p of the sign test (Dixon & Mood, JASA 41, 557, 1946).
        seconds, reference_seconds: mean seconds of a crystal.
    """

    regime: str
    subset: str
    method: str
    reference: str
    starts: int
    n: int
    solved: float
    reference_solved: float
    alone: int
    reference_alone: int
    difference: float
    difference_low: float
    difference_high: float
    p: float
    seconds: float
    reference_seconds: float


def paired(records: Sequence[CrystalRecord]) -> list[Paired]:
    """Compare the methods of several starts with the first of them, in each regime and on each subset.

    Args:
        records: records of all methods; those that are not counted are left out.
    """
    tables: dict[str, dict[str, dict[str, CrystalRecord]]] = {}
    for record in records:
        if record.counted:
            tables.setdefault(record.regime, {}).setdefault(record.method, {})[record.id] = record
    rows: list[Paired] = []
    for methods in tables.values():
        searches = [table for table in methods.values() if _has_several_starts(table.values())]
        for method in searches[1:]:
            reference = searches[0]
            common = sorted(method.keys() & reference.keys())
            for subset, belongs in SUBSETS.items():
                # What the two have seen in training may differ.
                names = [name for name in common if belongs(method[name]) and belongs(reference[name])]
                if names and (subset == "all" or len(names) < len(common)):
                    chosen = [method[name] for name in names], [reference[name] for name in names]
                    rows += _rows(subset, *chosen)
    return rows


def _has_several_starts(records: Iterable[CrystalRecord]) -> bool:
    return any(attempt.starts > 1 for record in records for attempt in record.attempts)


def _rows(subset: str, method: Sequence[CrystalRecord], reference: Sequence[CrystalRecord]) -> list[Paired]:
    """Return a row for each number of starts of both; crystals in the same order."""
    (starts, seconds, solved), (other_starts, other_seconds, other_solved) = points(method), points(reference)
    rows = []
    for count in sorted({*starts} & {*other_starts}):
        place, other = starts.index(count), other_starts.index(count)
        gained = solved[:, place] - other_solved[:, other]
        alone, reference_alone = int((gained > 0).sum()), int((gained < 0).sum())
        low, high = difference_interval(alone, reference_alone, len(method))
        rows.append(
            Paired(
                regime=method[0].regime,
                subset=subset,
                method=method[0].method,
                reference=reference[0].method,
                starts=count,
                n=len(method),
                solved=float(solved[:, place].mean()),
                reference_solved=float(other_solved[:, other].mean()),
                alone=alone,
                reference_alone=reference_alone,
                difference=float(gained.mean()),
                difference_low=low,
                difference_high=high,
                p=binomtest(alone, alone + reference_alone).pvalue if alone + reference_alone else 1.0,
                seconds=float(seconds[:, place].mean()),
                reference_seconds=float(other_seconds[:, other].mean()),
            )
        )
    return rows


HEADINGS = (
    *("regime, crystals", "n", "starts at most", "method", "solved %", "s per crystal", "reference", "solved %"),
    *("s per crystal", "method alone", "reference alone", "difference in points", "p"),
)


def table_cells(row: Paired) -> tuple[str, ...]:
    """Return a row of a table under `HEADINGS`, with the interval of the difference in brackets."""
    return (
        f"{row.regime}, {row.subset}",
        str(row.n),
        str(row.starts),
        row.method,
        f"{100 * row.solved:.1f}",
        f"{row.seconds:.3f}",
        row.reference,
        f"{100 * row.reference_solved:.1f}",
        f"{row.reference_seconds:.3f}",
        str(row.alone),
        str(row.reference_alone),
        f"{100 * row.difference:+.1f} [{100 * row.difference_low:+.1f}, {100 * row.difference_high:+.1f}]",
        f"{row.p:.2g}",
    )
