"""The file of known crystals."""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phaselearn.errors import UserError
from phaselearn.solver.isotypes import known_crystals
from phaselearn.solver.isotypes.known_crystals import PACKAGE, KnownCrystals
from tests.solver.isotypes.crystals import known


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = known(7)
    written.write(tmp_path / "own.npz")
    read = KnownCrystals.read(tmp_path / "own.npz")
    assert (len(read), list(read.names), list(read.kinds)) == (7, list(written.names), list(written.kinds))
    assert read.origin == "CC0; nobody"
    assert np.allclose(read.lattice, written.lattice)
    for row in range(7):
        (numbers, positions), (again, places) = written.atoms(row), read.atoms(row)
        assert (numbers == again).all()
        difference = positions - places
        assert np.abs(difference - np.rint(difference)).max() < 1e-5


def test_the_atoms_of_a_row_are_its_own() -> None:
    made = KnownCrystals(
        lattice=np.stack([np.eye(3)] * 3),
        count=np.array([1, 3, 2]),
        numbers=np.array([6, 7, 8, 9, 10, 11]),
        positions=np.arange(18).reshape(6, 3) / 20,
        kind=np.zeros(3, int),
        kinds=["one"],
        names=["a", "b", "c"],
        origin="",
    )
    assert [made.atoms(row)[0].tolist() for row in range(3)] == [[6], [7, 8, 9], [10, 11]]
    assert made.atoms(2)[1].tolist() == made.positions[4:].tolist()
    numbers, positions = made.padded(np.array([2, 0]))
    assert numbers.tolist() == [[10, 11], [6, 0]]
    assert positions[0].tolist() == made.positions[4:].tolist()
    assert positions[1, 0].tolist() == made.positions[0].tolist()


def test_those_of_the_package_are_there_and_say_whose_they_are() -> None:
    shipped = KnownCrystals.read(PACKAGE)
    assert len(shipped) > 10_000
    assert "Materials Project" in shipped.origin
    assert "CC BY 4.0" in shipped.origin


def arrays(**changes: Any) -> bytes:
    """Return the content of a file of two crystals with some arrays changed, or left out if None."""
    whole = {
        "format": np.array(1, np.uint8),
        "lattice": np.stack([5 * np.eye(3)] * 2),
        "count": np.array([1, 2], np.uint16),
        "numbers": np.array([6, 7, 8], np.uint8),
        "positions": np.zeros((3, 3), np.uint16),
        "kind": np.array([0, 0], np.uint32),
        "kinds": np.frombuffer(b"one", np.uint8),
        "names": np.frombuffer(b"a\nb", np.uint8),
        "origin": np.frombuffer(b"x", np.uint8),
    } | changes
    content = io.BytesIO()
    np.savez(content, **{name: values for name, values in whole.items() if values is not None})
    return content.getvalue()


def encrypted(archive: bytes) -> bytes:
    """Return a zip file whose directory says that its entries are encrypted."""
    content = bytearray(archive)
    for entry in re.finditer(rb"PK\x01\x02", archive):
        content[entry.start() + 8] |= 1
    return bytes(content)


class Mischief:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harm"),))


FOREIGN = {
    "empty": b"",
    "text": b"data_x",
    "pickle": pickle.dumps({"a": 1}),
    "half a file": arrays()[:200],
    "no positions": arrays(positions=None),
    "an object": arrays(names=np.array([Mischief()], dtype=object)),
    "another format": arrays(format=np.array(2, np.uint8)),
    "too few atoms": arrays(count=np.array([1, 1], np.uint16)),
    "too many atoms": arrays(count=np.array([1, 2000], np.uint16)),
    "no atoms": arrays(count=np.array([3, 0], np.uint16)),
    "a count below zero": arrays(count=np.array([4, -1])),
    "no such type": arrays(kind=np.array([0, 1], np.uint32)),
    "a type below zero": arrays(kind=np.array([0, -1])),
    "a name short": arrays(names=np.frombuffer(b"a", np.uint8)),
    "more types than crystals": arrays(kinds=np.frombuffer(b"one\ntwo\nthree", np.uint8)),
    "no such element": arrays(numbers=np.array([6, 7, 130], np.uint8)),
    "positions that are no numbers": arrays(positions=np.full((3, 3), np.nan)),
    "complex positions": arrays(positions=np.zeros((3, 3), complex)),
    "counts with fractions": arrays(count=np.array([1.0, 2.0])),
    "a tiny cell": arrays(lattice=np.stack([1e-9 * np.eye(3)] * 2)),
    "an encrypted file": encrypted(arrays()),
    "an array that claims more than there is": arrays().replace(b"(3, 3), }", b"(3, 3000000000000), }"),
    "a flat cell": arrays(lattice=np.zeros((2, 3, 3))),
    "a cell that is no number": arrays(lattice=np.full((2, 3, 3), np.nan)),
    "a huge cell": arrays(lattice=np.stack([1e30 * np.eye(3)] * 2)),
    "text for numbers": arrays(count=np.array(["1", "b"])),
    "no text": arrays(names=np.frombuffer(b"\xff\xfe\n\xff", np.uint8)),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_refused_in_one_line(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.npz").write_bytes(arrays())
    assert len(KnownCrystals.read(Path("own.npz"))) == 2
    Path("own.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"^starts\.known=own\.npz: .*phaselearn known") as refused:
        KnownCrystals.read(Path("own.npz"))
    assert "\n" not in str(refused.value)
    assert not Path("harm").exists()


def test_a_missing_file_and_one_that_unpacks_to_too_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for absent in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(UserError, match="there is no such file"):
            KnownCrystals.read(absent)
    (tmp_path / "own.npz").write_bytes(arrays())
    monkeypatch.setattr(known_crystals, "_LARGEST_FILE", 1000)
    with pytest.raises(UserError, match="unpacked"):
        KnownCrystals.read(tmp_path / "own.npz")
