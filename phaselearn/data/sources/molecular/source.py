"""Random molecular crystals without end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from phaselearn.data.formula import reduced_formula
from phaselearn.data.sources.molecular.cations import protonated
from phaselearn.data.sources.molecular.companions import draw_anion, draw_solvent
from phaselearn.data.sources.molecular.grammar import Plan, Skeleton
from phaselearn.data.sources.molecular.molecule import Molecule, build
from phaselearn.data.sources.molecular.packed_cell import PackedCell, packed_cell
from phaselearn.data.sources.molecular.scaffold import ring_atoms, scaffold
from phaselearn.data.sources.molecular.structural_classes import draw_class
from phaselearn.data.sources.random_source import RandomSource
from phaselearn.data.split import split_of
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError

_BUILDS = 4  # number of conformations that are tried
_STARTS = 3  # number of packings that are tried
_SALTS = 0.2  # share of crystals that are salts if a molecule has a base, which half of them have
_DECORATIONS = 40  # number of plans that are drawn until formula and scaffold are in the same split


@dataclass(frozen=True, eq=False)
class _Contents:
    """The asymmetric unit of a crystal.

    Attributes:
        scaffold: scaffold of the molecules.
        molecules: the independent molecules, all of one compound.
        companions: solvents and anions, in general positions.
    """

    scaffold: str
    molecules: list[Molecule]
    companions: list[Molecule]


class Molecular(RandomSource):
    """Random molecular crystals; crystal i of a seed is always the same, so that fewer crystals are the first of more.

    Args:
        count: number of crystals in a store; endless training takes no notice of it.
        seed: seed of everything that is drawn.
        cell: the cell that each crystal gets: `primitive` (Niggli-reduced) or `conventional`.
        atoms: least and largest number of atoms of a molecule, hydrogen not counted.
        hydrogen: whether the crystals hold their hydrogen atoms.

    Raises:
        UserError: the count is below 1, the seed is below 0, the cell is unknown, or the range of atoms is none.
    """

    name = "molecular"
    rules = 3

    def __init__(self, count: int, seed: int, cell: str, atoms: Sequence[int], hydrogen: bool) -> None:
        if len(atoms) != 2 or not 6 <= atoms[0] <= atoms[1] <= 100:
            raise UserError(
                f"source.atoms={list(atoms)}: the least and the largest number are needed, from 6 to 100, e.g. "
                "source.atoms=[6,60]"
            )
        super().__init__(count, seed, cell, (atoms[0], atoms[1]), hydrogen)
        self.atoms = (atoms[0], atoms[1])
        self.hydrogen = hydrogen

    def crystal(self, number: int) -> Crystal:
        """Return crystal `number`, from 0 on, whatever the count."""
        draw = np.random.default_rng([self.seed, number])
        while True:
            group, symmetry, independent = draw_class(draw)
            contents = self._contents(symmetry, independent, draw)
            if contents is None:
                continue
            for _ in range(_STARTS):
                cell = packed_cell(group, symmetry, contents.molecules, contents.companions, draw)
                if cell is not None:
                    return self._crystal(f"molecular-{self.seed}-{number}", cell, contents.scaffold)

    def _contents(self, symmetry: str, independent: int, draw: np.random.Generator) -> _Contents | None:
        """Return the contents of a crystal, or None without luck."""
        skeleton = Skeleton(self.atoms, symmetry, draw)
        numbers, bonds = skeleton.bare().graph()
        # Groups hold no rings, so they change no scaffold that has any.
        rings = scaffold(numbers, bonds) if ring_atoms(numbers, bonds) else None
        solvent = draw_solvent(draw)
        # Anions are in general places, of which a molecule in a mirror plane has two for the charge of one.
        salt = symmetry != "mirror" and draw.random() < _SALTS
        anion = draw_anion(draw)
        for _ in range(_DECORATIONS):
            plan = skeleton.decorated()
            name = rings or scaffold(*plan.graph())
            cation = protonated(plan, draw) if salt else None
            companions = ([solvent] if solvent else []) + ([anion] * independent if cation else [])
            plan = cation or plan
            if self._agrees(plan, independent, companions, name):
                break
        else:
            return None
        built = (build(plan, draw) for _ in range(_BUILDS * independent))
        molecules = list(islice((molecule for molecule in built if molecule is not None), independent))
        return _Contents(name, molecules, companions) if len(molecules) == independent else None

    def _agrees(self, plan: Plan, independent: int, companions: Sequence[Molecule], name: str) -> bool:
        """Whether the formula of a crystal is in the same split as the name of its scaffold."""
        # A molecule on a special position is there half as often as its companions, which are in general ones.
        often = 1 if plan.symmetry == "none" else 2
        others = [companion.numbers for companion in companions] * often
        numbers = np.concatenate([*[plan.graph()[0]] * independent, *others])
        return split_of(reduced_formula(numbers[(numbers > 1) | self.hydrogen])) == split_of(name)

    def _crystal(self, identifier: str, cell: PackedCell, name: str) -> Crystal:
        kept = (cell.numbers > 1) | self.hydrogen
        lattice, positions, copies = cell.niggli(kept) if self.cell == "primitive" else cell.conventional(kept)
        return Crystal(
            identifier,
            lattice,
            np.tile(cell.numbers[kept], copies),
            positions,
            prototype=name,
            space_group=cell.group,
            u_iso=np.tile(cell.u_iso[kept], copies),
        )
