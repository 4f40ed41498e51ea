"""A space group with its refined atoms, and its description as a candidate."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import gemmi
import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.cells import Cell, lattice_of
from phaselearn.structure.calculated import Calculator
from phaselearn.structure.candidate import Atom, Candidate, FitFigures, ReflectionTable
from phaselearn.structure.composition import Composition, formula_of
from phaselearn.structure.difference_map import DifferenceMap
from phaselearn.structure.doubts import doubts, doubts_of_fit
from phaselearn.structure.hand import Hand, inverted
from phaselearn.structure.least_squares import WEIGHT_A, Refined, judged
from phaselearn.structure.model import Model
from phaselearn.structure.space_groups import Hypothesis


@dataclass(frozen=True, eq=False)
class Solved:
    """A hypothesis with its refined structure.

    Attributes:
        hypothesis: the space group, its origin and the evidence for it.
        calculator: structure factors at the reflections of the group.
        refined: the atoms.
        figure: R1 with the parameters allowed for, and with the share of the stated atoms that were not found.
        fits: whether the stated numbers of atoms explain the data.
    """

    hypothesis: Hypothesis
    calculator: Calculator
    refined: Refined
    figure: float
    fits: bool

    def turned(self, lattice: NDArray[np.float64]) -> Solved:
        """Return the mirror image, about its standard origin."""
        model, group, centre = inverted(self.refined.model, self.hypothesis.group, lattice)
        old = self.calculator
        calculator = Calculator(old.reflections, group, old.probe, old.wavelength)
        return replace(
            self,
            hypothesis=replace(self.hypothesis, group=group, origin=self.hypothesis.origin + 2 * centre),
            calculator=calculator,
            refined=judged(model, calculator, self.refined.scale),
        )

    def as_candidate(self, name: str, cell: Cell, composition: Composition, hand: Hand | None) -> Candidate:
        """Return the structure as it is reported.

        Args:
            name: letter of its rank.
            cell: a, b, c in Å, α, β, γ in degrees.
            composition: atoms that were stated.
            hand: evidence for the hand; None where it was not looked at.
        """
        refined, calculator, group = self.refined, self.calculator, self.hypothesis.group
        lattice = lattice_of(cell)
        x, y, z = self.hypothesis.origin.tolist()
        difference = DifferenceMap.of(refined, calculator, lattice)
        found = refined.model.contents()
        contents = {**found, "H": composition.hydrogen} if composition.hydrogen else found
        formula, units = formula_of(contents)
        return Candidate(
            name=name,
            cell=cell,
            space_group=group,
            origin=(x, y, z),
            atoms=_atoms(refined.model),
            fit=FitFigures(
                r1=refined.r1,
                r1_all=refined.r1_all,
                wr2=refined.wr2,
                goodness=refined.goodness,
                parameters=refined.parameters,
                reflections=len(calculator.reflections),
                strong=refined.strong,
                weight_a=WEIGHT_A,
                weight_b=0.0,
                largest_peak=float(difference.density.max()),
                deepest_hole=float(difference.density.min()),
            ),
            symmetry=self.hypothesis.evidence,
            stated_share=composition.share_of(found),
            formula=formula,
            units=units,
            scale=refined.scale,
            probe=calculator.probe,
            wavelength=calculator.wavelength,
            hand="centrosymmetric" if group.is_centrosymmetric else hand.note if hand is not None else "not determined",
            flack=(hand.flack, hand.error) if hand is not None else None,
            notes=(
                *doubts(refined.model, group, lattice, composition),
                *doubts_of_fit(refined.goodness, composition),
            ),
            reflections=ReflectionTable(
                hkl=calculator.reflections.hkl.astype(np.int32),
                intensity=calculator.reflections.intensity / refined.scale,
                sigma=calculator.reflections.sigma / refined.scale,
                calculated=refined.calculated,
            ),
        )


def _atoms(model: Model) -> tuple[Atom, ...]:
    """Return the atoms with labels, heavy elements first, numbered by element."""
    order = sorted(range(len(model)), key=lambda place: -gemmi.Element(model.elements[place]).atomic_number)
    counted: Counter[str] = Counter()
    atoms = []
    for place in order:
        element = model.elements[place]
        counted[element] += 1
        x, y, z = (float(value) for value in model.positions[place])
        atoms.append(
            Atom(
                label=f"{element}{counted[element]}",
                element=element,
                xyz=(x, y, z),
                multiplicity=int(model.multiplicity[place]),
                occupancy=float(model.occupancy[place]),
                u_iso=float(model.u_iso[place]),
            )
        )
    return tuple(atoms)
