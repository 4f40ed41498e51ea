"""CIFs that the tests of symmetry write, and what the reader makes of them."""

from __future__ import annotations

from pathlib import Path

from phaselearn.data.structures import Crystal
from tests.data.sources.readers.structures import read, reasons


def said(folder: Path, text: str) -> str:
    """Return the formula of a CIF, or why it is left out."""
    (folder / "a.cif").write_text(text)
    return reasons(folder)["a.cif"]


def found(folder: Path, text: str) -> tuple[int, int] | str:
    """Return the atoms and the space group of a CIF, or why it is left out."""
    (folder / "a.cif").write_text(text)
    [entry] = read(folder)
    return (len(entry.numbers), entry.space_group) if isinstance(entry, Crystal) else entry.reason


def written(cell: str, symmetry: str, sites: str, stated: str = "") -> str:
    """Return a CIF; the cell is six numbers, sites are lines of a label and three coordinates."""
    tags = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    cells = "\n".join(f"_cell_{tag} {value}" for tag, value in zip(tags, cell.split(), strict=True))
    columns = "\n".join(f"_atom_site_{name}" for name in ("label", "fract_x", "fract_y", "fract_z"))
    return f"data_a\n{cells}\n{stated}\n{symmetry}\nloop_\n{columns}\n{sites}\n"


def operations(*triplets: str) -> str:
    """Return the loop that lists these operations."""
    return "loop_\n_symmetry_equiv_pos_as_xyz\n" + "\n".join(f"'{triplet}'" for triplet in triplets)
