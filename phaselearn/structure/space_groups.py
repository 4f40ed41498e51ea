"""The space groups that phased structure factors may have, the likeliest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.absences import Absences
from phaselearn.measured.merging import Merged
from phaselearn.structure.absences import centring_of
from phaselearn.structure.candidate import SymmetryEvidence
from phaselearn.structure.exact_groups import ExactGroup, exact_group
from phaselearn.structure.phased import PhasedFactors
from phaselearn.structure.point_groups import PointGroup
from phaselearn.structure.reflections import is_forbidden, laue_rotations
from phaselearn.structure.settings import in_setting
from phaselearn.structure.space_group import SpaceGroup
from phaselearn.structure.symmetry import Agreement

_HALF_WAY = 0.5  # of the best agreement, below which an operation is none
_NEARLY, _RIVALS = 0.08, 3  # less agreement than the best of its order, and the number of such groups


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A space group that the phases may have.

    Attributes:
        group: about its standard origin.
        origin: (3,) this origin in the coordinates of the phased factors.
        evidence: evidence for it.
    """

    group: SpaceGroup
    origin: NDArray[np.float64]
    evidence: SymmetryEvidence


def hypotheses(
    phased: PhasedFactors, merged: Merged, lattice: NDArray[np.float64], stated: int | None = None
) -> list[Hypothesis]:
    """Return the groups worth a refinement, those of more operations first; P1, or its centred form, is the last.

    Every subgroup of the Laue group of the data is looked at. Of each order, few are returned: those that agree best
    with the phases, and do not forbid reflections that are there.

    Args:
        phased: structure factors of P1.
        merged: intensities with the rotations of their Laue group.
        lattice: (3, 3), rows in Å.
        stated: number of a space group that is returned wherever the phases do not exclude it.
    """
    points = PointGroup.with_inversion(merged.rotations)
    agreement = Agreement.of(phased, points.rotations, lattice)
    closing = _closing(points, agreement, centring_of(merged))
    worthwhile = _worthwhile(closing)
    found = []
    for group in closing:
        if group in worthwhile or stated is not None:
            hypothesis = _in_standard_origin(group, merged, lattice, agreement.background)
            if hypothesis is not None and (group in worthwhile or hypothesis.group.number == stated):
                found.append(hypothesis)
    return found


def _closing(points: PointGroup, agreement: Agreement, centrings: NDArray[np.float64]) -> list[ExactGroup]:
    """Return all exact groups of operations that hold at least half-way, large ones first."""
    highest = np.array([heights[0] if len(heights) else 0.0 for _, heights in agreement.peaks])
    least = max(_HALF_WAY * highest[1:].max(initial=0.0), agreement.background)
    allowed = np.flatnonzero(highest >= least).tolist()
    groups: list[ExactGroup] = []
    for members in sorted(points.subgroups(allowed), key=len, reverse=True):
        above = next((group for group in groups if members < group.members), None)
        group = _part(above, members) if above is not None else exact_group(members, points, agreement, centrings)
        if group is not None and group.weakest >= least:
            groups.append(group)
    return groups


def _part(group: ExactGroup, members: frozenset[int]) -> ExactGroup:
    """Return a subgroup, with the translations of the group."""
    kept = np.array([number in members for number in sorted(group.members)])
    return replace(
        group,
        members=members,
        rotations=group.rotations[kept],
        translations=group.translations[kept],
        agreements=group.agreements[kept],
    )


def _worthwhile(groups: Iterable[ExactGroup]) -> list[ExactGroup]:
    """Return those groups of each order that agree best, and nearly as well; large ones first."""
    by_order: dict[int, list[ExactGroup]] = defaultdict(list)
    for group in groups:
        by_order[len(group.members)].append(group)
    kept: list[ExactGroup] = []
    for order in sorted(by_order, reverse=True):
        rivals = sorted(by_order[order], key=lambda group: -group.agreement)
        kept += [group for group in rivals[:_RIVALS] if group.agreement > rivals[0].agreement - _NEARLY]
    return kept


def _in_standard_origin(
    group: ExactGroup, merged: Merged, lattice: NDArray[np.float64], background: float
) -> Hypothesis | None:
    """Return the group about a standard origin; None if reflections that it forbids are there."""
    found = in_setting(group.rotations, group.translations, group.centrings, lattice)
    if found is None:
        return None
    setting, shift = found
    forbidden = is_forbidden(merged.hkl, setting)
    absences = Absences.of(merged.intensity, merged.sigma, forbidden, ~forbidden)
    if absences.obeyed is False:
        return None
    evidence = SymmetryEvidence(
        agreement=group.agreement,
        weakest=group.weakest,
        background=background,
        absent=absences.forbidden,
        absent_over_sigma=absences.forbidden_i_over_sigma if absences.forbidden else 0.0,
        absent_share=absences.forbidden_intensity / absences.allowed_intensity if absences.forbidden else 0.0,
        laue_share=len(laue_rotations(setting)) / len(PointGroup.with_inversion(merged.rotations).rotations),
    )
    return Hypothesis(setting, group.origin + shift, evidence)
