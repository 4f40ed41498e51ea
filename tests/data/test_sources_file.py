"""The JSON-lines source: what it reads, what it leaves out, and that a choice is nested."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from phaselearn.data.sources.file import File
from phaselearn.data.sources.symmetry import structure_type
from phaselearn.data.structures import Crystal, LeftOut
from phaselearn.errors import UserError

ROCK_SALT = {
    "id": "salt",
    "lattice": [[0.0, 2.82, 2.82], [2.82, 0.0, 2.82], [2.82, 2.82, 0.0]],
    "species": ["Na", "Cl"],
    "frac_coords": [[0, 0, 0], [0.5, 0.5, -0.5]],
    "formula": "NaCl",
    "prototype": "AB_225_a_b",
    "spacegroup": 225,
}


def write(path: Path, rows: list[dict | str]) -> Path:
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(path: Path, count: int | None = None, cell: str = "as_given") -> list[Crystal | LeftOut]:
    return list(File(str(path), count, "CC0", "nobody", cell))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_row_is_read_as_it_stands(tmp_path: Path, name: str) -> None:
    [crystal] = read(write(tmp_path / name, [ROCK_SALT]))
    assert (crystal.id, crystal.formula, crystal.prototype, crystal.space_group) == (
        "salt",
        "NaCl",
        "AB_225_a_b",
        225,
    )
    assert crystal.numbers.tolist() == [11, 17]
    assert np.allclose(crystal.lattice, ROCK_SALT["lattice"])
    assert np.allclose(crystal.positions, [[0, 0, 0], [0.5, 0.5, 0.5]])


def test_what_is_missing_is_worked_out(tmp_path: Path) -> None:
    bare = {field: ROCK_SALT[field] for field in ("lattice", "species", "frac_coords")}
    heavy_ice = bare | {"species": ["D", "Cl"], "id": "dcl"}
    first, second = read(write(tmp_path / "a.jsonl", [bare, heavy_ice]))
    assert (first.id, first.formula, first.prototype, first.space_group) == (
        "a.jsonl:1",
        "NaCl",
        "AB_225_a_b",
        225,
    )
    assert (second.formula, second.numbers.tolist()) == ("HCl", [1, 17])


BAD_ROWS = {
    "not valid JSON": "{'id': 1}",
    "not a JSON object": "[1, 2]",
    "field missing: species": {"lattice": [], "frac_coords": []},
    "unknown element": ROCK_SALT | {"species": ["Na", "Qq"]},
    "partial occupancy: species are not one element an atom": ROCK_SALT | {"species": [{"Na": 0.5, "K": 0.5}, "Cl"]},
    "partial occupancy": ROCK_SALT | {"occupancies": [0.5, 1]},
    "lattice, species and frac_coords do not fit together": ROCK_SALT | {"frac_coords": [[0, 0, 0]]},
    "lattice or frac_coords are not numbers": ROCK_SALT | {"lattice": "wide"},
    "no atoms": ROCK_SALT | {"species": [], "frac_coords": []},
    "no symmetry found": ROCK_SALT
    | {"species": ["Na", "Na"], "frac_coords": [[0, 0, 0], [0, 0, 0]], "spacegroup": None},
}


def test_a_bad_row_is_left_out_and_the_next_is_read(tmp_path: Path) -> None:
    rows = [row for bad in BAD_ROWS.values() for row in (bad, ROCK_SALT)]
    entries = read(write(tmp_path / "a.jsonl", rows))
    assert [entry.reason for entry in entries[::2]] == list(BAD_ROWS)
    assert all(isinstance(entry, Crystal) for entry in entries[1::2])


@pytest.mark.parametrize(
    "row",
    [
        "[" * 100_000,
        ROCK_SALT | {"spacegroup": "Fm-3m"},
        ROCK_SALT | {"lattice": [[10**400] * 3] * 3},
        ROCK_SALT | {"lattice": {"a": 1}},
        ROCK_SALT | {"frac_coords": [[0, 0], [1]]},
        ROCK_SALT | {"id": None},
    ],
)
def test_no_row_stops_the_reading(tmp_path: Path, row: dict | str) -> None:
    assert len(read(write(tmp_path / "a.jsonl", [row, ROCK_SALT]))) == 2


@pytest.mark.parametrize(("cell", "atoms"), [("primitive", 2), ("conventional", 8)])
def test_the_cell_is_chosen(tmp_path: Path, cell: str, atoms: int) -> None:
    given = Structure(Lattice(ROCK_SALT["lattice"]), ROCK_SALT["species"], ROCK_SALT["frac_coords"])
    [crystal] = read(write(tmp_path / "a.jsonl", [ROCK_SALT]), cell=cell)
    chosen = Structure(Lattice(crystal.lattice), crystal.numbers, crystal.positions)
    assert len(chosen) == atoms
    # The same crystal, by pymatgen's matcher; and its edges, those of rock salt.
    assert StructureMatcher(primitive_cell=True, scale=False).fit(given, chosen)
    assert np.allclose(chosen.lattice.abc, 5.64 if cell == "conventional" else 5.64 / 2**0.5)
    assert (crystal.formula, crystal.prototype, crystal.space_group) == ("NaCl", "AB_225_a_b", 225)


def test_smaller_choices_lie_within_larger_ones(tmp_path: Path) -> None:
    rows = [ROCK_SALT | {"id": f"salt-{number}"} for number in range(60)]
    path = write(tmp_path / "a.jsonl", rows)
    chosen = [{crystal.id for crystal in read(path, count)} for count in (5, 20, 60, 100)]
    assert [len(ids) for ids in chosen] == [5, 20, 60, 60]
    assert chosen[0] < chosen[1] < chosen[2]
    assert chosen[0] != {f"salt-{number}" for number in range(5)}
    # The choice depends on the names alone, not on where and how the rows are written.
    turned = [dict(reversed(row.items())) for row in reversed(rows)]
    again = {crystal.id for crystal in read(write(tmp_path / "b.jsonl.gz", turned), 20)}
    assert again == chosen[1]


def test_wrong_settings(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no file"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="at least 1"):
        read(write(tmp_path / "a.jsonl", [ROCK_SALT]), 0)
    with pytest.raises(UserError, match=r"source\.cell=niggli.*conventional"):
        read(write(tmp_path / "a.jsonl", [ROCK_SALT]), cell="niggli")


def test_a_truncated_archive_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz", [ROCK_SALT | {"id": str(number)} for number in range(2000)])
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:200] + b"\xff" * 200 + whole[400:], b"no archive"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="gzip -t"):
            read(path)


def test_the_fingerprint_follows_the_bytes_the_count_and_the_cell(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [ROCK_SALT])
    first = File(str(path), None, "", "").fingerprint()
    assert File(str(path), None, "", "").fingerprint() == first
    assert File(str(path), 1, "", "").fingerprint() != first
    assert File(str(path), None, "", "", "primitive").fingerprint() != first
    write(path, [ROCK_SALT, ROCK_SALT])
    assert File(str(path), None, "", "").fingerprint() != first


def test_the_fingerprint_follows_the_rule_of_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.jsonl", [ROCK_SALT])
    first = File(str(path), 1, "", "").fingerprint()
    monkeypatch.setattr(File, "rules", File.rules + 1)
    assert File(str(path), 1, "", "").fingerprint() != first


def test_the_shared_structures(shared_structures: Path) -> None:
    with gzip.open(shared_structures) as file:
        rows = [json.loads(line) for line in file]
    crystals = read(shared_structures)
    assert [crystal.id for crystal in crystals] == [row["id"] for row in rows]
    for crystal, row in list(zip(crystals, rows, strict=True))[::211]:
        structure = Structure(Lattice(row["lattice"]), row["species"], row["frac_coords"])
        assert crystal.formula == structure.composition.reduced_formula
        assert crystal.space_group == SpacegroupAnalyzer(structure, 0.01).get_space_group_number()
        assert np.allclose((crystal.positions - structure.frac_coords + 0.5) % 1, 0.5)


def test_structure_types_are_named_as_in_the_shared_file(shared_structures: Path) -> None:
    crystals = read(shared_structures, 400)
    alike = []
    for crystal in crystals:
        named, space_group = structure_type((crystal.lattice, crystal.positions, crystal.numbers))
        assert space_group == crystal.space_group
        alike.append(named == crystal.prototype)
    # The names are not unique over choices of origin, which rounded coordinates may decide.
    assert np.mean(alike) > 0.95
