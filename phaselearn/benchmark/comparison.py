"""Our methods compared with an outside program, on the same crystals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phaselearn.benchmark.records import CrystalRecord


@dataclass(frozen=True)
class Comparison:
    """A method and an outside program in a regime.

    Attributes:
        regime, method, peer: names of the regime, the method and the outside program.
        n: number of counted crystals that both ran on.
        solved, strict: shares solved by the method.
        peer_solved, peer_strict: shares solved by the outside program.
        speed: mean time of the outside program for a crystal, divided by that of the method.
    """

    regime: str
    method: str
    peer: str
    n: int
    solved: float
    strict: float
    peer_solved: float
    peer_strict: float
    speed: float


def compare(records: Sequence[CrystalRecord], peers: Sequence[str]) -> list[Comparison]:
    """Compare every method with every outside program, in every regime that both ran in.

    Args:
        records: records of methods and outside programs.
        peers: names of the outside programs.
    """
    tables: dict[tuple[str, str], dict[str, CrystalRecord]] = {}
    for record in records:
        if record.counted:
            tables.setdefault((record.regime, record.method), {})[record.id] = record
    comparisons = []
    for (regime, method), ours in tables.items():
        for peer in peers:
            theirs = tables.get((regime, peer), {})
            common = sorted(ours.keys() & theirs.keys())
            if method not in peers and common:
                comparisons.append(
                    _comparison(
                        regime, method, peer, [ours[name] for name in common], [theirs[name] for name in common]
                    )
                )
    return comparisons


def _comparison(
    regime: str, method: str, peer: str, ours: Sequence[CrystalRecord], theirs: Sequence[CrystalRecord]
) -> Comparison:
    def mean(records: Sequence[CrystalRecord], field: str) -> float:
        return float(np.mean([getattr(record, field) for record in records]))

    return Comparison(
        regime=regime,
        method=method,
        peer=peer,
        n=len(ours),
        solved=mean(ours, "solved"),
        strict=mean(ours, "strict"),
        peer_solved=mean(theirs, "solved"),
        peer_strict=mean(theirs, "strict"),
        speed=mean(theirs, "seconds") / max(mean(ours, "seconds"), 1e-9),
    )


HEADINGS = ("regime", "method", "n", "solved %", "strict %", "outside program", "solved %", "strict %", "times as fast")


def table_cells(comparison: Comparison) -> tuple[str, ...]:
    """Return a row of a table under `HEADINGS`."""
    return (
        comparison.regime,
        comparison.method,
        str(comparison.n),
        f"{100 * comparison.solved:.1f}",
        f"{100 * comparison.strict:.1f}",
        comparison.peer,
        f"{100 * comparison.peer_solved:.1f}",
        f"{100 * comparison.peer_strict:.1f}",
        f"{comparison.speed:.1f}",
    )
