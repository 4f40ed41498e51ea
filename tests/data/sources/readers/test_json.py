"""pymatgen's JSON in every shape that people keep it, and the files that hold one structure."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import DummySpecies, Lattice, Molecule, Structure

from phaselearn.data.sources.readers import archives
from phaselearn.data.structures import LeftOut
from tests.data.sources.readers.structures import ALLOY, CORUNDUM, NEARLY, QUARTZ, SALT, assert_same, read, reasons


def entry(structure: Structure) -> dict[str, Any]:
    """Return pymatgen's JSON of a computed entry."""
    from pymatgen.entries.computed_entries import ComputedStructureEntry  # which takes seconds

    return ComputedStructureEntry(structure, -1.0, entry_id="same").as_dict()


# name: a function that returns what is in the file, and the structures that are read from it.
SHAPES: dict[str, tuple[Callable[[], Any], dict[str, Structure]]] = {
    "one": (SALT.as_dict, {"a.json": SALT}),
    "list": (lambda: [SALT.as_dict(), QUARTZ.as_dict()], {"a.json#0": SALT, "a.json#1": QUARTZ}),
    "entry": (lambda: entry(SALT), {"a.json": SALT}),
    "entries": (lambda: [entry(SALT), entry(QUARTZ)], {"a.json#0": SALT, "a.json#1": QUARTZ}),
    "by_name": (
        lambda: {"mp-1": SALT.as_dict(), "mp-2": QUARTZ.as_dict()},
        {"a.json#mp-1": SALT, "a.json#mp-2": QUARTZ},
    ),
    "documents": (
        lambda: {
            "data": [{"material_id": "mp-1", "structure": SALT.as_dict(), "initial_structures": [QUARTZ.as_dict()]}]
        },
        {"a.json": SALT},
    ),
    "table": (
        lambda: {"columns": ["structure", "gap"], "data": [[SALT.as_dict(), 5.0], [CORUNDUM.as_dict(), 6.0]]},
        {"a.json#data/0/0": SALT, "a.json#data/1/0": CORUNDUM},
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_structures_are_found_wherever_they_are(tmp_path: Path, shape: str) -> None:
    content, expected = SHAPES[shape]
    (tmp_path / "a.json").write_text(json.dumps(content()))
    entries = read(tmp_path)
    assert [entry.id for entry in entries] == list(expected)
    for entry, structure in zip(entries, expected.values(), strict=True):
        assert_same(entry, structure)


def test_bad_entries_beside_good_ones(tmp_path: Path) -> None:
    slab = Structure(Lattice(np.diag([3.0, 3.0, 20.0]), pbc=(True, True, False)), ["Cu"], [[0, 0, 0.5]])
    broken = SALT.as_dict() | {"sites": [{"species": [{"element": "Na"}]}]}
    unknown = SALT.as_dict() | {"sites": [{"species": [{"element": "Na", "occu": float("nan")}], "abc": [0, 0, 0]}]}
    named = {
        "alloy": ALLOY,
        "nearly": NEARLY,
        "dummy": Structure(Lattice.cubic(4.0), [DummySpecies("X"), "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        "slab": slab,
        "overlap": Structure(Lattice.cubic(4.0), ["Na", "Na"], [[0, 0, 0], [0, 0, 0]]),
        "heavy": Structure(Lattice.cubic(4.0), ["D", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        "charged": SALT.copy().add_oxidation_state_by_element({"Na": 1, "Cl": -1}),
    }
    content = {name: structure.as_dict() for name, structure in named.items()} | {"broken": broken, "unknown": unknown}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert reasons(tmp_path) == {
        "a.json#alloy": "partial occupancy",
        "a.json#nearly": "partial occupancy",
        "a.json#dummy": "unknown element ('X')",
        "a.json#slab": "not periodic in three directions",
        "a.json#overlap": "atoms closer than 0.5 Å",
        "a.json#heavy": "HCl",
        "a.json#charged": "NaCl",
        "a.json#broken": "a structure with fields missing or of the wrong kind",
        "a.json#unknown": "partial occupancy",
    }


def test_json_without_a_crystal(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{'single': 'quotes'}")
    (tmp_path / "b.json").write_text(json.dumps({"energy": 1.0}))
    (tmp_path / "c.json").write_text(json.dumps(Molecule(["O", "O"], [[0, 0, 0], [0, 0, 1.2]]).as_dict()))
    assert reasons(tmp_path) == {
        "a.json": "not valid JSON",
        "b.json": "no structure in the file",
        "c.json": "no structure in the file",
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("POSCAR", "poscar"),
        ("CONTCAR", "poscar"),
        ("POSCAR.relaxed", "poscar"),
        ("quartz.vasp", "poscar"),
        ("quartz.poscar", "poscar"),
        ("quartz.xsf", "xsf"),
        ("quartz.cssr", "cssr"),
        ("quartz.yaml", "yaml"),
        ("quartz.res", "res"),
    ],
)
def test_files_of_one_structure(tmp_path: Path, name: str, kind: str) -> None:
    QUARTZ.to(str(tmp_path / name), fmt=kind)
    [entry] = read(tmp_path)
    assert entry.id == name
    assert_same(entry, QUARTZ)


@pytest.mark.parametrize(("group", "expected"), [("1 P 1", "NaCl"), ("225 F M -3 M", "symmetry"), ("", "symmetry")])
def test_what_a_cssr_file_does_not_list(tmp_path: Path, group: str, expected: str) -> None:
    written = f"5.64 5.64 5.64\n90 90 90 SPGR = {group}    OPT = 1\n2 0\n0 a\n1 Na 0 0 0\n2 Cl 0.5 0.5 0.5\n"
    (tmp_path / "a.cssr").write_text(written)
    assert reasons(tmp_path)["a.cssr"].startswith(expected)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("kind", ["cif", "res"])
def test_text_with_a_byte_order_mark(tmp_path: Path, kind: str, encoding: str) -> None:
    (tmp_path / f"a.{kind}").write_text(QUARTZ.to(fmt=kind), encoding=encoding)
    [entry] = read(tmp_path)
    assert_same(entry, QUARTZ)


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_packed_files(tmp_path: Path, suffix: str, pack) -> None:
    for name, kind in (("POSCAR", "poscar"), ("a.cif", "cif"), ("a.json", "json")):
        CORUNDUM.to(str(tmp_path / name), fmt=kind)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        (tmp_path / f"{name}{suffix}").write_bytes(pack(content))
    (tmp_path / f"z.cif{suffix}").write_bytes(b"never packed")
    *sound, damaged = read(tmp_path)
    assert [entry.id for entry in sound] == [f"POSCAR{suffix}", f"a.cif{suffix}", f"a.json{suffix}"]
    for entry in sound:
        assert_same(entry, CORUNDUM)
    assert isinstance(damaged, LeftOut)
    assert damaged.reason.startswith("unreadable")


def test_a_poscar_without_elements_is_no_crystal(tmp_path: Path) -> None:
    """pymatgen would read hydrogen and helium."""
    lines = SALT.to(fmt="poscar").splitlines()
    stripped = [" ".join(line.split()[:3]) for line in lines[8:]]
    (tmp_path / "POSCAR").write_text("\n".join([*lines[:5], *lines[6:8], *stripped]) + "\n")
    assert reasons(tmp_path) == {"POSCAR": "elements not named"}


def test_a_file_never_chooses_what_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pymatgen's own reader imports the module that a property names."""
    (tmp_path / "chosen_by_a_file.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    content = SALT.as_dict()
    content["sites"][0]["properties"] = {"x": {"@module": "chosen_by_a_file", "@class": "Any"}}
    for name in ("a.json", "b.yaml", "c.json.old", "d.mson"):
        (tmp_path / name).write_text(json.dumps(content))
    told = reasons(tmp_path)
    assert told["a.json"] == told["b.yaml"] == told["d.mson"] == "NaCl"
    assert told["c.json.old"] == "no structure file by its name"
    assert "chosen_by_a_file" not in sys.modules


def test_a_site_of_one_element_in_two_states_is_ordered(tmp_path: Path) -> None:
    magnetite = Structure(Lattice.cubic(4.3), [{"Fe2+": 0.5, "Fe3+": 0.5}, "O2-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    (tmp_path / "a.json").write_text(json.dumps(magnetite.as_dict()))
    assert reasons(tmp_path) == {"a.json": "FeO"}


def test_a_lattice_given_by_its_parameters(tmp_path: Path) -> None:
    content = QUARTZ.as_dict()
    content["lattice"] = {"a": 4.91, "b": 4.91, "c": 5.40, "alpha": 90, "beta": 90, "gamma": 120}
    (tmp_path / "a.json").write_text(json.dumps(content))
    [entry] = read(tmp_path)
    assert_same(entry, QUARTZ)
    content["lattice"]["gamma"] = 1200
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert reasons(tmp_path) == {"a.json": "cell angle outside 0° to 180° (1200°)"}


def test_aliases_and_depth_take_no_time(tmp_path: Path) -> None:
    """Forty lists, each of which holds the one before twice: 2⁴⁰ ways to one structure."""
    lines = [f"a0: &a0 {json.dumps(SALT.as_dict())}", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    (tmp_path / "a.yaml").write_text("\n".join(lines))
    (tmp_path / "b.json").write_text("[" * 900 + json.dumps(SALT.as_dict()) + "]" * 900)
    (tmp_path / "c.json").write_text("[" * 100_000 + "]" * 100_000)
    told = reasons(tmp_path)
    assert told.pop("a.yaml") == "NaCl"
    assert sorted(told.values()) == ["NaCl", "not valid JSON"]


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_an_archive_that_unpacks_to_no_end(tmp_path: Path, suffix: str, pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_ALWAYS_ALLOWED", 1 << 20)
    (tmp_path / f"a.cif{suffix}").write_bytes(pack(bytes(1 << 20)) * 100)
    [entry] = read(tmp_path)
    assert entry.cause == "an archive that unpacks to more than its size allows"
