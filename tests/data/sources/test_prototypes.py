"""The embedded source: its symmetry, chemistry and volumes against spglib, pymatgen and measured structures."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import spglib
from pymatgen.core import Composition, Element, Lattice, Structure

from phaselearn.data.screening import screen
from phaselearn.data.sources.parent_library import aflow_library, prepared
from phaselearn.data.sources.parents import parents
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.sources.structure_type import structure_type
from phaselearn.data.sources.substitution import BOND_RADII_FILE, bond_radius, electronegativity_spread, replacements
from phaselearn.data.split import split_of
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError

DIGEST = """
import hashlib
from phaselearn.data.sources.prototypes import Prototypes
digest = hashlib.sha256()
for crystal in Prototypes(400, 0, "primitive"):
    digest.update(crystal.id.encode() + crystal.lattice.tobytes() + crystal.positions.tobytes())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def crystals() -> list[Crystal]:
    return list(Prototypes(3000, 0, "primitive"))


def same(first: Crystal, second: Crystal) -> bool:
    return first.id == second.id and np.array_equal(first.lattice, second.lattice)


@pytest.mark.slow
def test_the_library_is_pymatgens() -> None:
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY  # which takes seconds

    ours = list(aflow_library())
    assert len(ours) == len(AFLOW_PROTOTYPE_LIBRARY) > 200
    for (label, structure), entry in zip(ours, AFLOW_PROTOTYPE_LIBRARY, strict=True):
        assert label == entry["tags"]["aflow"]
        assert structure == entry["snl"].structure


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["primitive", "conventional"])
def test_the_shipped_prototypes_are_those_of_the_library(cell: str) -> None:
    """If a newer pymatgen or spglib prepares them differently: python -m phaselearn.data.sources.parent_library."""
    for ours, fresh in zip(parents(cell), prepared(cell), strict=True):
        assert vars(ours).keys() == vars(fresh).keys()
        for name, value in vars(fresh).items():
            if isinstance(value, np.ndarray):
                assert np.allclose(vars(ours)[name], value, rtol=1e-9, atol=1e-9), (ours.name, name)
            else:
                assert vars(ours)[name] == value, (ours.name, name)


@pytest.mark.slow
def test_the_shipped_bond_parameters_are_pymatgens() -> None:
    from pymatgen.analysis.structure_prediction.volume_predictor import bond_params  # which takes seconds

    with BOND_RADII_FILE.open(newline="") as file:
        ours = {row["element"]: {"r": float(row["r"]), "k": float(row["k"])} for row in csv.DictReader(file)}
    assert ours == bond_params


def test_fewer_are_the_first_of_more(crystals: list[Crystal]) -> None:
    fewer = list(Prototypes(700, 0, "primitive"))
    assert len(fewer) == 700
    assert all(same(*pair) for pair in zip(fewer, crystals, strict=False))


@pytest.mark.slow
def test_the_seed_decides_in_every_process(crystals: list[Crystal]) -> None:
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", DIGEST]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    own = hashlib.sha256()
    for crystal in crystals[:400]:
        own.update(crystal.id.encode() + crystal.lattice.tobytes() + crystal.positions.tobytes())
    assert told.strip() == own.hexdigest()
    other = list(Prototypes(700, 1, "primitive"))
    assert not any(same(*pair) for pair in zip(other, crystals, strict=False))


def test_no_crystal_comes_twice(crystals: list[Crystal]) -> None:
    assert len({crystal.id for crystal in crystals}) == len(crystals)
    assert len({(crystal.prototype, crystal.formula) for crystal in crystals}) == len(crystals)


def test_formulas_are_pymatgens(crystals: list[Crystal]) -> None:
    for crystal in crystals[::5]:
        symbols = [Element.from_Z(int(number)).symbol for number in crystal.numbers]
        assert crystal.formula == Composition("".join(symbols)).reduced_formula


@pytest.mark.parametrize("cell", ["primitive", pytest.param("conventional", marks=pytest.mark.slow)])
def test_the_symmetry_is_as_declared(cell: str) -> None:
    for crystal in list(Prototypes(1500, 5, cell))[::8]:
        given = (crystal.lattice, crystal.positions, crystal.numbers)
        assert spglib.get_symmetry_dataset(given, symprec=0.01).number == crystal.space_group
        assert structure_type(given) == (crystal.prototype, crystal.space_group), crystal.id
        assert np.linalg.det(crystal.lattice) > 0
        assert ((crystal.positions >= 0) & (crystal.positions < 1)).all()
        atoms = len(spglib.find_primitive(given, symprec=0.01)[2])
        assert len(crystal.numbers) == atoms or cell == "conventional"


def test_primitive_cells_are_reduced(crystals: list[Crystal]) -> None:
    for crystal in crystals[::40]:
        niggli = Lattice(crystal.lattice).get_niggli_reduced_lattice()
        assert np.allclose(sorted(niggli.abc), sorted(np.linalg.norm(crystal.lattice, axis=1)), rtol=0.12)


