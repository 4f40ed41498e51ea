"""MTZ, XDS_ASCII, tables, and files of no kind."""

from __future__ import annotations

import gzip
from pathlib import Path

import gemmi
import numpy as np
import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers import read_reflections
from tests.measured.files import CELL, CIF_HEAD, INS, ROWS, assert_rows, cif_loop, hklf, write, write_mtz

XDS = """!FORMAT=XDS_ASCII    MERGE=FALSE    FRIEDEL'S_LAW=TRUE
!OUTPUT_FILE=XDS_ASCII.HKL        DATE=28-Nov-2026
!SPACE_GROUP_NUMBER=   14
!UNIT_CELL_CONSTANTS=     6.100     7.200     8.300  90.000 104.500  90.000
!X-RAY_WAVELENGTH=  0.710730
!NUMBER_OF_ITEMS_IN_EACH_DATA_RECORD=7
!ITEM_H=1
!ITEM_K=2
!ITEM_L=3
!ITEM_IOBS=4
!ITEM_SIGMA(IOBS)=5
!ITEM_XD=6
!ITEM_YD=7
!END_OF_HEADER
"""


def xds_rows(extra: str = "1.5 2.5") -> str:
    return "\n".join(f"{' '.join(map(str, row))} {extra}" for row in ROWS) + "\n"


def test_a_given_cell_stands_for_one_that_cannot_be_read(tmp_path: Path) -> None:
    """So the advice of the error works."""
    loop = cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")
    broken = [
        write(tmp_path, "a.cif", CIF_HEAD.replace("6.1000(12)", "6.1O") + loop),
        write(tmp_path, "b.hkl", hklf(), INS.replace("6.1 7.2", "1 1 1 ! 6.1 7.2")),
        write(tmp_path, "c.hkl", hklf(), INS.replace("6.1 7.2", "6.1 7,2")),
        write(tmp_path, "d.HKL", XDS.replace("104.500", "194.500") + xds_rows()),
        write(tmp_path, "e.HKL", XDS.replace("104.500", "104,500") + xds_rows()),
    ]
    for path in broken:
        with pytest.raises(UserError):
            read_reflections(path)
        assert_rows(read_reflections(path, cell=CELL))


def mtz_table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (np.array([row[index] for row in ROWS]) for index in (slice(0, 3), 3, 4))  # type: ignore[return-value]


@pytest.mark.parametrize("names", [("I", "SIGI"), ("IMEAN", "SIGIMEAN"), ("IOBS", "SIGIOBS"), ("J_crystal", "sd")])
def test_intensities_of_an_mtz(tmp_path: Path, names: tuple[str, str]) -> None:
    hkl, value, sigma = mtz_table()
    columns = {"FC": ("F", value), names[0]: ("J", value), names[1]: ("Q", sigma), "FREE": ("I", sigma)}
    data = read_reflections(write_mtz(tmp_path / "a.mtz", hkl, columns))
    assert_rows(data)
    assert data.experiment.cell == pytest.approx(CELL)
    assert data.experiment.wavelength == pytest.approx(0.71073)
    group = gemmi.GroupOps([gemmi.Op(one) for one in data.experiment.operations])
    assert gemmi.find_spacegroup_by_ops(group).xhm() == "P 1 21/c 1"


def test_friedel_mates_and_missing_values_of_an_mtz(tmp_path: Path) -> None:
    hkl, value, sigma = mtz_table()
    other = value + 1
    other[1] = np.nan
    columns = {"I(+)": ("K", value), "SIGI(+)": ("M", sigma), "I(-)": ("K", other), "SIGI(-)": ("M", sigma)}
    data = read_reflections(write_mtz(tmp_path / "a.mtz", hkl, columns))
    np.testing.assert_array_equal(data.hkl, np.concatenate((hkl, -hkl[[0, 2, 3]])))
    np.testing.assert_allclose(data.intensity, np.concatenate((value, other[[0, 2, 3]])), rtol=1e-6)


def test_amplitudes_of_an_mtz(tmp_path: Path) -> None:
    hkl, value, sigma = mtz_table()
    columns = {"FP": ("F", np.sqrt(np.abs(value))), "SIGFP": ("Q", sigma), "FC": ("F", value), "PHIC": ("P", value)}
    data = read_reflections(write_mtz(tmp_path / "a.mtz", hkl, columns))
    np.testing.assert_allclose(data.intensity, np.abs(value), rtol=1e-5)


def unmerged_mtz(tmp_path: Path) -> gemmi.Mtz:
    names = ("ZD", "RLP", "PEAK", "CORR", "MAXC", "PSI")
    items = "".join(f"!ITEM_{name}={place}\n" for place, name in enumerate(names, 8))
    header = XDS.replace("RECORD=7", "RECORD=13").replace("!END_OF_HEADER", f"{items}!END_OF_HEADER")
    path = write(tmp_path, "XDS_ASCII.HKL", header + xds_rows("1.5 2.5 3.5 0.01 100 50 10 20") + "!END_OF_DATA\n")
    return gemmi.read_xds_ascii(str(path)).to_mtz()


def test_an_unmerged_mtz_has_its_own_indices_back(tmp_path: Path) -> None:
    unmerged_mtz(tmp_path).write_to_file(str(tmp_path / "a.mtz"))
    data = read_reflections(tmp_path / "a.mtz")
    assert "unmerged" in data.source
    found = {tuple(row): value for row, value in zip(data.hkl.tolist(), data.intensity, strict=True)}
    assert found == pytest.approx({row[:3]: row[3] for row in ROWS}, rel=1e-6)


