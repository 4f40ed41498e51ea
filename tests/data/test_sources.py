"""Sources: what each yields, what it leaves out and why."""

import gzip
import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from pymatgen.core import Composition, Element, Lattice, Structure

from phaselearn.data.screening import screen
from phaselearn.data.sources.cif import Cif
from phaselearn.data.sources.file import File
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.sources.symmetry import structure_type
from phaselearn.data.structures import Crystal, LeftOut
from phaselearn.errors import UserError


@pytest.fixture(scope="module")
def decorated():
    return list(Prototypes(600, 0, "primitive"))


def test_decorations_are_distinct_and_chemically_named(decorated):
    assert len({(crystal.prototype, crystal.formula) for crystal in decorated}) == 600
    assert len({crystal.id for crystal in decorated}) == 600
    for crystal in decorated[::20]:
        atoms = Composition("".join(Element.from_Z(int(number)).symbol for number in crystal.numbers))
        assert crystal.formula == atoms.reduced_formula


def test_decorations_keep_their_prototypes_symmetry(decorated):
    same = 0
    for crystal in decorated[::10]:
        prototype, space_group = structure_type((crystal.lattice, crystal.positions, crystal.numbers))
        assert space_group == crystal.space_group
        same += prototype == crystal.prototype
    # The Wyckoff letters are not unique over choices of origin, so a strained cell may be lettered otherwise.
    assert same >= 57


def test_decorations_are_usable_and_have_sensible_volumes(decorated):
    assert sum(reason is None for reason in screen(decorated, 30.0)) > 580
    volumes = [abs(np.linalg.det(crystal.lattice)) / len(crystal.numbers) for crystal in decorated]
    assert 10 < np.median(volumes) < 30


def test_decorated_rock_salts_have_about_their_measured_edges():
    measured = {"NaCl": 5.64, "KCl": 6.29, "LiF": 4.03, "MgO": 4.21, "CaO": 4.81, "NaF": 4.63, "KBr": 6.60}
    found = {}
    for crystal in Prototypes(15000, 0, "primitive"):
        if crystal.prototype == "AB_225_a_b" and crystal.formula in measured:
            found.setdefault(crystal.formula, (4 * abs(np.linalg.det(crystal.lattice))) ** (1 / 3))
    assert len(found) >= 3
    for formula, edge in found.items():
        assert edge == pytest.approx(measured[formula], rel=0.15), formula


def test_fewer_prototypes_are_the_first_of_more(decorated):
    first = list(Prototypes(50, 0, "primitive"))
    assert [crystal.id for crystal in first] == [crystal.id for crystal in decorated[:50]]
    assert [crystal.id for crystal in Prototypes(50, 1, "primitive")] != [crystal.id for crystal in first]


def test_prototypes_are_the_same_in_another_process(decorated):
    code = (
        "from phaselearn.data.sources.prototypes import Prototypes; import hashlib;"
        "c = list(Prototypes(600, 0, 'primitive'));"
        "print(hashlib.sha256(b''.join(x.lattice.round(9).tobytes() + x.id.encode() for x in c)).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    import hashlib

    own = hashlib.sha256(b"".join(x.lattice.round(9).tobytes() + x.id.encode() for x in decorated)).hexdigest()
    assert other.strip() == own


def test_more_prototypes_than_there_are_is_refused():
    source = Prototypes(10_000_000, 0, "primitive")
    made = iter(source)
    next(made)
    with pytest.raises(UserError, match=r"source\.count=10000000"):
        for _ in made:
            pass


@pytest.mark.parametrize(("count", "cell"), [(0, "primitive"), (5, "cubic")])
def test_impossible_prototype_settings_are_refused(count, cell):
    with pytest.raises(UserError, match="source"):
        Prototypes(count, 0, cell)


GOOD = {
    "id": "mp-1",
    "lattice": [[4, 0, 0], [0, 4, 0], [0, 0, 4]],
    "species": ["Cs", "Cl"],
    "frac_coords": [[0, 0, 0], [0.5, 0.5, 1.5]],
    "formula": "CsCl",
    "prototype": "AB_221_a_b",
    "spacegroup": 221,
}
ROWS = {
    "good": (GOOD, None),
    "sparse": ({name: GOOD[name] for name in ("lattice", "species", "frac_coords")}, None),
    "heavy water": (GOOD | {"id": "d", "species": ["D", "Cl"]}, None),
    "field": ({"id": "x", "species": ["Cs"]}, "field missing: lattice, frac_coords"),
    "unknown": (GOOD | {"species": ["Qq", "Cl"]}, "unknown element"),
    "disordered": (GOOD | {"species": [{"Cs": 0.5}, "Cl"]}, "disordered: species are not one element an atom"),
    "length": (GOOD | {"species": ["Cs"]}, "lattice, species and frac_coords do not fit together"),
    "numbers": (GOOD | {"lattice": "cubic"}, "lattice or frac_coords are not numbers"),
    "list": ([1, 2], "not a JSON object"),
}


@pytest.mark.parametrize("packed", [False, True])
def test_a_bad_line_is_left_out_with_its_reason(tmp_path, packed):
    lines = [json.dumps(row) for row, _ in ROWS.values()] + ["{not json", ""]
    path = tmp_path / ("a.jsonl.gz" if packed else "a.jsonl")
    path.write_bytes(gzip.compress("\n".join(lines).encode()) if packed else "\n".join(lines).encode())
    entries = list(File(str(path), None, "", ""))
    reasons = [entry.reason if isinstance(entry, LeftOut) else None for entry in entries]
    assert reasons == [reason for _, reason in ROWS.values()] + ["not valid JSON"]
    good, sparse, deuterated = entries[:3]
    assert good.positions[1].tolist() == [0.5, 0.5, 0.5]
    assert (sparse.formula, sparse.prototype, sparse.space_group) == ("CsCl", "AB_221_a_b", 221)
    assert deuterated.numbers.tolist() == [1, 17]


def test_subsets_of_a_file_are_nested(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(GOOD | {"id": f"mp-{i}"}) for i in range(40)))
    chosen = [{crystal.id for crystal in File(str(path), count, "", "")} for count in (5, 20, None)]
    assert [len(ids) for ids in chosen] == [5, 20, 40]
    assert chosen[0] < chosen[1] < chosen[2]


