"""The small inputs of ../shared/cases that went wrong once, each with what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from phaselearn.data.structures import LeftOut
from tests.data.sources.readers.structures import read

NO_CELL = "no cell"
UNREAD = "operations that cannot be read"
UNFIT = "operations that do not fit the cell"
NO_GROUP = "operations that form no group"
OPEN = "origin that the file leaves open"
FORMULA = "atoms that do not add up to the stated formula"
UNITS = "atoms that do not add up to Z"
FAR = "position more than 10,000 cells from the origin"
INVALID = "not valid CIF"
NACL = ("NaCl", 2, 47)

# Of each file its entries: the cause, or formula, atoms and space group.
EXPECTED: dict[str, list[str | tuple[str, int, int]]] = {
    **{f"hang/{name}.cif": [NO_CELL] for name in ("a_angles390", "b_angle_triangle", "c_angle0", "d_angle180")},
    **{f"hang/{name}.cif": [NO_CELL] for name in ("g_edge1e308", "h_radians", "i_angle_typo", "j_gamma_negative")},
    "hang/e_coord_1e308.cif": [FAR],
    "hang/f_coord_inf.cif": ["atoms without positions"],
    "hang/k_coord_1e20.cif": [FAR],
    "block-lost/angle0_then_good.cif": [NACL, NO_CELL, NACL],
    "block-lost/badop_then_good.cif": [UNREAD, NACL],
    "block-lost/formula0_then_good.cif": [FORMULA, NACL],
    "block-lost/formula_only_X.cif": [FORMULA, NACL],
    "block-lost/huge_coord.cif": ["atoms without positions", NACL],
    "block-lost/label_only_digits.cif": ["unknown element", NACL],
    "block-lost/missing_y_then_good.cif": ["atoms without positions", NACL],
    "block-lost/number999_then_good.cif": ["no symmetry operations", NACL],
    "block-lost/opword_then_good.cif": [UNREAD, NACL],
    "rhombo-number/as.cif": [("As", 2, 166)],
    "rhombo-number/gete.cif": [("GeTe", 2, 160)],
    "rhombo-number/gete_name.cif": [("GeTe", 2, 160)],
    "rhombo-number/name.cif": [("Bi2Se3", 5, 166)],
    "rhombo-number/nameH_hexcell.cif": [("Bi2Se3", 15, 166)],
    "rhombo-number/nameR.cif": [("Bi2Se3", 5, 166)],
    "rhombo-number/nameRs.cif": [("Bi2Se3", 5, 166)],
    "rhombo-number/name_monoclinic_c.cif": [("ZrO2", 12, 14)],
    "rhombo-number/num.cif": [("Bi2Se3", 5, 166)],
    "rhombo-number/ops_of_other_axes.cif": [UNFIT],
    "origin-choice/P4nmm_o2.cif": [("FeSe", 4, 129)],
    "origin-choice/anatase_o2.cif": [("TiO2", 12, 141)],
    "origin-choice/diamond_o2.cif": [OPEN],
    "origin-choice/diamond_o2_Z.cif": [("C", 8, 227)],
    "origin-choice/diamond_o2_colon.cif": [("C", 8, 227)],
    "origin-choice/diamond_o2_num.cif": [("C", 8, 227)],
    "origin-choice/spinel_o2.cif": [("MgAl2O4", 56, 227)],
    "ops-only-identity/nocentring.cif": [NO_GROUP],
    "ops-only-identity/p1_full_leftover_name.cif": [("NaCl", 8, 225)],
    "ops-only-identity/salt.cif": [UNITS],
    "ops-unquoted/coord_unicode_minus.cif": [INVALID],
    "ops-unquoted/decimals.cif": [UNFIT],
    **{
        f"ops-unquoted/{name}.cif": [UNREAD]
        for name in ("int_mult", "p-1_far", "p1", "p1_far", "p21c", "semicolons", "spaces_only", "two_parts")
    },
    "ops-unquoted/unicode_minus.cif": [UNREAD],
    "ops-unquoted/withid.cif": [UNREAD],
    "broken-group/rounded_thirds.cif": [("InSe", 12, 169)],
    "broken-group/trunc_thirds.cif": [NO_GROUP],
    "mixed-valence/charge0.cif": [("C", 8, 227)],
    "mixed-valence/cval.cif": [("C", 8, 227)],
    "mixed-valence/deuterium_iso.cif": [("H2O2", 2, 1)],
    "mixed-valence/fe3o4.cif": [("Fe3O4", 56, 227)],
    "mixed-valence/plus_first.cif": [("Fe3O4", 56, 227)],
    "mixed-valence/roman.cif": [("Fe3O4", 56, 227)],
    "mixed-valence/siva.cif": [("Si", 8, 227)],
    "mixed-valence/type_is_label.cif": [("Fe3O4", 56, 227)],
    **{f"cif-misc/{name}.cif": [NACL] for name in ("cartn", "dotted", "mol_label", "nolabelcols", "upper")},
    "cif-misc/dup_block.cif": [NACL, ("KCl", 2, 47)],
    "cif-misc/dup_tag.cif": [INVALID],
    "cif-misc/formula_comma.cif": [FORMULA],
    "cif-misc/formula_nospace.cif": [FORMULA],
    "cif-misc/formula_paren.cif": [FORMULA],
    "cif-misc/fractions.cif": [("NaCl", 2, 6)],
    "cif-misc/occ_mult.cif": [("FeCl", 2, 47)],
    "cif-misc/occ_over.cif": ["atoms closer than 0.5 Å"],  # Fe and Mn on one place
    "cif-misc/occ_shelx.cif": ["occupancies above 1"],
    "cif-misc/offcentre.cif": [FORMULA],
    "cif-misc/same_element_overlap.cif": ["atoms closer than 0.5 Å"],
    "cif-misc/short_loop.cif": [INVALID],
    "cif-misc/splitsite009.cif": ["partial occupancy"],
    "cif-misc/two_atom_loops.cif": [INVALID],
    "cif-misc/unquoted_hm.cif": [INVALID],
    "cif-misc/zero_formula.cif": [FORMULA, NACL],
    "both-halves/dimer.cif": [UNITS],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_case(shared_cases: Path, name: str) -> None:
    entries = [
        entry.cause if isinstance(entry, LeftOut) else (entry.formula, len(entry.numbers), entry.space_group)
        for entry in read(shared_cases / name)
    ]
    assert entries == EXPECTED[name]


def test_every_cif_of_the_cases_is_looked_at(shared_cases: Path) -> None:
    folders = {name.partition("/")[0] for name in EXPECTED}
    there = {path for folder in folders for path in (shared_cases / folder).glob("*.cif")}
    assert {str(path.relative_to(shared_cases)) for path in there} == set(EXPECTED)
