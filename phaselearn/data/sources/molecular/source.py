"""Random molecular crystals without end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from phaselearn.data.formula import reduced_formula
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
_DECORATIONS = 40  # number of plans that are drawn until formula and scaffold are in the same split


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
    rules = 2

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
            made = self._molecules(symmetry, independent, draw)
            if made is None:
                continue
            name, molecules = made
            for _ in range(_STARTS):
                cell = packed_cell(group, symmetry, molecules, draw)
                if cell is not None:
                    return self._crystal(f"molecular-{self.seed}-{number}", cell, name)

    def _molecules(
        self, symmetry: str, independent: int, draw: np.random.Generator
    ) -> tuple[str, list[Molecule]] | None:
        """Return the scaffold and the independent molecules of a crystal, all of one compound, or None without luck."""
        skeleton = Skeleton(self.atoms, symmetry, draw)
        numbers, bonds = skeleton.bare().graph()
        # Groups hold no rings, so they change no scaffold that has any.
        rings = scaffold(numbers, bonds) if ring_atoms(numbers, bonds) else None
        for _ in range(_DECORATIONS):
            plan = skeleton.decorated()
            name = rings or scaffold(*plan.graph())
            if self._agrees(plan, name):
                break
        else:
            return None
        built = (build(plan, draw) for _ in range(_BUILDS * independent))
        molecules = list(islice((molecule for molecule in built if molecule is not None), independent))
        return (name, molecules) if len(molecules) == independent else None

    def _agrees(self, plan: Plan, name: str) -> bool:
        """Whether the formula of a plan is in the same split as the name of its scaffold."""
        kept = [number for number in plan.graph()[0] if number > 1 or self.hydrogen]
        return split_of(reduced_formula(np.array(kept))) == split_of(name)

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
