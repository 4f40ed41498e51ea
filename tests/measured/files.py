"""Files of reflections, written as the programs of the trade write them."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np

from phaselearn.measured.cells import Cell
from phaselearn.measured.reflection_data import ReflectionData

Row = tuple[int, int, int, float, float]

CELL: Cell = (6.1, 7.2, 8.3, 90.0, 104.5, 90.0)
INS = """TITL a crystal in P21/c
CELL 0.71073 6.1 7.2 8.3 90 104.5 90
ZERR 4 0.001 0.001 0.001 0 0.01 0
LATT 1
SYMM -X, 0.5+Y, 0.5-Z
SFAC C H O
UNIT 16 24 8
HKLF 4
END
"""
CALCITE_HEAD = """TITL calcite ! with a comment
CELL 0.71073 4.99 4.99 17.06 90 90 120
ZERR 6 0.001 0.001 0.001 0 0 0
LATT 3
SYMM -Y, X-Y, Z
SYMM -X+Y, -X, Z
SYMM Y, X, -Z+1/2
SYMM X-Y, -Y, -Z+1/2
SYMM -X, -X+Y, -Z+1/2
SFAC Ca C O
UNIT 6 6 18
"""
CIF_HEAD = """data_crystal
_cell_length_a 6.1000(12)
_cell_length_b 7.2000(14)
_cell_length_c 8.3000(16)
_cell_angle_alpha 90
_cell_angle_beta 104.50(3)
_cell_angle_gamma 90
_diffrn_radiation_wavelength 0.71073
_chemical_formula_sum 'C4 H6 O2'
_cell_formula_units_Z 4
loop_
_space_group_symop_operation_xyz
'x, y, z'
'-x, y+1/2, -z+1/2'
'-x, -y, -z'
'x, -y+1/2, z+1/2'
"""
# h, k, l, intensity, σ: the reflections of most tests.
ROWS = [(1, 0, 0, 1204.15, 20.35), (-10, 3, -12, 0.35, 0.52), (0, 2, 0, 99999.99, 812.0), (2, -1, 4, -0.61, 0.44)]


def hklf(rows: list[Row] = ROWS, batch: int | None = None, end: bool = True) -> str:
    """Return the lines of HKLF 4 in fixed columns."""
    tail = "" if batch is None else f"{batch:4d}"
    lines = ["{:4d}{:4d}{:4d}{:8.2f}{:8.2f}".format(*row) + tail for row in rows]
    return "\n".join([*lines, *(["   0   0   0    0.00    0.00"] if end else [])]) + "\n"


def cif_loop(prefix: str, value: str, sigma: str, rows: list[Row] = ROWS) -> str:
    """Return a loop of reflections of a CIF."""
    tags = [f"{prefix}index_{index}" for index in "hkl"] + [prefix + value, prefix + sigma]
    lines = [" ".join(map(str, row)) for row in rows]
    return "\n".join(["loop_", *tags, *lines]) + "\n"


def write(folder: Path, name: str, text: str, ins: str | None = None) -> Path:
    """Write a file, and the instructions beside it."""
    path = folder / name
    path.write_text(text)
    if ins is not None:
        path.with_suffix(".ins").write_text(ins)
    return path


def write_mtz(
    path: Path,
    hkl: np.ndarray,
    columns: dict[str, tuple[str, np.ndarray]],
    cell: Cell = CELL,
    group: str = "P 1 21/c 1",
) -> Path:
    """Write a merged MTZ of columns {label: (type, values)} by gemmi."""
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup(group)
    mtz.set_cell_for_all(gemmi.UnitCell(*cell))
    dataset = mtz.add_dataset("measured")
    dataset.wavelength = 0.71073
    for label, (kind, _) in columns.items():
        mtz.add_column(label, kind)
    table = np.column_stack([hkl, *(values for _, values in columns.values())]).astype(np.float32)
    mtz.set_data(table)
    mtz.write_to_file(str(path))
    return path


def assert_rows(data: ReflectionData, rows: list[Row] = ROWS) -> None:
    """The reflections are those of a list, in its order."""
    np.testing.assert_array_equal(data.hkl, [row[:3] for row in rows])
    np.testing.assert_allclose(data.intensity, [row[3] for row in rows], rtol=1e-6)
    np.testing.assert_allclose(data.sigma, [row[4] for row in rows], rtol=1e-6)
