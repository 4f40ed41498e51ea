"""Line ends, byte order marks and packings: they change nothing, or are named."""

from __future__ import annotations

import bz2
import io
import lzma
import shlex
import subprocess
import zipfile
from pathlib import Path

import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers import read_reflections
from phaselearn.measured.readers import text as text_module
from tests.measured.files import CELL, CIF_HEAD, INS, ROWS, assert_rows, cif_loop, hklf, write
from tests.measured.test_other_files import XDS, xds_rows

BOM = b"\xef\xbb\xbf"
TEXTS = {
    "a.hkl": hklf(),
    "a.cif": CIF_HEAD + cif_loop("_refln_", "F_squared_meas", "F_squared_sigma"),
    "XDS_ASCII.HKL": XDS + xds_rows(),
    "a.csv": "h,k,l,I,sigma\n" + "\n".join(",".join(map(str, row)) for row in ROWS) + "\n",
}


@pytest.mark.parametrize("end", [b"\r", b"\r\n"], ids=["old Mac", "Windows"])
@pytest.mark.parametrize("mark", [b"", BOM], ids=["no mark", "BOM"])
@pytest.mark.parametrize("name", TEXTS)
def test_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path, name: str, mark: bytes, end: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(mark + TEXTS[name].encode().replace(b"\n", end))
    path.with_suffix(".ins").write_bytes(mark + INS.removeprefix("TITL a crystal in P21/c\n").encode())
    data = read_reflections(path, ins=path.with_suffix(".ins"))
    assert_rows(data)
    assert data.experiment.cell == CELL


@pytest.mark.parametrize("size", [1, 2, 7, 30])
def test_a_line_end_that_two_pieces_share_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """The number of a line in an error shows how many there were before it."""
    monkeypatch.setattr(text_module, "_PIECE", size)
    path = tmp_path / "a.hkl"
    path.write_bytes(hklf(end=False).replace("\n", "\r\n").encode() * 3 + b"   1   0   x   12.34    0.50\r\n")
    with pytest.raises(UserError, match="line 13: "):
        read_reflections(path, cell=CELL)


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-be"])
def test_utf_16_is_named_and_the_command_converts_it(tmp_path: Path, coding: str) -> None:
    path = tmp_path / "it's a.hkl"
    path.write_bytes(("" if coding == "utf-16" else "\ufeff").encode(coding) + hklf().encode(coding))
    with pytest.raises(UserError, match="text in UTF-16; convert it with `iconv") as caught:
        read_reflections(path, cell=CELL)
    subprocess.run(str(caught.value).split("`")[1], shell=True, check=True, cwd=tmp_path)
    assert_rows(read_reflections(tmp_path / "new.hkl", cell=CELL))


@pytest.mark.parametrize(("name", "program"), [("a.zip", "unzip"), ("a.bz2", "bunzip2"), ("a.xz", "unxz")])
def test_other_packings_are_named_with_the_command_that_unpacks_them(tmp_path: Path, name: str, program: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.hkl", hklf())
    packed = {"a.zip": archive.getvalue(), "a.bz2": bz2.compress(hklf().encode()), "a.xz": lzma.compress(b"h k l")}
    (tmp_path / name).write_bytes(packed[name])
    with pytest.raises(UserError, match=f"unpack it with `{program} .*{shlex.quote(name)}`"):
        read_reflections(tmp_path / name, cell=CELL)


@pytest.mark.parametrize("junk", [b"", b"\n", b"once upon a time\n", "CELL".encode("utf-16"), b"CELL\n"])
def test_instructions_that_are_none_do_not_matter_where_a_cell_is_given(tmp_path: Path, junk: bytes) -> None:
    path = write(tmp_path, "a.hkl", hklf())
    (tmp_path / "a.ins").write_bytes(junk)
    with pytest.raises(UserError, match=r"a\.ins: .*cell=|a\.ins: text in UTF-16"):
        read_reflections(path)
    data = read_reflections(path, cell=CELL)
    assert_rows(data)
    assert any("a.ins: " in warning for warning in data.warnings)


def test_instructions_without_a_cell_are_named_and_still_say_how_to_read(tmp_path: Path) -> None:
    path = write(tmp_path, "a.hkl", hklf(), INS.replace("CELL", " CELL").replace("HKLF 4", "HKLF 4 2"))
    with pytest.raises(UserError, match=r"a\.ins: no line begins with CELL; name an .ins, or give `cell="):
        read_reflections(path)
    assert_rows(read_reflections(path, cell=CELL), [(*row[:3], 2 * row[3], 2 * row[4]) for row in ROWS])


@pytest.mark.parametrize(
    "cell",
    ["6.1(2) 7.2(3) 8.3(1) 90 104.5(2) 90", "6.1 7.2 =\n 8.3 90 104.5 90", "6.1\t7.2\t8.3 90 104.5 90"],
)
def test_a_cell_with_uncertainties_or_on_two_lines_is_one(tmp_path: Path, cell: str) -> None:
    ins = INS.replace("6.1 7.2 8.3 90 104.5 90", cell)
    assert read_reflections(write(tmp_path, "a.hkl", hklf(), ins)).experiment.cell == CELL


def test_what_instructions_say_is_told_beside_a_table_too(tmp_path: Path) -> None:
    ins = write(tmp_path, "a.ins", INS.replace("HKLF 4", "TWIN 0 1 0 1 0 0 0 0 -1\nHKLF 4"))
    data = read_reflections(write(tmp_path, "a.csv", TEXTS["a.csv"]), ins=ins)
    assert [one.partition(":")[0] for one in data.warnings] == ["TWIN is stated"]
