"""The JSON-lines source: what it reads, what it leaves out, and that a choice is nested."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from phaselearn.data.build.screen_source import gather_blocks, read_block, screened_source, write_blocks
from phaselearn.data.build.shared_build import SharedBuild
from phaselearn.data.sources.file import File
from phaselearn.data.sources.folder import Folder
from phaselearn.data.sources.readers import archives
from phaselearn.data.sources.structure_type import structure_type
from phaselearn.data.split import split_of
from phaselearn.data.store.location import open_storage
from phaselearn.data.structures import REPEATED, Crystal, LeftOut
from phaselearn.errors import UserError
from tests.conftest import FULL

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
    first, second = read(write(tmp_path / "a.jsonl", [bare | {"spacegroup": "", "formula": "Na₁Cl₁"}, heavy_ice]))
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
    "unknown element ('Qq')": ROCK_SALT | {"species": ["Na", "Qq"]},
    "partial occupancy: species are not one element an atom": ROCK_SALT | {"species": [{"Na": 0.5, "K": 0.5}, "Cl"]},
    "partial occupancy": ROCK_SALT | {"occ": [0.5, 1]},
    "atoms that do not add up to the stated formula ('K₁Br₁')": ROCK_SALT | {"formula": "K₁Br₁"},
    "not periodic in three directions": ROCK_SALT | {"pbc": [True, True, False]},
    "lattice, species and frac_coords do not fit together": ROCK_SALT | {"frac_coords": [[0, 0, 0]]},
    "lattice or frac_coords are not numbers": ROCK_SALT | {"lattice": "wide"},
    "no atoms": ROCK_SALT | {"species": [], "frac_coords": []},
    "atoms closer than 0.5 Å": ROCK_SALT
    | {"species": ["Na", "Na"], "frac_coords": [[0, 0, 0], [0, 0, 0]], "spacegroup": None, "formula": "Na"},
    "atoms that do not add up to the stated formula ('KBr')": ROCK_SALT | {"formula": "KBr"},
    "atoms that do not add up to the stated formula ('K_4Br_4')": ROCK_SALT | {"formula": "K_4Br_4"},
    "atoms that do not add up to the stated formula ({'K': 4, 'Br': 4})": ROCK_SALT | {"formula": {"K": 4, "Br": 4}},
    "atoms that do not add up to the stated formula ({'Na': '4'})": ROCK_SALT | {"formula": {"Na": "4"}},
    "atoms that do not add up to the stated formula ('Na2Cl')": ROCK_SALT | {"formula": "Na2Cl"},
    "atoms that do not add up to the stated formula ('NaX')": ROCK_SALT | {"formula": "NaX"},
    "atoms that do not add up to the stated formula ('Na0')": ROCK_SALT | {"formula": "Na0"},
    "atoms that do not add up to the stated formula ('Na0Cl0')": ROCK_SALT | {"formula": "Na0Cl0"},
    "atoms that do not add up to the stated formula (17)": ROCK_SALT | {"formula": 17},
    "no such space group (999)": ROCK_SALT | {"spacegroup": 999},
    "no such space group (0)": ROCK_SALT | {"spacegroup": 0},
    "no such space group (True)": ROCK_SALT | {"spacegroup": True},
    "no such space group ('x')": ROCK_SALT | {"spacegroup": "x"},
    "no such space group ('\\ud800')": ROCK_SALT | {"spacegroup": "\ud800"},
    "no such space group (225.5)": ROCK_SALT | {"spacegroup": 225.5},
    "prototype and space group that do not agree (AB_225_a_b, 221)": ROCK_SALT | {"spacegroup": 221},
    "a prototype that is not a name": ROCK_SALT | {"prototype": ["AB"]},
    "not finite (lattice)": ROCK_SALT | {"lattice": [[float("nan"), 0, 0], [0, 4, 0], [0, 0, 4]]},
    "position more than 10,000 cells from the origin (1e+20)": ROCK_SALT | {"frac_coords": [[0, 0, 0], [0.5, 1e20, 0]]},
}


def id_of(number: int) -> dict[str, str]:
    return {"id": f"row-{number}"}


def test_a_bad_row_is_left_out_and_the_next_is_read(tmp_path: Path) -> None:
    rows = [row for n, bad in enumerate(BAD_ROWS.values()) for row in (bad, ROCK_SALT | id_of(n))]
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
        ROCK_SALT | {"id": {"a": [1]}, "spacegroup": 225.0},
        ROCK_SALT | {"id": "\ud800\x00\n" + "long" * 9999},
        ROCK_SALT | {"species": ["Na"] * 100_000, "frac_coords": [[0, 0, 0]] * 100_000},
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
    with pytest.raises(UserError, match="is not a file"):
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
    write(path, [ROCK_SALT, ROCK_SALT | {"id": "another"}])
    assert File(str(path), None, "", "").fingerprint() != first


def test_the_fingerprint_follows_the_rule_of_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.jsonl", [ROCK_SALT])
    first = File(str(path), 1, "", "").fingerprint()
    monkeypatch.setattr(File, "rules", File.rules + 1)
    assert File(str(path), 1, "", "").fingerprint() != first


@pytest.mark.slow
def test_the_shared_structures(shared_structures: Path) -> None:
    with gzip.open(shared_structures) as file:
        rows = {row["id"]: row for row in map(json.loads, file)}
    crystals = read(shared_structures, 3_000)
    assert len(crystals) == 3_000
    for crystal in crystals[::30]:
        row = rows[crystal.id]
        structure = Structure(Lattice(row["lattice"]), row["species"], row["frac_coords"])
        assert crystal.formula == structure.composition.reduced_formula
        assert crystal.space_group == SpacegroupAnalyzer(structure, 0.01).get_space_group_number()
        assert np.allclose((crystal.positions - structure.frac_coords + 0.5) % 1, 0.5)


@pytest.mark.slow
def test_structure_types_are_named_as_in_the_shared_file(shared_structures: Path) -> None:
    crystals = read(shared_structures, 400)
    alike = []
    for crystal in crystals:
        named, space_group = structure_type((crystal.lattice, crystal.positions, crystal.numbers))
        assert space_group == crystal.space_group
        alike.append(named == crystal.prototype)
    # The names are not unique over choices of origin, which rounded coordinates may decide.
    assert np.mean(alike) > 0.95


@pytest.mark.parametrize(
    "formula",
    [
        *("ClNa", "Na1 Cl1", "Na4Cl4", "Cl4 Na4", "Na0.5Cl0.5", "rock salt", "", None, "Na$_{4}$Cl$_{4}$"),
        *({"Na": 4.0, "Cl": 4.0}, {"Cl": 1, "Na": 1}),
    ],
)
def test_the_formula_is_that_of_the_atoms_however_it_is_stated(tmp_path: Path, formula: object) -> None:
    [crystal] = read(write(tmp_path / "a.jsonl", [ROCK_SALT | {"formula": formula}]))
    assert crystal.formula == "NaCl"


def test_fluorine_is_held_out_however_its_formula_is_stated(tmp_path: Path) -> None:
    fluorine = {
        "lattice": np.diag([6.0, 4, 5]).tolist(),
        "species": ["F"] * 2,
        "frac_coords": [[0, 0, 0], [0, 0, 0.28]],
    }
    rows = [fluorine | {"formula": formula} for formula in ("F8", "F", "F2", "F 4", None)]
    crystals = read(write(tmp_path / "a.jsonl", rows))
    assert {crystal.formula for crystal in crystals} == {"F2"}
    # So are those of a store that holds what its source stated.
    assert {split_of(formula) for formula in ("F2", "F", "F8", "F 4", "F4")} == {"test"}
    assert {split_of(f"F{n}Na") for n in range(1, 30)} > {"test"}


def test_of_rows_with_one_id_the_first_is_kept(tmp_path: Path) -> None:
    wide = ROCK_SALT | {"lattice": (1.1 * np.array(ROCK_SALT["lattice"])).tolist()}
    nought = ROCK_SALT | {"id": 0}
    entries = read(write(tmp_path / "a.jsonl", [ROCK_SALT, wide, nought, nought]))
    assert [entry.id for entry in entries] == ["salt", "salt", "0", "0"]
    assert np.allclose(entries[0].lattice, ROCK_SALT["lattice"])
    assert [getattr(entry, "reason", None) for entry in entries] == [None, REPEATED, None, REPEATED]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_store_has_an_id_once(tmp_path: Path, workers: int) -> None:
    """Also where the two are in blocks that different processes read, and where a build goes on."""
    rows = [ROCK_SALT | id_of(number % 300) for number in range(600)] + [ROCK_SALT | {"id": "last"}]
    source = File(str(write(tmp_path / "a.jsonl", rows)), None, "CC0", "nobody")
    storage = open_storage(tmp_path / "building")
    build = SharedBuild(storage, b"", workers)
    build.begin()
    for _ in range(2):
        screened = gather_blocks(build, write_blocks(build, source, 30.0, FULL), FULL)
        assert sum(screened.crystals) == 301
        assert screened.left_out == {REPEATED: 300}
        blocks = [read_block(storage, number) for number in range(len(screened.crystals))]
        assert [len(block.crystals) for block in blocks] == screened.crystals
        ids = [crystal.id for block in blocks for crystal in block.crystals]
        assert ids == [f"row-{number}" for number in range(300)] + ["last"]
        assert screened_source(storage) == screened


def test_a_document_gets_one_hint(tmp_path: Path) -> None:
    for text in (json.dumps([ROCK_SALT]), json.dumps([ROCK_SALT], indent=1), json.dumps(ROCK_SALT, indent=1)):
        path = tmp_path / "a b.json"
        path.write_text(text)
        with pytest.raises(UserError, match=r"prepare source=folder 'source\.path=\".*a b\.json\"'`$"):
            read(path)
        # The advice of the error works.
        [crystal] = Folder(str(path), "**/*", None, "as_given", "", "")
        assert crystal.formula == "NaCl"


def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b'{"id": "' + b"x" * (20 << 20) + b"\n" + json.dumps(ROCK_SALT).encode() + b"\n")
    tracemalloc.start()
    long, crystal = read(path)
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()
    assert long == LeftOut("a.jsonl.gz:1", "line longer than 16 MiB")
    assert crystal.formula == "NaCl"


def test_an_archive_that_unpacks_to_no_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_ALWAYS_ALLOWED", 1 << 20)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * (8 << 20)))
    with pytest.raises(UserError, match="unpacks to more than"):
        read(path)
