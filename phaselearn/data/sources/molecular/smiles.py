"""A small part of SMILES: enough to write down rings, linkers and groups, with the places where they are joined."""

from __future__ import annotations

import re
from dataclasses import dataclass

import gemmi

# Weininger, J. Chem. Inf. Comput. Sci. 28, 31 (1988), without charges, isotopes and stereochemistry.
_TOKEN = re.compile(r"Cl|Br|Si|Ge|Se|Sn|Hg|[BCNOPSFI*]|[cnos]|\[nH\]|[-=#()]|\d")
_VALENCES = {
    "B": (3,),
    "C": (4,),
    "N": (3, 5),
    "O": (2,),
    "P": (3, 5),
    "S": (2, 4, 6),
    "Si": (4,),
    "Ge": (4,),
    "Se": (2,),
    "Sn": (4,),
}
_ORDERS = {"-": 1.0, "=": 2.0, "#": 3.0}
PROTON = ".[H+]"  # at the end of a string: its first basic nitrogen atom holds one more hydrogen atom
JOINT = 0  # atomic number of a place where another fragment is bonded


@dataclass(frozen=True)
class Graph:
    """Atoms and bonds, hydrogen atoms included.

    Attributes:
        numbers: atomic number of each atom; `JOINT` for a place where another fragment is bonded.
        bonds: {(i, j): order} with i < j; the order is 1, 1.5 (aromatic), 2 or 3.
    """

    numbers: tuple[int, ...]
    bonds: dict[tuple[int, int], float]

    def neighbours(self) -> list[list[int]]:
        """Return the bonded atoms of each atom."""
        result: list[list[int]] = [[] for _ in self.numbers]
        for first, second in self.bonds:
            result[first].append(second)
            result[second].append(first)
        return result


def read_smiles(text: str) -> Graph:
    """Return the graph of a SMILES string: `*` for joints, lower case for aromatic atoms, implicit hydrogen.

    A proton, `PROTON`, is added as the last atom, so that the others keep their numbers.

    Args:
        text: such as `c1ccncc1` or `*C(=O)N*`.

    Raises:
        ValueError: the text holds what is not read here.
    """
    if text.endswith(PROTON):
        graph = read_smiles(text.removesuffix(PROTON))
        bonds = graph.bonds | {(basic_nitrogen(graph), len(graph.numbers)): 1.0}
        return Graph((*graph.numbers, 1), bonds)
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise ValueError(f"not read: {text}")
    symbols: list[str] = []
    bonds = {}
    branches: list[int | None] = []
    rings: dict[str, int] = {}
    last: int | None = None
    order: float | None = None
    for token in tokens:
        if token == "(":
            branches.append(last)
        elif token == ")":
            last = branches.pop()
        elif token in _ORDERS:
            order = _ORDERS[token]
        else:
            if token.isdigit() and token not in rings and last is not None:
                rings[token] = last
                continue
            atom = rings.pop(token) if token.isdigit() else len(symbols)
            if not token.isdigit():
                symbols.append(token)
            if last is not None:
                aromatic = symbols[last].strip("[]H").islower() and symbols[atom].strip("[]H").islower()
                bonds[min(last, atom), max(last, atom)] = order or (1.5 if aromatic else 1.0)
            order = None
            if not token.isdigit():
                last = atom
    return _with_hydrogen(symbols, bonds)


def basic_nitrogen(graph: Graph) -> int:
    """Return the first nitrogen atom that can take a proton: one with single bonds, or two bonds in an aromatic ring.

    Raises:
        ValueError: the graph has none.
    """
    neighbours = graph.neighbours()
    for atom, number in enumerate(graph.numbers):
        orders = [order for pair, order in graph.bonds.items() if atom in pair]
        if number == 7 and (orders == [1.5, 1.5] or (len(neighbours[atom]) == 3 and set(orders) == {1.0})):
            return atom
    raise ValueError("no basic nitrogen atom")


def _with_hydrogen(symbols: list[str], bonds: dict[tuple[int, int], float]) -> Graph:
    numbers = [JOINT if symbol == "*" else gemmi.Element(_element(symbol)).atomic_number for symbol in symbols]
    for atom, symbol in enumerate(symbols):
        orders = [order for pair, order in bonds.items() if atom in pair]
        if symbol == "[nH]":
            missing = 1
        elif symbol.islower():
            missing = 3 - len(orders) if symbol == "c" else 0
        else:
            used = round(sum(orders))
            missing = next((valence - used for valence in _VALENCES.get(symbol, ()) if valence >= used), 0)
        for _ in range(missing):
            bonds[atom, len(numbers)] = 1.0
            numbers.append(1)
    return Graph(tuple(numbers), bonds)


def _element(symbol: str) -> str:
    return symbol.strip("[]").removesuffix("H").capitalize() if symbol != "[nH]" else "N"
