"""The fragments of which molecules are made, as SMILES with the weights by which they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from phaselearn.data.sources.molecular.embedding import embed, flat_atoms, rings_of
from phaselearn.data.sources.molecular.ideal import is_end
from phaselearn.data.sources.molecular.smiles import JOINT, Graph, read_smiles

_CONFORMERS = 4  # number of conformers of a fragment that is not stiff

# The commonest rings of known molecules (Taylor, MacCoss & Lawson, J. Med. Chem. 57, 5845, 2014), and larger systems.
FLAT_RINGS = {
    "c1ccccc1": 40, "c1ccncc1": 7, "c1cncnc1": 2, "c1cnccn1": 1, "c1cc[nH]c1": 1.5, "c1ccsc1": 3, "c1ccoc1": 2.5,
    "c1c[nH]cn1": 2, "c1cn[nH]c1": 2, "c1cocn1": 0.7, "c1cscn1": 1.5, "c1nc[nH]n1": 1, "c1nncs1": 0.6, "c1nnco1": 0.5,
    "c1nnn[nH]1": 0.4, "c1ccc2ccccc2c1": 4, "c1ccc2ncccc2c1": 2, "c1ccc2[nH]ccc2c1": 2.5, "c1ccc2[nH]cnc2c1": 1.5,
    "c1ccc2occc2c1": 0.8, "c1ccc2sccc2c1": 0.8, "c1ccc2scnc2c1": 0.7, "c1ccc2cc3ccccc3cc2c1": 1.2,
    "c1ccc2c(c1)ccc1ccccc12": 0.8, "c1ccc2c(c1)[nH]c1ccccc12": 1, "c1ccc2nc3ccccc3cc2c1": 0.5,
    "c1cc2cccc3ccc4cccc1c4c23": 0.5,
    "O=c1ccc2ccccc2o1": 1, "O=c1cc[nH]c(=O)[nH]1": 0.8, "O=C1C=CC(=O)C=C1": 0.5, "c1ncc2nc[nH]c2n1": 0.6,
    "O=C1c2ccccc2C(=O)c2ccccc12": 0.6, "O=C1NC(=O)c2ccccc12": 0.8, "c1cnc2c(c1)ccc1cccnc12": 0.8,
    "c1ccc(nc1)c1ccccn1": 0.8,
}  # fmt: skip
PUCKERED_RINGS = {
    "C1CCCCC1": 4, "C1CCCC1": 1.5, "C1CCNCC1": 3, "C1CNCCN1": 1.5, "C1COCCN1": 1.5, "C1CCNC1": 2, "C1CCOC1": 1.5,
    "C1CCOCC1": 1, "C1COCCO1": 0.5, "C1CC1": 1.2, "C1CCC1": 0.4, "C1CO1": 0.3, "O=C1CCCCC1": 0.8, "O=C1CCCN1": 0.8,
    "O=C1CCCO1": 0.6, "O=C1CCC(=O)N1": 0.5, "O=C1NCC(=O)N1": 0.4, "OCC1OC(O)C(O)C(O)C1O": 1.2, "OCC1OCC(O)C1O": 0.5,
    "C1CCC2CCCCC2C1": 0.6, "C1CC2CCC1C2": 0.6, "C1C2CC3CC1CC(C2)C3": 0.6, "C1CCC2C(C1)CCC1C2CCC2CCCC12": 0.8,
    "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2": 0.8, "c1ccc2c(c1)CCCC2": 0.8, "c1ccc2c(c1)CCC2": 0.5, "c1ccc2c(c1)OCO2": 0.8,
    "c1ccc2c(c1)CCN2": 0.5, "C1=CCCCC1": 0.6, "C1CSCCS1": 0.2, "C1CCSC1": 0.3, "CC1(C)C2CCC1(C)C(=O)C2": 0.3,
    "C1CCCCCC1": 0.3, "C1COCCOCCOCCOCCO1": 0.1, "O=C1CC2CCC1C2": 0.2, "c1ccc2c(c1)Cc1ccccc12": 0.4,
}  # fmt: skip
LINKERS = {
    "*C*": 8, "*CC*": 3, "*O*": 6, "*N*": 5, "*S*": 2.5, "*C(=O)*": 4, "*C(=O)N*": 8, "*NC(=O)*": 6, "*C(=O)O*": 4,
    "*OC(=O)*": 3, "*S(=O)(=O)N*": 2, "*NS(=O)(=O)*": 2, "*S(=O)(=O)*": 1, "*C=C*": 3, "*C#C*": 1.5, "*N=N*": 1.2,
    "*C=N*": 3, "*C=NN*": 1.5, "*NC(=O)N*": 1.2, "*NC(=S)N*": 1, "*CO*": 3, "*OC*": 3, "*CN*": 3, "*NC*": 2, "*CS*": 1,
    "*P(*)*": 1.6, "*P(=O)(*)*": 0.8, "*C(*)(*)O": 0.6, "*N(*)*": 0.8, "*C=CC(=O)*": 1.2, "*CCC*": 1, "*C(C)*": 2,
    "*SS*": 0.3, "*Se*": 0.4, "*Hg*": 0.1, "*Sn(C)(C)*": 0.3, "*Ge(*)(*)*": 0.1, "*Sn(*)(*)*": 0.3,
}  # fmt: skip
GROUPS = {
    "*C": 17, "*CC": 3, "*C(C)C": 1.5, "*C(C)(C)C": 1.6, "*CCC": 0.8, "*CCCC": 0.8, "*OC": 8, "*OCC": 1.5, "*O": 7,
    "*N": 3.5, "*N(C)C": 1.5, "*F": 7, "*Cl": 6.5, "*Br": 3, "*I": 0.4, "*C#N": 2.5, "*N(=O)=O": 3, "*C(=O)O": 2,
    "*C(=O)OC": 2, "*C(=O)OCC": 1.5, "*C(=O)C": 1.5, "*C=O": 0.7, "*C(=O)N": 0.8, "*NC(=O)C": 1, "*C(F)(F)F": 1.4,
    "*SC": 0.8, "*S(=O)(=O)C": 0.5, "*S(=O)(=O)N": 0.4, "*CO": 1, "*CN": 0.3, "*C=C": 0.4, "*C#C": 0.3, "*CCO": 0.3,
    "*OC(=O)C": 1.2, "*P(=O)(OC)OC": 0.3, "*P(=O)(OCC)OCC": 0.3, "*B(O)O": 0.2, "*C(=O)N(C)C": 0.3, "*N=C=S": 0.1,
    "*Si(C)(C)C": 0.4, "*SeC": 0.1, "*HgCl": 0.15, "*HgBr": 0.05, "*Sn(C)(C)C": 0.3, "*Ge(C)(C)C": 0.1,
}  # fmt: skip
# Groups that lie in the plane of a flat ring; a methyl group has one hydrogen atom in it, and may end an ether.
FLAT_GROUPS = {
    "*C": 10, "*O": 9, "*F": 6, "*Cl": 7, "*Br": 3, "*C#N": 3, "*N(=O)=O": 3, "*C=O": 1.5, "*C(=O)O": 2, "*C(=O)N": 1,
    "*I": 0.5, "*S": 1, "*C=C": 0.5,
}  # fmt: skip
# Fragments that take a proton in salts, if their nitrogen atom is not that of an amide.
BASES = frozenset(
    {
        "c1ccncc1", "c1c[nH]cn1", "c1cn[nH]c1", "c1ccc2ncccc2c1", "c1ccc2[nH]cnc2c1", "c1ccc(nc1)c1ccccn1", "c1cscn1",
        "C1CCNCC1", "C1CNCCN1", "C1COCCN1", "C1CCNC1", "*CN*", "*NC*", "*N", "*N(C)C", "*CN",
    }
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Fragment:
    """A fragment with coordinates.

    Attributes:
        numbers: atomic numbers (n,); `JOINT` and hydrogen are the ends at which fragments are joined.
        positions: positions (n, 3) in Å.
        flat: whether the bonds of each atom lie in a plane, (n,) bool.
        in_ring: whether each atom is in a ring, (n,) bool.
        neighbours: bonded atoms of each atom.
    """

    numbers: np.ndarray
    positions: np.ndarray
    flat: np.ndarray
    in_ring: np.ndarray
    neighbours: tuple[tuple[int, ...], ...]

    def other_neighbour(self, atom: int, end: int) -> int | None:
        """Return a neighbour of an atom besides one of its ends, one that is not hydrogen if there is any."""
        others = [other for other in self.neighbours[atom] if other != end]
        return max(others, key=lambda other: (not is_end(int(self.numbers[other])), -other), default=None)


@cache
def graph_of(smiles: str) -> Graph:
    """Return the graph of a fragment."""
    return read_smiles(smiles)


@cache
def ends_of(smiles: str) -> tuple[tuple[int, int], ...]:
    """Return (atom, end) of each end of a fragment, joints first."""
    graph = graph_of(smiles)
    ends = []
    for pair in graph.bonds:
        for atom, end in (pair, pair[::-1]):
            if is_end(graph.numbers[end]) and not is_end(graph.numbers[atom]):
                ends.append((atom, end))
    return tuple(sorted(ends, key=lambda pair: (graph.numbers[pair[1]] != JOINT, pair[1])))


@cache
def heavy_atoms(smiles: str) -> int:
    """Return the number of atoms that are not hydrogen."""
    return sum(not is_end(number) for number in graph_of(smiles).numbers)


@cache
def conformers(smiles: str) -> int:
    """Return the number of conformers of a fragment: one if it is flat, or a single atom."""
    graph = graph_of(smiles)
    is_stiff = all(flat or is_end(number) for flat, number in zip(flat_atoms(graph), graph.numbers, strict=True))
    return 1 if is_stiff or heavy_atoms(smiles) == 1 else _CONFORMERS


@cache
def conformer(smiles: str, number: int) -> Fragment:
    """Return one of the conformers of a fragment, which for chiral ones may be of either hand."""
    graph = graph_of(smiles)
    return Fragment(
        np.array(graph.numbers),
        embed(graph, number),
        np.array(flat_atoms(graph)),
        np.isin(np.arange(len(graph.numbers)), list(frozenset().union(*rings_of(graph)))),
        tuple(tuple(each) for each in graph.neighbours()),
    )
