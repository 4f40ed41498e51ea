"""Molecules: their formulas, bond lengths and symmetry, and the names of their scaffolds."""

from __future__ import annotations

from collections import Counter

import gemmi
import numpy as np
import pytest

from phaselearn.data.sources.molecular.cations import protonated
from phaselearn.data.sources.molecular.embedding import embed
from phaselearn.data.sources.molecular.fragments import ends_of
from phaselearn.data.sources.molecular.grammar import Node, Plan, Skeleton
from phaselearn.data.sources.molecular.molecule import Molecule, build
from phaselearn.data.sources.molecular.scaffold import scaffold
from phaselearn.data.sources.molecular.smiles import read_smiles

# Mean bond lengths in Å between atoms by elements and order, from textbooks; what is built may differ by as much.
BONDS = {(6, 6): (1.18, 1.56), (6, 1): (1.05, 1.10), (7, 6): (1.13, 1.49), (8, 6): (1.20, 1.45), (7, 1): (1.0, 1.03)}


def formula(smiles: str) -> dict[str, int]:
    numbers = read_smiles(smiles).numbers
    return {gemmi.Element(number).name: count for number, count in Counter(numbers).items()}


def molecules(symmetry: str, count: int, size: tuple[int, int] = (6, 30)) -> list[Molecule]:
    """Return random molecules with a symmetry; those that could not be built are left out."""
    draw = np.random.default_rng(7)
    plans = [Skeleton(size, symmetry, draw).decorated() for _ in range(count)]
    return [molecule for plan in plans if (molecule := build(plan, draw)) is not None]


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("c1ccccc1", {"C": 6, "H": 6}),
        ("c1ccc2[nH]ccc2c1", {"C": 8, "H": 7, "N": 1}),  # indole
        ("CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2", {"C": 19, "H": 28, "O": 1}),  # androst-4-en-3-one
        ("OCC1OC(O)C(O)C(O)C1O", {"C": 6, "H": 12, "O": 6}),  # glucose
        ("*S(=O)(=O)N", {"X": 1, "S": 1, "O": 2, "N": 1, "H": 2}),
        ("*C#N", {"X": 1, "C": 1, "N": 1}),
        ("CSn(C)(C)C", {"C": 4, "H": 12, "Sn": 1}),
        ("CHgC", {"C": 2, "H": 6, "Hg": 1}),
        ("CSeC", {"C": 2, "H": 6, "Se": 1}),
        ("CS(=O)C", {"C": 2, "H": 6, "O": 1, "S": 1}),  # DMSO
        ("c1ccncc1.[H+]", {"C": 5, "H": 6, "N": 1}),  # the pyridinium ion
        ("O=C1CCCN1.[H+]", {"C": 4, "H": 8, "N": 1, "O": 1}),
    ],
)
def test_formulas_are_those_of_the_compounds(smiles: str, expected: dict[str, int]) -> None:
    assert formula(smiles) == expected


def test_other_smiles_are_refused() -> None:
    with pytest.raises(ValueError, match="not read"):
        read_smiles("C[N+](C)(C)C")


def test_benzene_is_a_flat_regular_hexagon() -> None:
    positions = embed(read_smiles("c1ccccc1"), 0)
    assert np.linalg.svd(positions - positions.mean(0))[1][2] < 1e-3
    ring = positions[:6]
    np.testing.assert_allclose(np.linalg.norm(ring - np.roll(ring, 1, 0), axis=1), 1.39, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(ring - np.roll(ring, 2, 0), axis=1), 1.39 * 3**0.5, atol=2e-3)