def test_no_crystal_is_impossible(crystals: list[Crystal]) -> None:
    assert not any(screen(crystals, longest_edge=1000.0))
    volumes = [np.linalg.det(crystal.lattice) / len(crystal.numbers) for crystal in crystals]
    assert min(volumes) >= 3
    assert max(volumes) <= 120
    for crystal in crystals[::12]:
        structure = Structure(Lattice(crystal.lattice), crystal.numbers, crystal.positions)
        first, second, _, distance = structure.get_neighbor_list(2.4)
        radii = np.array([Element.from_Z(int(z)).atomic_radius for z in crystal.numbers], dtype=float)
        assert (distance > 0.5 * (radii[first] + radii[second])).all(), crystal.id


def test_types_are_many_and_none_outweighs_the_others(crystals: list[Crystal]) -> None:
    counts: dict[str, int] = defaultdict(int)
    for crystal in crystals:
        counts[crystal.prototype] += 1
    assert len(counts) > 220
    # Types that are held out of training have a fifth of their formulas, so others have more than an equal share.
    assert max(counts.values()) < len(crystals) / 45


def test_a_fifth_of_the_types_are_held_out_of_training(crystals: list[Crystal]) -> None:
    trained = {crystal.prototype for crystal in crystals if split_of(crystal.formula) == "train"}
    types = {crystal.prototype for crystal in crystals}
    assert 0.12 < 1 - len(trained) / len(types) < 0.28
    tested = [crystal for crystal in crystals if split_of(crystal.formula) == "test"]
    assert 0.1 < sum(crystal.prototype not in trained for crystal in tested) / len(tested) < 0.4


@pytest.mark.slow
def test_nearly_twenty_thousand_and_no_more_than_there_are() -> None:
    with pytest.raises(UserError, match=r"the prototypes give 19\d{3} distinct crystals"):
        list(Prototypes(1_000_000, 0, "primitive"))


@pytest.mark.parametrize(
    ("count", "seed", "cell", "told"),
    [
        (0, 0, "primitive", "at least 1"),
        (5, -1, "primitive", "source.seed=-1"),
        (5, 0, "niggli", "allowed are primitive, conventional"),
    ],
)
def test_wrong_settings(count: int, seed: int, cell: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        Prototypes(count, seed, cell)


def test_the_fingerprint_follows_the_settings() -> None:
    settings = [(5, 0, "primitive"), (6, 0, "primitive"), (5, 1, "primitive"), (5, 0, "conventional")]
    assert len({Prototypes(*setting).fingerprint() for setting in settings}) == 4
    assert Prototypes(*settings[0]).fingerprint() == Prototypes(*settings[0]).fingerprint()


def test_replacements_are_chemically_alike() -> None:
    titanium, oxygen = replacements({"Ti": 1, "O": 2})
    assert {"Ti", "Zr", "Hf"} <= set(titanium)
    assert {"Sc", "Y"}.isdisjoint(titanium)  # never tetravalent
    assert set(oxygen) == {"O", "S", "Se", "Te"}
    assert set(replacements({"Na": 1, "Cl": 1})[0]) == {"Li", "Na", "K", "Rb", "Cs"}
    # In an alloy charges mean nothing.
    assert "Fe" in replacements({"Co": 1, "Al": 1})[0]


def test_bond_radii_give_bond_lengths() -> None:
    for first, second, length in (("Na", "Cl", 2.82), ("Cu", "Cu", 2.56), ("Si", "Si", 2.35), ("Ga", "As", 2.45)):
        spread = electronegativity_spread([first, second], [1, 1])
        assert bond_radius(first, spread) + bond_radius(second, spread) == pytest.approx(length, rel=0.1)
    assert electronegativity_spread(["Na", "Cl"], [1, 1]) == pytest.approx((3.16 - 0.93) / 2)


@pytest.mark.slow
def test_volumes_are_those_of_known_compounds(shared_structures: Path) -> None:
    known: dict[tuple[str, str], list[float]] = defaultdict(list)
    with gzip.open(shared_structures) as file:
        for line in file:
            row = json.loads(line)
            if row["source"] != "aflow_prototypes":
                known[row["prototype"], row["formula"]].append(row["volume_per_atom"])
    errors = []
    for crystal in Prototypes(15_000, 0, "primitive"):
        volume = np.linalg.det(crystal.lattice) / len(crystal.numbers)
        volumes = known.get((crystal.prototype, crystal.formula), ())
        errors += [min(abs(np.log(volume / other)) for other in volumes)] if volumes else []
    assert len(errors) > 300
    # Replacing elements at the parent's volume is 20 % off in the median.
    assert np.median(errors) < 0.07


def test_decorated_rock_salts_have_about_their_measured_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = {"NaCl": 5.64, "KCl": 6.29, "LiF": 4.03, "MgO": 4.21, "CaO": 4.81, "NaF": 4.63, "KBr": 6.60}
    rock_salts = [parent for parent in parents("primitive") if parent.prototype == "AB_225_a_b"]
    monkeypatch.setattr("phaselearn.data.sources.prototypes.parents", lambda _: rock_salts)
    found = {}
    for crystal in islice(Prototypes(1000, 0, "primitive"), 20):
        if crystal.formula in measured:
            found[crystal.formula] = (4 * abs(np.linalg.det(crystal.lattice))) ** (1 / 3)
    assert len(found) >= 5
    for formula, edge in found.items():
        assert edge == pytest.approx(measured[formula], rel=0.15), formula
