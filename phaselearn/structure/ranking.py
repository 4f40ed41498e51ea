"""Which of the structures in several space groups stands: the one of most operations that explains the data as well."""

from __future__ import annotations

from collections.abc import Sequence

from phaselearn.structure.solved import Solved

# A group of more operations stands if its figure is not worse by more than this factor and this difference.
_WORSE, _NOISE = 1.2, 0.005
# Where the Laue class of a group is lower than that of the intensities, equivalents that it does not ask for agree by
# chance. So it must fit better by this factor.
_LOWER_CLASS = 1.25


def explains_as_well(figure: float, best: float) -> bool:
    """Return whether a group of more operations stands, by its figure, such as R1, and that of a lower group."""
    return figure <= best * _WORSE + _NOISE


def ranked(solved: Sequence[Solved]) -> list[Solved]:
    """Return the best first: of groups that explain the data about as well, the one of most operations."""
    left = list(solved)
    ordered = []
    while left:
        best = min(_figure(each) for each in left)
        good = [each for each in left if explains_as_well(_figure(each), best)]
        chosen = max(good, key=lambda each: (each.hypothesis.group.order, -_figure(each)))
        ordered.append(chosen)
        left.remove(chosen)
    return ordered


def _figure(solved: Solved) -> float:
    is_lower = solved.hypothesis.evidence.laue_share < 1
    return solved.figure * (_LOWER_CLASS if is_lower else 1.0)