def test_cyclohexane_is_a_chair_with_tetrahedral_angles() -> None:
    positions = embed(read_smiles("C1CCCCC1"), 0)[:6]
    before, after = np.roll(positions, 1, 0) - positions, np.roll(positions, -1, 0) - positions
    cosines = (before * after).sum(1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    assert np.degrees(np.arccos(cosines)) == pytest.approx(np.full(6, 110), abs=1.5)
    heights = (positions - positions.mean(0)) @ np.linalg.svd(positions - positions.mean(0))[2][2]
    assert (heights * np.roll(heights, 1) < 0).all()  # in turn above and below the mean plane


def test_tin_is_tetrahedral_and_mercury_linear() -> None:
    # Gas electron diffraction: Sn–C 2.144 Å (Nagashima et al., 1973), Hg–C 2.083 Å (Kashiwabara et al., 1973).
    for smiles, metal, length, cosine in (("CSn(C)(C)C", 1, 2.144, -1 / 3), ("CHgC", 1, 2.083, -1.0)):
        graph = read_smiles(smiles)
        bonds = embed(graph, 0)[graph.neighbours()[metal]] - embed(graph, 0)[metal]
        lengths = np.linalg.norm(bonds, axis=1)
        np.testing.assert_allclose(lengths, length, atol=0.04)
        angles = (bonds @ bonds.T / np.outer(lengths, lengths))[np.triu_indices(len(bonds), 1)]
        np.testing.assert_allclose(angles, cosine, atol=0.03)


def test_a_proton_is_on_a_base_and_makes_it_tetrahedral_or_flat() -> None:
    for smiles, around in (("CN.[H+]", 4), ("c1c[nH]cn1.[H+]", 3)):
        graph = read_smiles(smiles)
        nitrogen = graph.neighbours()[-1][0]
        assert graph.numbers[nitrogen] == 7
        assert len(graph.neighbours()[nitrogen]) == around
        positions = embed(graph, 0)
        bonds = positions[graph.neighbours()[nitrogen]] - positions[nitrogen]
        bonds /= np.linalg.norm(bonds, axis=1, keepdims=True)
        # Equal angles around an atom make its unit vectors add up to nothing, in space as in a plane.
        assert np.linalg.norm(bonds.sum(0)) < 0.3


def test_amides_are_no_bases() -> None:
    """Plans of two fragments: the amine of aniline takes a proton, that of an amide does not."""
    draw = np.random.default_rng(0)
    ring = Node("c1ccccc1", -1, -1, -1)
    ring_end = ends_of(ring.smiles)[0][1]
    amine_end = ends_of("*N")[0][1]
    aniline = Plan((ring, Node("*N", 0, ring_end, amine_end)), "none", -1)
    cation = protonated(aniline, draw)
    assert cation is not None
    assert len(cation.graph()[0]) == len(aniline.graph()[0]) + 1
    (_, first), (_, second) = ends_of("*C(=O)*")
    amide = Plan((ring, Node("*C(=O)*", 0, ring_end, first), Node("*N", 1, second, amine_end)), "none", -1)
    assert protonated(amide, draw) is None


def test_bonds_have_the_lengths_of_their_kind_and_others_are_apart() -> None:
    for molecule in molecules("none", 30):
        distances = np.linalg.norm(molecule.positions[:, None] - molecule.positions, axis=-1)
        bonded = np.zeros_like(distances, dtype=bool)
        for first, second in molecule.bonds:
            pair = tuple(sorted((molecule.numbers[first], molecule.numbers[second]), reverse=True))
            if pair in BONDS:
                assert BONDS[pair][0] < distances[first, second] < BONDS[pair][1], pair
            bonded[first, second] = bonded[second, first] = True
        others = distances[~bonded & ~np.eye(len(distances), dtype=bool)]
        assert others.min() > 1.5
        assert len(molecule.bonds) >= len(molecule.numbers) - 1  # in one piece


@pytest.mark.parametrize(
    ("symmetry", "signs"), [("inversion", (-1, -1, -1)), ("twofold", (-1, -1, 1)), ("mirror", (1, 1, -1))]
)
def test_symmetric_molecules_are_their_own_images(symmetry: str, signs: tuple[int, int, int]) -> None:
    made = molecules(symmetry, 25)
    assert len(made) >= 8
    for molecule in made:
        image = molecule.positions * signs
        distances = np.linalg.norm(molecule.positions[:, None] - image, axis=-1)
        assert distances.min(1).max() < 1e-6
        np.testing.assert_array_equal(molecule.numbers, molecule.numbers[distances.argmin(1)])
        np.testing.assert_allclose(molecule.mobility, molecule.mobility[distances.argmin(1)])


def test_chiral_molecules_come_in_both_hands() -> None:
    """The sign of the volume spanned by the neighbours of the stereocentre in an amino acid's skeleton."""
    graph = read_smiles("CC(N)C(=O)O")
    centre, around = 1, (0, 2, 3)
    volumes = set()
    for seed in range(6):
        positions = embed(graph, seed)
        volumes.add(np.sign(np.linalg.det(positions[list(around)] - positions[centre])))
    assert volumes == {-1.0, 1.0}


def test_elements_are_those_of_organic_crystals() -> None:
    draw = np.random.default_rng(0)
    counted: Counter[int] = Counter()
    sizes = []
    for _ in range(300):
        numbers = [number for number in Skeleton((6, 60), "none", draw).decorated().graph()[0] if number > 1]
        counted.update(numbers)
        sizes.append(len(numbers))
    share = {number: count / counted.total() for number, count in counted.items()}
    assert 0.68 < share[6] < 0.80
    assert 0.05 < share[7] < 0.13
    assert 0.08 < share[8] < 0.17
    assert {9, 15, 16, 17, 35} <= counted.keys()
    assert min(sizes) >= 6
    assert max(sizes) <= 60
    assert 16 <= np.median(sizes) <= 26


def test_a_scaffold_depends_neither_on_the_order_of_atoms_nor_on_groups() -> None:
    def name(smiles: str, order: np.ndarray | None = None) -> str:
        graph = read_smiles(smiles)
        order = np.arange(len(graph.numbers)) if order is None else order
        numbers = np.array(graph.numbers)[np.argsort(order)]
        return scaffold(numbers.tolist(), [(int(order[i]), int(order[j])) for i, j in graph.bonds])

    anisole = "COc1ccccc1"
    shuffled = np.random.default_rng(0).permutation(len(read_smiles(anisole).numbers))
    assert name(anisole) == name(anisole, shuffled) == name("c1ccccc1") == name("CC(C)c1ccc(C)cc1")
    different = ["c1ccccc1", "c1ccncc1", "c1ccc2ccccc2c1", "c1ccccc1c1ccccc1", "c1ccccc1Cc1ccccc1", "C1CCCC1"]
    assert len({name(smiles) for smiles in different}) == len(different)
    assert name("CCO") != name("CCN")
