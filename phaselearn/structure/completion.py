"""A structure completed from the peaks of its first map: refined, corrected, searched for what is missing, refined.

Scattering powers, the occupancies of a refinement times f, tell elements better than the heights of peaks do, which
displacement and phase errors blur. Every change stands only if R1, with the number of parameters allowed for, falls.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from phaselearn.structure.asymmetric_unit import PeakSearch, SitePeak, separation_of, site_peaks
from phaselearn.structure.calculated import Calculator
from phaselearn.structure.composition import Composition
from phaselearn.structure.difference_map import DifferenceMap
from phaselearn.structure.geometry import distances
from phaselearn.structure.least_squares import Refined, refine
from phaselearn.structure.model import Model
from phaselearn.structure.sites import Site, images_of

_FIRST_U = 0.03  # Å²
_FIRST_CYCLES, _CYCLES, _POWER_CYCLES = 4, 3, 2
_ROUNDS = 5
_HARDLY = 0.1  # of the scattering length of the strongest element
_GHOST = 0.4  # of the scattering power of the lightest element, below which a site holds no atom
# U in Å² of atoms that are taken out: always, never, and otherwise as a multiple of the median. The difference map
# then shows them again, or two atoms beside an element of symmetry in the place of one on it.
_LARGEST_U, _SMALLEST_LARGE_U, _TIMES_MEDIAN = 0.25, 0.08, 5.0
_MISSING, _WHOLE = 0.6, 0.8  # of the same, from which a peak of the difference map may be, or is, an atom
_PEAKS = 30  # of the difference map that are looked at
_LEAST_U = 0.01  # Å², of an atom that is added
_SWAPS = 6  # pairs of atoms that are tried
_RENAMES = 8  # atoms that are tried as another element, where numbers are not stated
_CLOSE_BY = 0.3  # Å, of an atom before and after a round
_CLOSE = 0.35  # relative difference of scattering powers within which a swap is tried


class Completion:
    """The completion of one structure in one space group."""

    def __init__(
        self, calculator: Calculator, lattice: NDArray[np.float64], composition: Composition, deadline: float
    ) -> None:
        """Prepare.

        Args:
            calculator: structure factors at the reflections of the group.
            lattice: (3, 3), rows in Å.
            composition: atoms that the cell may hold.
            deadline: `time.monotonic()` after which no change is tried any more.
        """
        self.calculator, self.lattice, self.composition, self.deadline = calculator, lattice, composition, deadline
        self.weights = {symbol: calculator.peak_weight(symbol, _FIRST_U) for symbol in composition.elements}
        sizes = [abs(weight) for weight in self.weights.values()]
        # Nuclei that hardly scatter, such as vanadium, do not gauge the others.
        hardly = _HARDLY * max(sizes) if calculator.probe == "neutron" else 0.0
        self.lightest = min(size for size in sizes if size > hardly)
        both_signs = min(self.weights.values()) < 0
        self.search = PeakSearch(_PEAKS, separation_of(calculator.probe), both_signs)

    def begun(self, peaks: Sequence[SitePeak]) -> Refined | None:
        """Return the best of the first models: peaks of the map with elements by height; None without any peak."""
        if not peaks:
            return None
        multiplicity = np.array([peak.site.multiplicity for peak in peaks], dtype=np.int64)
        heights = np.array([peak.height for peak in peaks])
        kept = self._first_count(heights, multiplicity)
        trials = []
        for elements in self.composition.assigned(heights[:kept], multiplicity[:kept], self.weights):
            chosen = [(peak.site, element) for peak, element in zip(peaks, elements, strict=False) if element]
            if chosen:
                sites, symbols = zip(*chosen, strict=True)
                trials.append(self.refined(Model.of_sites(sites, symbols, _FIRST_U), _FIRST_CYCLES))
        return min(trials, key=self.figure, default=None)

    def completed(self, first: Refined) -> Refined:
        """Return the structure with missing atoms added, ghosts removed and elements corrected.

        Atoms are added beyond the stated numbers, too: those that scatter most are kept.
        """
        best = current = first
        for _ in range(_ROUNDS):
            before = current.model
            added = self._with_missing(current)
            if len(added) > len(before):
                current = self.refined(added, _CYCLES)
            current = self.refined(self._corrected(current), _CYCLES)
            if self.figure(current) < self.figure(best):
                best = current
            if self._is_late() or _is_same(current.model, before, self.lattice):
                break
        return self._swapped(best) if self.composition.budget else self._renamed(best)

    def refined(self, model: Model, cycles: int, with_occupancy: bool = False) -> Refined:
        """Return a model after least squares, or after as much of it as there is time for."""
        return refine(model, self.calculator, cycles, with_occupancy, self.deadline)

    def figure(self, refined: Refined) -> float:
        """Return R1 of all reflections with the number of parameters allowed for; the lower, the better.

        A model with as many parameters as there are reflections explains nothing, whatever its R1.
        """
        count = self.calculator.reflections.independent
        freedom = count - refined.parameters
        return refined.r1_all * math.sqrt(count / freedom) if freedom > 0 else 1 + refined.r1_all

    def is_short(self, refined: Refined) -> bool:
        """Return whether the difference map still shows whole atoms."""
        return bool(self._missing(refined, _WHOLE))

    def _is_late(self) -> bool:
        return time.monotonic() > self.deadline

    def _first_count(self, heights: NDArray[np.float64], multiplicity: NDArray[np.int64]) -> int:
        """Return how many of the highest peaks are taken for atoms at first."""
        if self.composition.budget:
            return len(heights)  # those too many get no element
        volume = abs(float(np.linalg.det(self.lattice)))
        filled, heights = multiplicity.cumsum(), np.abs(heights)
        least, most = np.searchsorted(filled, volume / 45), np.searchsorted(filled, volume / 9)
        falls = heights[:-1] / np.maximum(heights[1:], 1e-9)
        falls = falls[least : most + 1]
        return int(least + falls.argmax() + 1) if len(falls) else len(heights)

    def _corrected(self, refined: Refined) -> Model:
        """Return the atoms without ghosts, and with the elements that their scattering powers suggest."""
        free = self.refined(refined.model, _POWER_CYCLES, with_occupancy=True).model
        own = np.array([self.weights[symbol] for symbol in free.elements])
        powers = free.occupancy * own
        if not self.composition.budget:
            powers = powers * (np.abs(own).sum() / max(np.abs(powers).sum(), 1e-9))
        u_iso = refined.model.u_iso
        blurred = u_iso > min(_LARGEST_U, max(_SMALLEST_LARGE_U, _TIMES_MEDIAN * float(np.median(u_iso))))
        real = (np.abs(powers) > _GHOST * self.lightest) & ~blurred
        if not real.any():
            return refined.model
        model, powers = refined.model.selected(real), powers[real]
        return self._best_named(model, powers)

    def _best_named(self, model: Model, powers: NDArray[np.float64]) -> Model:
        trials = []
        for elements in self.composition.assigned(powers, model.multiplicity, self.weights):
            kept = np.array([symbol is not None for symbol in elements])
            if kept.any():
                trials.append(model.selected(kept).with_elements([symbol for symbol in elements if symbol]))
        if len(trials) < 2:
            return trials[0] if trials else model
        return min((self.refined(trial, 2) for trial in trials), key=self.figure).model

    def _with_missing(self, refined: Refined) -> Model:
        """Return the atoms with those added that the difference map shows."""
        missing = self._missing(refined, _MISSING)
        if not missing:
            return refined.model
        sites, powers = zip(*missing, strict=True)
        symbols = [min(self.weights, key=partial(self._gap, power)) for power in powers]
        u_iso = max(float(np.median(refined.model.u_iso)), _LEAST_U)
        return refined.model.joined(Model.of_sites(sites, symbols, u_iso))

    def _gap(self, power: float, symbol: str) -> float:
        return abs(self.weights[symbol] - power)

    def _missing(self, refined: Refined, least: float) -> list[tuple[Site, float]]:
        """Return sites of the difference map and their scattering powers, of at least a share of the lightest atom."""
        difference = DifferenceMap.of(refined, self.calculator, self.lattice)
        taken = images_of(refined.model.positions, self.calculator.group).reshape(-1, 3)
        peaks = site_peaks(difference.density, self.calculator.group, self.lattice, self.search, taken)
        powers = [(peak.site, difference.power(peak.height, self.calculator)) for peak in peaks]
        return [(site, power) for site, power in powers if abs(power) >= least * self.lightest]

    def _swapped(self, best: Refined) -> Refined:
        """Return the structure with the elements of two sites exchanged wherever R1 falls."""
        for first, second in self._doubtful_pairs(best.model):
            if self._is_late():
                break
            elements = list(best.model.elements)
            elements[first], elements[second] = elements[second], elements[first]
            trial = self.refined(best.model.with_elements(elements), _CYCLES)
            if self.figure(trial) < self.figure(best):
                best = trial
        return best

    def _renamed(self, best: Refined) -> Refined:
        """Return the structure with sites as the next heavier or lighter element wherever R1 falls."""
        order = sorted(self.weights, key=lambda symbol: self.weights[symbol])
        free = self.refined(best.model, _POWER_CYCLES, with_occupancy=True).model
        misfit = np.log(free.occupancy / np.median(free.occupancy))
        for atom in np.argsort(-np.abs(misfit))[:_RENAMES].tolist():
            place = order.index(best.model.elements[atom]) + (1 if misfit[atom] > 0 else -1)
            if self._is_late() or not 0 <= place < len(order):
                continue
            elements = list(best.model.elements)
            elements[atom] = order[place]
            trial = self.refined(best.model.with_elements(elements), _CYCLES)
            if self.figure(trial) < self.figure(best):
                best = trial
        return best

    def _doubtful_pairs(self, model: Model) -> list[tuple[int, int]]:
        """Return pairs of atoms that could change places: of two elements, the atoms that are nearest to each other."""
        free = self.refined(model, _POWER_CYCLES, with_occupancy=True).model
        powers = free.occupancy * np.array([self.weights[symbol] for symbol in model.elements])
        nearest: dict[frozenset[str], tuple[float, int, int]] = {}
        for first, second in combinations(range(len(model)), 2):
            kinds = frozenset((model.elements[first], model.elements[second]))
            if len(kinds) == 2 and model.multiplicity[first] == model.multiplicity[second]:
                gap = abs(powers[first] - powers[second]) / max(abs(powers[first]), abs(powers[second]))
                nearest[kinds] = min(nearest.get(kinds, (np.inf, 0, 0)), (float(gap), first, second))
        return [(first, second) for gap, first, second in sorted(nearest.values())[:_SWAPS] if gap < _CLOSE]


def _is_same(first: Model, second: Model, lattice: NDArray[np.float64]) -> bool:
    """Return whether two models have the same elements at the same places, in the same order."""
    if first.elements != second.elements:
        return False
    return bool((distances(first.positions - second.positions, lattice) < _CLOSE_BY).all())
