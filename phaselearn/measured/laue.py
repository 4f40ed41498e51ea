"""The Laue class of measured reflections: every class that the cell allows is tried.

A rotation of the lattice is judged by δ, which compares intensities that it would make equivalent with unrelated ones.
In units of the spread of intensities at their resolution, and without the noise that σ states,
δ = Σ w (ΔI² − σ₁² − σ₂²) / Σ w · 2 (spread² − ⟨σ²⟩). It is about 0 where the rotation is a symmetry, 1 where it is
none, and between for a pseudo-symmetry or a twin. Where δ is too large for errors of the measurement, the lower class
stands: the solver looks for symmetry again, in the phases.

Data that were merged before, or of which no more than an asymmetric unit was measured, hold next to no equivalents
where random gaps would leave many. The largest group that explains this is taken for theirs, and the other rotations
are judged on the data that it completes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.absences import choose_centring
from phaselearn.measured.cells import inverse_d_squared, metric
from phaselearn.measured.centring import allowed_by
from phaselearn.measured.laue_classes import LaueClass, laue_candidates, laue_class_of, rotation_order
from phaselearn.measured.merging import Merged, MergingStatistics, Values, code_of, merge, orbits
from phaselearn.measured.reflection_data import ReflectionData
from phaselearn.measured.stated_symmetry import rotations_of

AGREES, CONTRADICTED, UNTESTED, REDUCED = "agrees", "contradicted", "untested", "one of each"
_ENOUGH_PAIRS = 10  # unrelated intensities are as similar once in some ten thousand trials
_FEWEST_PAIRS = 5  # which must agree better: unrelated intensities do once or twice in a thousand trials
_LARGEST_DELTA = 0.08  # without repetitions to judge by: relative errors of 20 % in I, R_int of 0.12
_LARGEST_OF_ELECTRONS = 0.25  # the same: equivalents differ by as much, as electrons are scattered more than once
_WORST_DELTA = 0.25  # of data whose own repetitions agree no better: R_int of 0.25
_FACTOR, _TERM = 4.0, 0.03  # δ of a symmetry may reach this factor of that of repetitions, and this more
_MOST_OF_SPREAD = 0.5  # of the spread of unrelated intensities, noise included
_MOST_OF_FEW = 0.2  # the same for fewer pairs than are enough; to the power 10/n for n pairs
_WORST_PAIR = 2.0  # in the same units: an outlier counts no more than this
_REFERENCE = 20  # pairs, or repeated measurements, that are enough to tell the error of the data
_EXACT = 1e-5  # relative error of a cell that is printed to five digits
_SHELL = 50  # reflections
_EXPECTED, _FOUND = 4.0, 0.1  # pairs that random gaps would leave, and the share of them in data merged before


@dataclass(frozen=True, kw_only=True)
class LaueCandidate:
    """A Laue class as the data see it.

    Attributes:
        laue_class: the class and its axes.
        verdict: "agrees", "contradicted", "untested", or "one of each" for the class that the data were merged in
            before.
        delta: the worst δ of its rotations; NaN where none was tested.
        pairs: pairs of reflections that were compared for that rotation.
        statistics: the data merged in this class, without the rejection of outliers.
    """

    laue_class: LaueClass
    verdict: str
    delta: float
    pairs: int
    statistics: MergingStatistics


@dataclass(frozen=True, kw_only=True)
class LaueChoice:
    """The Laue class that the data show, and its rivals.

    Attributes:
        chosen: the largest class that nothing contradicts.
        candidates: all classes that the cell allows, the smallest first.
        reason: one sentence, for people.
    """

    chosen: LaueCandidate
    candidates: tuple[LaueCandidate, ...]
    reason: str

    @property
    def rivals(self) -> tuple[LaueCandidate, ...]:
        """The other classes that nothing contradicts, the largest first."""
        others = [one for one in reversed(self.candidates) if one is not self.chosen]
        return tuple(one for one in others if one.verdict != CONTRADICTED)


@dataclass(frozen=True)
class _Comparison:
    """Intensities that a rotation makes equivalent, compared.

    Attributes:
        delta: δ; NaN where there is nothing to compare.
        raw: the same with the noise, in units of unrelated intensities: 1 for those.
        error: standard error of δ that comes from the noise.
        pairs: number of pairs.
    """

    delta: float
    raw: float
    error: float
    pairs: int

    def agrees(self, largest: float) -> bool | None:
        """Return whether δ allows the rotation to be a symmetry; None where too little was measured to tell."""
        if self.pairs < _FEWEST_PAIRS or np.isnan(self.delta):
            return None
        within = self.delta - 2 * self.error <= largest
        if self.pairs >= _ENOUGH_PAIRS:
            return within and self.raw <= _MOST_OF_SPREAD
        # A few pairs may differ by chance, so they contradict nothing.
        return True if within and self.raw <= _MOST_OF_FEW ** (_ENOUGH_PAIRS / self.pairs) else None


@dataclass(frozen=True)
class _Spread:
    """Spread of intensities at the resolution of each unique reflection: variance (M,), and the share without noise."""

    variance: Values
    share: Values

    @classmethod
    def of(cls, merged: Merged) -> _Spread:
        """Return the spread in shells of equally many reflections."""
        order = np.argsort(inverse_d_squared(merged.hkl, merged.cell), kind="stable")
        variance, share = np.empty(len(merged)), np.empty(len(merged))
        for shell in np.array_split(order, max(1, len(order) // _SHELL)):
            spread = merged.intensity[shell].var(ddof=1) if len(shell) > 1 else 0.0
            variance[shell] = largest = max(spread, np.finfo(np.float64).tiny)
            share[shell] = 1 - min(np.square(merged.sigma[shell]).mean(), largest) / largest
        return cls(variance, share)

    def compared(self, place: NDArray[np.int64], square: Values, noise: Values) -> _Comparison:
        """Return δ of squared differences.

        Args:
            place: the unique reflections (P,) that tell the spread.
            square: squared differences (P,) of intensities.
            noise: their variances (P,), as σ states them.
        """
        variance, share = self.variance[place], self.share[place]
        weight = np.square(share) / variance
        capped = np.minimum(square, 2 * _WORST_PAIR * variance)
        signal = (weight * 2 * variance * share).sum()
        if not signal > 0:
            return _Comparison(np.nan, np.nan, np.nan, len(place))
        return _Comparison(
            delta=float((weight * (capped - noise)).sum() / signal),
            raw=float((weight * capped).sum() / (weight * 2 * variance).sum()),
            error=float(np.sqrt(2 * np.square(weight * noise).sum()) / signal),
            pairs=len(place),
        )


def choose_laue_class(data: ReflectionData) -> LaueChoice:
    """Return the Laue class of reflections: the largest that the cell allows and the data do not contradict."""
    lowest, *higher = laue_candidates(data.experiment.cell)
    triclinic = merge(data, lowest.rotations)
    classes = [lowest, *_centred(higher, triclinic)]
    highest = classes[-1]
    tests = _tests(triclinic, highest)
    before = _merged_before(triclinic, tests, classes, data)
    if before is not lowest:
        tests = _tests(merge(data, before.rotations), highest)
    largest = _largest_delta(data, triclinic, tests.values())
    own = {rotation.tobytes() for rotation in before.proper}
    candidates = []
    for one in classes:
        foreign = [tests[key] for rotation in one.proper if (key := rotation.tobytes()) not in own]
        verdicts = [test.agrees(largest) for test in foreign]
        verdict = AGREES if foreign or one is lowest else REDUCED
        if not all(verdicts):
            verdict = CONTRADICTED if False in verdicts else UNTESTED
        worst = max(foreign, key=lambda test: np.nan_to_num(test.delta, nan=-np.inf), default=None)
        candidates.append(
            LaueCandidate(
                laue_class=one,
                verdict=verdict,
                delta=np.nan if worst is None else worst.delta,
                pairs=0 if worst is None else worst.pairs,
                statistics=merge(data, one.rotations, reject=False).statistics,
            )
        )
    allowed = [one for one in candidates if one.verdict in (AGREES, REDUCED)]
    chosen = max(allowed, key=lambda one: (len(one.laue_class.rotations), -np.nan_to_num(one.delta)))
    return LaueChoice(chosen=chosen, candidates=tuple(candidates), reason=_reason(chosen, candidates, largest))


def _centred(classes: Sequence[LaueClass], triclinic: Merged) -> list[LaueClass]:
    """Return the classes whose rotations map the centring that the data show onto itself.

    Of a rhombohedral crystal, 6/mmm brings reflections of the obverse setting onto those of the reverse. If these are
    not listed, no equivalent contradicts. If they are listed as nothing, equivalents that are weak may agree.
    """
    conditions = choose_centring(triclinic).conditions
    allowed = triclinic.hkl[allowed_by(conditions, triclinic.hkl)]
    return [
        one for one in classes if all(allowed_by(conditions, allowed @ rotation).all() for rotation in one.proper[1:])
    ]


def _merged_before(
    triclinic: Merged, tests: Mapping[bytes, _Comparison], classes: Sequence[LaueClass], data: ReflectionData
) -> LaueClass:
    """Return the class of which the data hold next to one reflection of each orbit; the lowest if there is none.

    Of several of the same order, that of the stated operations comes first, then one that the cell obeys exactly, then
    one with an axis of higher order.
    """
    found = [classes[0]]
    for one in classes[1:]:
        _, _, count = orbits(triclinic.hkl, one.rotations)
        pairs = float((count * (count - 1) / 2).sum())
        others = len(one.proper) - 1
        expected = len(triclinic) * others * triclinic.statistics.completeness / 2
        enough = expected >= (_EXPECTED if not _is_stated(one, data) else 1)
        contradicted = any(tests[rotation.tobytes()].agrees(_LARGEST_DELTA) is False for rotation in one.proper[1:])
        if enough and pairs < _FOUND * expected and not contradicted:
            found.append(one)
    exact = metric(data.experiment.cell)

    def rank(one: LaueClass) -> tuple[int, bool, bool, int]:
        turned = one.rotations.transpose(0, 2, 1) @ exact @ one.rotations
        obeyed = np.allclose(turned, exact, rtol=_EXACT, atol=_EXACT * np.trace(exact))
        return len(one.rotations), _is_stated(one, data), obeyed, max(map(rotation_order, one.proper))

    return max(found, key=rank)


def _is_stated(one: LaueClass, data: ReflectionData) -> bool:
    stated = data.experiment.operations
    return bool(stated) and one.is_same(laue_class_of(rotations_of(stated)))


def _tests(merged: Merged, highest: LaueClass) -> dict[bytes, _Comparison]:
    """Return the comparison for each rotation of the lattice, by the bytes of its matrix."""
    spread = _Spread.of(merged)
    everywhere = np.concatenate([merged.hkl @ rotation for rotation in merged.rotations])
    codes, first = np.unique(code_of(everywhere), return_index=True)
    everywhere, owner = everywhere[first], first % len(merged)
    tests = {}
    for rotation in highest.proper:
        sought = code_of(everywhere @ rotation)
        place = np.searchsorted(codes, sought).clip(max=len(codes) - 1)
        other = owner[place]
        found = (codes[place] == sought) & (other != owner)
        pairs = np.unique(np.minimum(owner, other)[found] * len(merged) + np.maximum(owner, other)[found])
        one, other = pairs // len(merged), pairs % len(merged)
        square = np.square(merged.intensity[one] - merged.intensity[other])
        noise = np.square(merged.sigma[one]) + np.square(merged.sigma[other])
        tests[rotation.tobytes()] = spread.compared(one, square, noise)
    return tests


def _largest_delta(data: ReflectionData, triclinic: Merged, tests: Iterable[_Comparison]) -> float:
    """Return the largest δ of a symmetry: that of repeated measurements sets it, else that of the best rotation."""
    _, owner, count = orbits(data.hkl, triclinic.rotations)
    repeated = np.flatnonzero(count > 1)
    if len(repeated) >= _REFERENCE:
        mean = np.bincount(owner, data.intensity) / count
        variance = np.bincount(owner, np.square(data.intensity - mean[owner]))[repeated] / (count[repeated] - 1)
        noise = np.bincount(owner, np.square(data.sigma))[repeated] / count[repeated]
        reference = _Spread.of(triclinic).compared(repeated, 2 * variance, 2 * noise).delta
        return float(np.clip(_FACTOR * np.nan_to_num(reference) + _TERM, _TERM, _WORST_DELTA))
    most = _LARGEST_OF_ELECTRONS if data.experiment.probe == "electron" else _LARGEST_DELTA
    best = min((test.delta for test in tests if test.pairs >= _REFERENCE and not np.isnan(test.delta)), default=0.0)
    return float(np.clip(_FACTOR * best + _TERM, _TERM, most))


def _reason(chosen: LaueCandidate, candidates: Sequence[LaueCandidate], largest: float) -> str:
    name = chosen.laue_class.name
    if chosen.verdict == REDUCED:
        text = f"{name}: the data hold one reflection of each set of equivalents"
    elif np.isnan(chosen.delta):
        text = f"{name}: the inversion alone, which every crystal's intensities have"
    else:
        text = f"{name}: its equivalents agree (δ = {chosen.delta:.3f}; errors of measurement reach {largest:.3f})"
    larger = [one for one in candidates if len(one.laue_class.rotations) > len(chosen.laue_class.rotations)]
    refused = [one for one in larger if one.verdict == CONTRADICTED]
    untested = [one for one in larger if one.verdict == UNTESTED]
    if refused:
        best = min(refused, key=lambda one: one.delta)
        text += f"; of those above it, {best.laue_class.name} comes nearest (δ = {best.delta:.3f})"
    if untested:
        named = untested[-1].laue_class.name
        others = f" and {len(untested) - 1} more" if len(untested) > 1 else ""
        text += f"; {named}{others} could not be tested"
    return text
