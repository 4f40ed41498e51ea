"""CIF, in the names of the core dictionary."""

from __future__ import annotations

from collections.abc import Sequence

import gemmi

from phaselearn.structure.candidate import Candidate

_RADIATION = {"xray": "x-ray", "electron": "electron", "neutron": "neutron"}
_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")


def cif_text(candidate: Candidate, name: str) -> str:
    """Return a CIF with one block.

    Args:
        candidate: the structure; its cell, axes and operations are written as they are.
        name: name of the block; characters that a CIF does not allow there become `_`.
    """
    document = gemmi.cif.Document()
    block = document.add_new_block("".join(letter if letter.isalnum() else "_" for letter in name) or "structure")
    group, fit = candidate.space_group, candidate.fit
    _put(block, "_audit_creation_method", "PhaseLearn")
    _put(block, "_chemical_formula_sum", candidate.formula)
    _put(block, "_cell_formula_units_Z", candidate.units)
    for key, value in zip(_CELL, candidate.cell, strict=True):
        _put(block, f"_cell_{key}", f"{value:.4f}")
    _put(block, "_cell_volume", f"{gemmi.UnitCell(*candidate.cell).volume:.2f}")
    _put(block, "_space_group_IT_number", group.number)
    if group.is_tabulated:
        _put(block, "_space_group_name_H-M_alt", group.symbol.replace(":", " :"))
    else:
        _put(block, "_space_group_name_H-M_ref", group.symbol.replace(":", " :"))
    _loop(block, "_space_group_symop_", ("operation_xyz",), [(triplet,) for triplet in group.triplets])
    _put(block, "_diffrn_radiation_probe", _RADIATION[candidate.probe])
    if candidate.wavelength:
        _put(block, "_diffrn_radiation_wavelength", f"{candidate.wavelength:.5f}")
    _put(block, "_refine_ls_structure_factor_coef", "Fsqd")
    _put(block, "_refine_ls_matrix_type", "full")
    _put(block, "_refine_ls_weighting_details", f"w=1/[s^2^(Fo^2^)+({fit.weight_a:g}P)^2^+{fit.weight_b:g}P] "
         "where P=(Fo^2^+2Fc^2^)/3")  # fmt: skip
    for key, number in (
        ("number_reflns", fit.reflections),
        ("number_parameters", fit.parameters),
        ("R_factor_gt", f"{fit.r1:.4f}"),
        ("R_factor_all", f"{fit.r1_all:.4f}"),
        ("wR_factor_ref", f"{fit.wr2:.4f}"),
        ("goodness_of_fit_ref", f"{fit.goodness:.3f}"),
    ):
        _put(block, f"_refine_ls_{key}", number)
    if candidate.flack is not None:
        _put(block, "_refine_ls_abs_structure_Flack", f"{candidate.flack[0]:.3f}({round(1000 * candidate.flack[1])})")
    _put(block, "_refine_diff_density_max", f"{fit.largest_peak:.3f}")
    _put(block, "_refine_diff_density_min", f"{fit.deepest_hole:.3f}")
    if candidate.notes:
        _put(block, "_publ_section_comment", "; ".join((candidate.hand, *candidate.notes)))
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "U_iso_or_equiv", "adp_type", "occupancy")
    rows = [
        (
            *(atom.label, atom.element, *(f"{value:.5f}" for value in atom.xyz)),
            *(f"{atom.u_iso:.4f}", "Uiso", f"{atom.occupancy:g}", str(atom.multiplicity)),
        )
        for atom in candidate.atoms
    ]
    _loop(block, "_atom_site_", (*columns, "site_symmetry_multiplicity"), rows)
    return document.as_string()


def _put(block: gemmi.cif.Block, tag: str, value: str | int) -> None:
    block.set_pair(tag, gemmi.cif.quote(str(value)))


def _loop(block: gemmi.cif.Block, prefix: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    loop = block.init_loop(prefix, list(columns))
    for row in rows:
        loop.add_row([gemmi.cif.quote(value) for value in row])