def test_the_fingerprint_of_a_file_follows_its_bytes(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(GOOD))
    first = File(str(path), None, "", "").fingerprint()
    path.write_text(json.dumps(GOOD | {"id": "other"}))
    assert File(str(path), None, "", "").fingerprint() != first


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"source\.path"):
        File(str(tmp_path / "none.jsonl"), None, "", "")
    with pytest.raises(UserError, match="phaselearn prepare source=cif"):
        Cif(str(tmp_path / "none"), "**/*", None, "primitive", "", "")
    with pytest.raises(UserError, match="has no file"):
        Cif(str(tmp_path), "**/*", None, "primitive", "", "")


def test_a_truncated_archive_is_refused(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(("\n".join([json.dumps(GOOD)] * 500)).encode())[:-20])
    with pytest.raises(UserError, match="gzip -t"):
        list(File(str(path), None, "", ""))


@pytest.fixture
def folder(tmp_path):
    rock_salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5] * 3])
    disordered = Structure(Lattice.cubic(4), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rock_salt.to(filename=str(tmp_path / "a.cif"))
        rock_salt.to(filename=str(tmp_path / "POSCAR"))
        disordered.to(filename=str(tmp_path / "b.cif"))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "c.cif").write_text("this is no CIF")
    (tmp_path / "more" / "notes.txt").write_text("nor is this a structure")
    return tmp_path


def test_a_folder_gives_its_ordered_structures(folder):
    entries = list(Cif(str(folder), "**/*", None, "primitive", "", ""))
    crystals = {entry.id: entry for entry in entries if isinstance(entry, Crystal)}
    reasons = {entry.id: entry.reason for entry in entries if isinstance(entry, LeftOut)}
    assert set(crystals) == {"POSCAR", "a.cif"}
    for crystal in crystals.values():
        assert (crystal.formula, crystal.space_group, crystal.prototype) == ("NaCl", 225, "AB_225_a_b")
        assert len(crystal.numbers) == 2
        assert abs(np.linalg.det(crystal.lattice)) == pytest.approx(5.64**3 / 4)
    assert reasons["b.cif"] == "disordered"
    assert reasons["more/c.cif"].startswith(("unreadable", "no structure"))
    assert reasons["more/notes.txt"].startswith("unreadable")


@pytest.mark.parametrize(("cell", "atoms"), [("primitive", 2), ("conventional", 8), ("as_given", 8)])
def test_cells_are_as_asked(folder, cell, atoms):
    (crystal,) = Cif(str(folder), "a.cif", None, cell, "", "")
    assert len(crystal.numbers) == atoms


def test_shared_structures_are_read_whole(shared_structures):
    entries = list(File(str(shared_structures), None, "", ""))
    assert len(entries) == 31377
    assert all(isinstance(entry, Crystal) for entry in entries)
