"""Entries are chosen, kept and read back without network: the real client against a local server."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Structure

from phaselearn.data.sources.file import File
from phaselearn.data.sources.materials_project.filters import Filters
from phaselearn.data.sources.materials_project.source import MaterialsProject
from phaselearn.data.structures import Crystal, LeftOut
from phaselearn.errors import UserError
from tests.data.sources.materials_project.server import (
    VERSION,
    MaterialsProjectServer,
)
from tests.data.sources.materials_project.snapshots import Make, ids


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"elements": ["Cl"]}, {"mp-22862", "mp-23193"}),
        ({"elements": ["O", "Si"]}, {"mp-7000", "mp-2895"}),
        ({"chemsys": "Si-O"}, {"mp-7000"}),
        ({"chemsys": ["Na-Cl", "O-Mg"]}, {"mp-22862", "mp-1265"}),
        ({"nsites": [3, 4]}, {"mp-7000", "mp-2895"}),
        ({"nsites": [None, 2], "elements": ["Mg"]}, {"mp-1265"}),
        ({"nsites": [4, None]}, {"mp-2895"}),
        ({"energy_above_hull": [0.01, 0.2]}, {"mp-23193", "mp-7000"}),
        ({"theoretical": True}, {"mp-1265"}),
        ({"theoretical": False, "elements": ["O"]}, {"mp-7000", "mp-2895"}),
        ({"ids": ["mp-1265", "mp-22862"]}, {"mp-1265", "mp-22862"}),
        ({"ids": ["mp-1265", "mp-22862"], "theoretical": False}, {"mp-22862"}),
        ({"elements": ["Si", "O"], "nsites": [1, 20], "energy_above_hull": [0, 0.05]}, {"mp-2895"}),
        # Not what is deprecated or under another licence; nor the mixed crystal and the empty entry.
        ({"nsites": [1, 99]}, {"mp-22862", "mp-23193", "mp-1265", "mp-7000", "mp-2895"}),
    ],
)
def test_the_filters_choose(make: Make, options: dict[str, Any], expected: set[str]) -> None:
    assert ids(make(**options)) == expected


def test_the_crystals_are_those_of_the_database(make: Make, server: MaterialsProjectServer) -> None:
    given = {entry["material_id"]: entry for entry in server.documents}
    crystals = [entry for entry in make(nsites=[1, 99]) if isinstance(entry, Crystal)]
    for crystal in crystals:
        structure = Structure.from_dict(given[crystal.id]["structure"])
        assert crystal.formula == given[crystal.id]["formula_pretty"]
        assert np.array_equal(crystal.lattice, structure.lattice.matrix)
        assert np.array_equal(crystal.numbers, structure.atomic_numbers)
        assert np.array_equal(crystal.positions, structure.frac_coords)
    assert {c.id: c.space_group for c in crystals}["mp-22862"] == 225


def test_what_cannot_be_used_is_left_out_and_none_is_lost(make: Make) -> None:
    asked = ["mp-100", "mp-200", "mp-300", "mp-22862", "mp-999999"]
    source = make(ids=asked)
    entries = list(source)
    assert sorted(entry.id for entry in entries) == sorted(asked)
    reasons = {entry.id: entry.reason for entry in entries if isinstance(entry, LeftOut)}
    assert reasons.keys() == set(asked) - {"mp-22862"}
    assert "not returned" in reasons["mp-999999"]
    assert "not returned" in reasons["mp-300"]
    assert "no structure" in reasons["mp-200"]
    assert len(source) == len(asked)


def test_a_snapshot_needs_neither_network_nor_key_nor_client(
    make: Make, server: MaterialsProjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = make(nsites=[1, 99])
    before = [entry.id for entry in first], first.fingerprint(), first.attribution
    asked = len(server.requests)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("mp_api", "requests", "filelock")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("mp_api", "requests", "filelock"):
        monkeypatch.setitem(sys.modules, name, None)
    # The same filters, in another order of words; and the folder alone.
    named = MaterialsProject(Filters(), snapshot=str(first.folder))
    for again in (make(nsites=[1, 99], api_key=None, endpoint="http://127.0.0.1:1/"), named):
        assert ([entry.id for entry in again], again.fingerprint(), again.attribution) == before
    assert len(server.requests) == asked
    assert VERSION in before[2]


def test_a_snapshot_is_a_file_of_structures(make: Make) -> None:
    source = make(nsites=[1, 99])
    crystals = [entry for entry in source if isinstance(entry, Crystal)]
    read = [
        entry for entry in File(str(source.snapshot().structures), None, "CC BY 4.0", "x") if isinstance(entry, Crystal)
    ]
    assert [crystal.id for crystal in read] == [crystal.id for crystal in crystals]
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(read, crystals, strict=True))


def test_the_manifest_says_what_it_is(make: Make) -> None:
    source = make(elements=["O", "Si"], energy_above_hull=[0, 1])
    manifest = json.loads((source.snapshot().folder / "manifest.json").read_text())
    assert manifest["ids"] == ["mp-2895", "mp-7000"]
    assert manifest["database_version"] == VERSION
    assert manifest["licence"] == "CC BY 4.0"
    assert "Jain" in manifest["attribution"]
    assert manifest["filters"]["elements"] == ["O", "Si"]
    assert manifest["sha256"] == hashlib.sha256(source.snapshot().structures.read_bytes()).hexdigest()


def test_smaller_choices_lie_within_larger_ones_and_only_they_are_fetched(
    make: Make, server: MaterialsProjectServer
) -> None:
    everything = {"mp-22862", "mp-23193", "mp-1265", "mp-7000", "mp-2895", "mp-100", "mp-200"}
    expected = sorted(everything, key=lambda name: hashlib.sha256(name.encode()).digest())
    for count in (1, 3, 5):
        server.requests.clear()
        assert {entry.id for entry in make(nsites=[1, 99], count=count)} == set(expected[:count])
        fetched = [asked["material_ids"].split(",") for _, asked in server.requests if "material_ids" in asked]
        assert [sorted(batch) for batch in fetched] == [sorted(expected[:count])]


def test_a_larger_snapshot_answers_a_smaller_count(make: Make) -> None:
    folder = str(make(nsites=[1, 99], count=5).snapshot().folder)
    assert ids(make(snapshot=folder, count=3)) == ids(make(nsites=[1, 99], count=3))
    with pytest.raises(UserError, match="count=5"):
        make(snapshot=folder, count=6)
    with pytest.raises(UserError, match="count=5"):
        make(snapshot=folder, nsites=[1, 99])


@pytest.mark.parametrize(("cell", "atoms"), [("as_given", 2), ("primitive", 2), ("conventional", 8)])
def test_the_cell_is_chosen(make: Make, cell: str, atoms: int) -> None:
    [crystal] = make(ids=["mp-22862"], cell=cell)
    assert len(crystal.numbers) == atoms


def test_the_fingerprint_tells_what_would_be_yielded(make: Make) -> None:
    digests = [
        make(elements=["O"]).fingerprint(),
        make(elements=["Cl"]).fingerprint(),
        make(elements=["Cl"], cell="primitive").fingerprint(),
        make(ids=["mp-22862"]).fingerprint(),
        make(ids=["mp-22862", "mp-999999"]).fingerprint(),
    ]
    assert len(set(digests)) == len(digests)
    assert make(elements=["O"]).fingerprint() == digests[0]


def test_a_damaged_snapshot_is_named(make: Make) -> None:
    folder = make(elements=["Cl"]).snapshot().folder
    structures = folder / "structures.jsonl.gz"
    structures.write_bytes(structures.read_bytes()[:-5])
    with pytest.raises(UserError, match=f"is not what was fetched.*rm -r {folder}"):
        list(make(elements=["Cl"]))
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match=f"cannot be read.*rm -r {folder}"):
        make(elements=["Cl"])


def test_a_folder_of_something_else_is_no_snapshot(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a snapshot .* no manifest.json") as refused:
        make(snapshot=str(tmp_path))
    # Whoever mistook a folder is not told to remove it.
    assert "rm " not in str(refused.value)
