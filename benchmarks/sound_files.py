"""Sound files of structures in every format, which `mutations` damages."""

from __future__ import annotations

import json

_SALT = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0.5], [0, 0, 0.5], [0, 0.5, 0], [0.5, 0, 0]]
_ROW = {
    "id": "salt",
    "lattice": [[5.64, 0, 0], [0, 5.64, 0], [0, 0, 5.64]],
    "species": ["Na"] * 4 + ["Cl"] * 4,
    "frac_coords": _SALT,
    "formula": "NaCl",
    "prototype": "AB_225_a_b",
    "spacegroup": 225,
}
_QUARTZ = {
    "lattice": [[4.91, 0, 0], [-2.455, 4.2522, 0], [0, 0, 5.4]],
    "species": ["Si"] * 3 + ["O"] * 6,
    "frac_coords": [
        *([0.4697, 0, 0.3333], [0, 0.4697, 0.6667], [0.5303, 0.5303, 0]),
        *([0.4135, 0.2669, 0.4525], [0.7331, 0.1466, 0.7858], [0.8534, 0.5865, 0.1192]),
        *([0.2669, 0.4135, 0.5475], [0.1466, 0.7331, 0.2142], [0.5865, 0.8534, 0.8808]),
    ],
}


def _structure(row: dict) -> dict:
    sites = [
        {"species": [{"element": symbol, "occu": 1}], "abc": position, "properties": {}, "label": symbol}
        for symbol, position in zip(row["species"], row["frac_coords"], strict=True)
    ]
    parameters = {"a": 5.64, "b": 5.64, "c": 5.64, "alpha": 90.0, "beta": 90.0, "gamma": 90.0}
    lattice = {"matrix": row["lattice"], "pbc": [True] * 3} if row is _QUARTZ else parameters
    return {"@module": "pymatgen.core.structure", "@class": "Structure", "lattice": lattice, "sites": sites}


def _poscar(row: dict, scale: str, mode: str, factor: float = 1.0) -> str:
    kinds = list(dict.fromkeys(row["species"]))
    amounts = [row["species"].count(kind) for kind in kinds]
    flags = " T T F" if mode.startswith("Selective") else ""
    return "\n".join(
        [
            "made up",
            scale,
            *(" ".join(map(str, vector)) for vector in row["lattice"]),
            *(" ".join(kinds), " ".join(map(str, amounts)), mode),
            *(" ".join(str(factor * value) for value in position) + flags for position in row["frac_coords"]),
            "",
        ]
    )


def _extxyz(row: dict) -> str:
    lattice = " ".join(str(value) for vector in row["lattice"] for value in vector)
    atoms = [
        f"{symbol} "
        + " ".join(f"{sum(x * v[axis] for x, v in zip(p, row['lattice'], strict=True)):.6f}" for axis in range(3))
        for symbol, p in zip(row["species"], row["frac_coords"], strict=True)
    ]
    heading = f'Lattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="T T T" energy=-1.0'
    return "\n".join([str(len(atoms)), heading, *atoms, ""])


def _cif(group: str, cell: tuple, sites: str, operations: tuple[str, ...] = ()) -> str:
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = [f"_cell_{name} {value}" for name, value in zip(names, cell, strict=True)]
    if operations:
        lines += ["loop_", "_space_group_symop_operation_xyz", *(f"'{operation}'" for operation in operations)]
    columns = [f"_atom_site_{name}" for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")]
    return "\n".join(["data_x", *lines, f"_space_group_name_H-M_alt '{group}'", "loop_", *columns, sites, ""])


_CIF_SALT = _cif("F m -3 m", (5.64, 5.64, 5.64, 90, 90, 90), "Na1 Na 0 0 0 1\nCl1 Cl+ 0.5 0.5 0.5 1")
_CIF_TRICLINIC = _cif(
    *("P -1", (5.3, 6.1, 7.2, 91, 98, 102), "C1 C 0.11 0.07 0.05 1\nN1 N 0.3 0.2 0.1 1\n"),
    ("x,y,z", "-x,-y,-z"),
)
_JSONL = (
    "\n".join(
        json.dumps(row) for row in (_ROW, _QUARTZ, _ROW | {"id": "again", "lattice": [[6, 0, 0], [0, 6, 0], [0, 0, 6]]})
    )
    + "\n"
)

# Names as users give them, by what the file holds.
SOUND: dict[str, list[tuple[str, str]]] = {
    "cif": [
        ("a.cif", _CIF_SALT),
        ("b.cif", _CIF_TRICLINIC),
        ("c.cif", _CIF_SALT + _CIF_TRICLINIC.replace("data_x", "data_y")),
    ],
    "poscar": [
        ("POSCAR", _poscar(_ROW, "1.0", "Direct")),
        ("a.vasp", _poscar(_QUARTZ, "-112.7", "Cartesian", 4.0)),
        ("CONTCAR", _poscar(_ROW, "1.0 1.0 1.1", "Selective dynamics\nDirect")),
    ],
    "json lines": [("a.jsonl", _JSONL), ("b.jsonl", _JSONL.replace("\n", "\r\n"))],
    "pymatgen json": [
        ("a.json", json.dumps(_structure(_ROW))),
        ("b.json", json.dumps([{"structure": _structure(_QUARTZ), "energy": -1.0}, {"x": _structure(_ROW)}])),
        ("c.json", json.dumps({"mp-1": _structure(_QUARTZ)}, indent=1)),
    ],
    "extxyz": [("a.extxyz", _extxyz(_ROW)), ("b.xyz", _extxyz(_QUARTZ) + _extxyz(_ROW))],
}
