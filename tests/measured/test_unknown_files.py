"""Lists behind a title, and files of formats that are not read: one line says what they are and what helps."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers import read_reflections
from tests.measured.files import CELL, ROWS, assert_rows, hklf, write

FREE = "\n".join(" ".join(map(str, row)) for row in ROWS) + "\n"


@pytest.mark.parametrize(
    "title",
    ["My crystal in P21/c\n", "# comment\n#\n", "TITL a\nREM b\n\n", "# of Monday\nMüller's\n", "data of Monday\n"],
)
@pytest.mark.parametrize("text", [hklf(), FREE], ids=["fixed", "free"])
def test_a_title_before_a_list_is_left_out_and_named(tmp_path: Path, title: str, text: str) -> None:
    data = read_reflections(write(tmp_path, "a.hkl", title + text), cell=CELL)
    assert_rows(data)
    told = [line for line in title.splitlines() if line and not line.startswith("#")]
    assert len(data.warnings) == len(told)
    assert all("stands before the reflections" in warning for warning in data.warnings)


def test_the_lines_behind_a_title_keep_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "a.hkl", "TITL a\n# b\n" + hklf(end=False) + "   1   0   x   12.34    0.50\n")
    with pytest.raises(UserError, match=r"a\.hkl, line 7: "):
        read_reflections(path, cell=CELL)


@pytest.mark.parametrize(
    "head",
    [
        "# hh kk ll F sF\n",
        "index_h index_k index_l F sF\n",
        "first line\nsecond line\n",
        "   1   0   x   12.34    0.50\n",
        "1.0 2.0 words\n",
    ],
    ids=["names", "names without #", "two titles", "damaged reflection", "numbers and words"],
)
def test_other_lines_before_a_list_are_refused(tmp_path: Path, head: str) -> None:
    """Names may be those of amplitudes, and numbers a reflection."""
    with pytest.raises(UserError, match=r"a\.txt, line 1: a format that is not known: ‘.*’ is not a reflection"):
        read_reflections(write(tmp_path, "a.txt", head + FREE), cell=CELL)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (FREE.replace(" ", ","), "a table without names of columns; name them, F in place of I"),
        (FREE.replace(" ", ";").replace(".", ","), "a table without names of columns; name them, F in place of I"),
        (FREE.replace(" ", ",").replace("\n", ",7\n"), "a table without names of columns; name them, F in place of I"),
        ("Data block1\n lambda 0.71\nend\n" + FREE, "‘Data block1’ .* if the list begins with line 4, `tail -n"),
    ],
    ids=["commas", "decimal commas", "a batch number", "other header"],
)
def test_the_command_of_the_error_mends_the_file(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, "it's a.txt", text)
    with pytest.raises(UserError, match=told) as caught:
        read_reflections(path, cell=CELL)
    [mend] = re.findall(r"`(.*)`", str(caught.value))
    subprocess.run(mend, shell=True, check=True, cwd=tmp_path)
    assert_rows(read_reflections(tmp_path / "new.txt", cell=CELL))


def test_a_list_without_sigma_is_read_once_its_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.hkl", "".join(f"{h:4d}{k:4d}{index:4d}{v:8.2f}\n" for h, k, index, v, _ in ROWS[:2]))
    with pytest.raises(UserError, match=r"a table without names of columns; .*`\(echo h k l I; cat "):
        read_reflections(path, cell=CELL)
    path.write_text("h k l I\n" + path.read_text())
    assert read_reflections(path, cell=CELL).hkl.tolist() == [list(row[:3]) for row in ROWS[:2]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "    1\n -987\n 6.1 7.2 8.3 90. 104.5 90. p21/c\n   1   0   0  1204.2    20.4\n",
            "SCALEPACK.* `pointless scain",
        ),
        ("    4 P21/c\n  1  0  0  1  0  0     1 0 0  1  1204.2    20.4\n", "SCALEPACK.* `pointless scain"),
        ("!OUTPUT_FILE=INTEGRATE.HKL\n!ITEM_H=1\n 1 0 0 1204.2 20.4 1 2 3\n", "an output of XDS other than XDS_ASCII"),
        ("\x00\x01\x02 binary", "a format that is not known, and no text"),
    ],
    ids=["merged SCALEPACK", "SCALEPACK", "INTEGRATE.HKL", "binary"],
)
def test_formats_of_other_programs_are_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_reflections(write(tmp_path, "a.sca", text), cell=CELL)