def test_parts_of_reflections_are_not_taken_for_reflections(tmp_path: Path) -> None:
    """Their mean would be a half or a third of the intensity."""
    mtz = unmerged_mtz(tmp_path)
    table = np.array(mtz.array, copy=True)
    table[:2, [column.label for column in mtz.columns].index("M/ISYM")] += 256
    mtz.set_data(table)
    mtz.write_to_file(str(tmp_path / "a.mtz"))
    with pytest.raises(UserError, match=r"a\.mtz: 2 rows of the unmerged MTZ are parts of reflections; .*aimless"):
        read_reflections(tmp_path / "a.mtz")


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:200],
        lambda whole: whole.replace(b"NCOL ", b"NCOL 9").replace(b"NCOL 9    ", b"NCOL 99999"),
        lambda whole: whole[:4] + b"\xff\xff\xff\x7f" + whole[8:],
        lambda whole: whole[: len(whole) // 2],
    ],
    ids=["cut off", "columns that are not there", "header beyond the end", "half"],
)
def test_a_damaged_mtz_is_one_line(tmp_path: Path, damage) -> None:
    hkl, value, sigma = mtz_table()
    path = write_mtz(
        tmp_path / "a.mtz", np.tile(hkl, (50, 1)), {"I": ("J", np.tile(value, 50)), "SIGI": ("Q", np.tile(sigma, 50))}
    )
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"a\.mtz: the MTZ"):
        read_reflections(path)


@pytest.mark.parametrize(
    "text",
    [
        XDS + xds_rows() + "!END_OF_DATA\n 1 1 1 5 5 5 5\n",
        XDS.replace("!FORMAT=XDS_ASCII    ", "!FORMAT=XDS_ASCII ").replace("MERGE=FALSE", "MERGE=TRUE") + xds_rows(),
        XDS.replace("!", "!  ").replace("=   ", "= ") + xds_rows(),
        XDS.replace("IOBS)=5", "IOBS)=6").replace("XD=6", "XD=5")
        + "\n".join(f"{' '.join(map(str, row[:4]))} 7.5 {row[4]} 2.5" for row in ROWS),
        XDS.replace("!ITEM_XD=6\n", "").replace("\n", "\r\n") + xds_rows("").replace("\n", "\r\n"),
    ],
    ids=["end of data", "merged", "blanks", "other columns", "CRLF"],
)
def test_dialects_of_xds(tmp_path: Path, text: str) -> None:
    data = read_reflections(write(tmp_path, "XDS_ASCII.HKL", text))
    assert_rows(data)
    assert data.experiment.cell == CELL
    assert data.experiment.wavelength == 0.71073
    assert len(data.experiment.operations) == 4


def test_what_xds_rejected_is_left_out(tmp_path: Path) -> None:
    data = read_reflections(write(tmp_path, "a.HKL", XDS + xds_rows() + " 3 0 1 500.0 -20.0 1.5 2.5\n"))
    assert_rows(data)
    assert data.warnings == ("1 of 5 rows were left out: XDS rejected them (σ < 0)",)


@pytest.mark.parametrize(
    ("names", "separator"),
    [("h,k,l,I,sigma", ","), ("H;K;L;Intensity;SigI", ";"), ("h k l Iobs esd", "  "), ("h\tk\tl\tFo2\tsu", "\t")],
)
def test_tables_with_names(tmp_path: Path, names: str, separator: str) -> None:
    lines = [separator.join(map(str, row)) for row in ROWS]
    path = write(tmp_path, "a.csv", "# from a colleague\n" + "\n".join([names, *lines]) + "\n")
    assert_rows(read_reflections(path, cell=CELL))


def test_a_table_without_sigma_or_intensity(tmp_path: Path) -> None:
    path = write(
        tmp_path, "a.csv", "h,k,l,F\n" + "\n".join(f"{h},{k},{index},{abs(v) ** 0.5}" for h, k, index, v, _ in ROWS)
    )
    data = read_reflections(path, cell=CELL)
    np.testing.assert_allclose(data.intensity, [abs(row[3]) for row in ROWS])
    assert "σ of 4 of 4 reflections is not known" in data.warnings[0]
    with pytest.raises(UserError, match="no column of intensities or amplitudes among ‘h, k, l, phase’"):
        read_reflections(write(tmp_path, "b.csv", "h,k,l,phase\n1,0,0,1\n"), cell=CELL)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "an empty file"),
        ("once upon a time\n", "a format that is not known"),
        (INS, "instructions, no reflections"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_reflections(write(tmp_path, "a.txt", text))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"No such file or directory: .*absent\.hkl"):
        read_reflections(tmp_path / "absent.hkl")
    for folder in (tmp_path, "."):
        with pytest.raises(UserError, match="a folder; name a file of reflections"):
            read_reflections(folder)


def test_a_packed_mtz_says_how_to_unpack_it(tmp_path: Path) -> None:
    hkl, value, sigma = mtz_table()
    path = write_mtz(tmp_path / "a.mtz", hkl, {"I": ("J", value), "SIGI": ("Q", sigma)})
    packed = tmp_path / "a.mtz.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(UserError, match=r"a packed MTZ; unpack it with `gunzip -k .*a\.mtz\.gz`"):
        read_reflections(packed)
