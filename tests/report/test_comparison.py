"""Table 1 and the symmetry score of shown crystals: in files, in the page, and as numbers that mean something."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from report_samples import density_of, shown

from phaselearn.data.sources.shipped.alpha_f2 import alpha_f2
from phaselearn.data.sources.structure_type import space_group_operations
from phaselearn.report.comparison import compare
from phaselearn.report.comparison_tables import comparison_markdown, symmetry_rows, vector_rows
from phaselearn.report.content import ShownCrystal
from phaselearn.report.page import write_page


@pytest.fixture(scope="module")
def fluorine() -> ShownCrystal:
    """α-F₂ with a prediction that has its atoms elsewhere: another origin and the other hand."""
    structure = alpha_f2()
    positions = structure.frac_coords
    crystal = shown("F2", 4, structure.lattice.matrix, [9] * 4, positions.tolist(), 0.0)
    moved = density_of(crystal.lattice, crystal.numbers, (0.3 - positions) % 1, 0.35)
    return replace(crystal, truth=density_of(crystal.lattice, crystal.numbers, positions, 0.35), prediction=moved)


def without_atoms(crystal: ShownCrystal) -> np.ndarray:
    """A map with the crystal's symmetry and none of its atoms: two made-up atoms and their equivalents."""
    operations = SpacegroupAnalyzer(
        Structure(crystal.lattice, crystal.numbers, crystal.positions)
    ).get_space_group_operations()
    places = np.concatenate(
        [[operation.operate(place) for operation in operations] for place in ([0.2, 0.3, 0.15], [0.9, 0.6, 0.3])]
    )
    return density_of(crystal.lattice, np.full(len(places), 9), places % 1, 0.35)


def test_a_right_prediction_at_another_origin_is_right(fluorine: ShownCrystal) -> None:
    comparison = fluorine.comparison
    assert comparison.from_peaks.within_a_voxel == comparison.from_voxels.within_a_voxel == 6
    assert comparison.from_peaks.mean_deviation < 0.05
    assert comparison.from_voxels.mean_voxels < 1.0
    assert comparison.peaks_above == 4
    assert comparison.symmetry.prediction.min() > 0.99
    assert comparison.symmetry.truth.min() > 0.99


def test_symmetry_without_atoms_is_told_from_atoms(fluorine: ShownCrystal) -> None:
    """As in the report's U-Net: every operation is there, and the vectors are wrong."""
    crystal = replace(fluorine, prediction=without_atoms(fluorine))
    assert crystal.comparison.symmetry.prediction.min() > 0.99
    assert crystal.comparison.from_peaks.within_a_voxel <= 3
    assert crystal.comparison.from_peaks.mean_deviation > 0.3
    noise = np.random.default_rng(0).normal(size=fluorine.truth.shape)
    symmetry = replace(fluorine, prediction=noise).comparison.symmetry
    np.testing.assert_allclose(symmetry.prediction, symmetry.chance, atol=0.1)
    assert symmetry.prediction.max() < 0.3


def test_operations_are_those_of_pymatgen(rock_salt: ShownCrystal, fluorine: ShownCrystal) -> None:
    for crystal in (rock_salt, fluorine):
        structure = Structure(crystal.lattice, crystal.numbers, crystal.positions)
        expected = SpacegroupAnalyzer(structure).get_symmetry_operations()
        found = space_group_operations((crystal.lattice, crystal.positions, crystal.numbers))
        assert len(found) == len(expected) - 1
        for operation in found:
            moved = crystal.positions @ operation.rotation.T + operation.translation
            apart = (moved[:, None] - crystal.positions + 0.5) % 1 - 0.5
            assert (np.abs(apart).max(-1).min(1) < 1e-4).all()
    assert [(operation.kind, operation.triplet) for operation in found] == [
        ("−1", "-x, -y, -z"),
        ("2", "-y, -x, -z+1/2"),
        ("m", "y, x, z+1/2"),
    ]
    kinds = {
        operation.kind
        for operation in space_group_operations((rock_salt.lattice, rock_salt.positions, rock_salt.numbers))
    }
    assert kinds == {"t", "2", "3", "4", "−1", "m", "−3", "−4"}


def test_files_hold_every_vector_and_the_reports(fluorine: ShownCrystal, triclinic: ShownCrystal) -> None:
    rows = vector_rows([fluorine, triclinic])
    counts = {(row["formula"], row["maxima"]): 0 for row in rows}
    for row in rows:
        counts[row["formula"], row["maxima"]] += 1
    assert counts == {
        ("F2", "voxels"): 6,
        ("F2", "peaks"): 6,
        ("F2", "report"): 5,
        ("CaTiO2", "voxels"): 6,
        ("CaTiO2", "peaks"): 6,
    }
    report = [row for row in rows if row["maxima"] == "report"]
    assert [row["deviation_voxels"] for row in report] == pytest.approx([3**0.5, 3**0.5, 0, 3**0.5, 3**0.5])
    # P1 has no operation but the identity.
    assert [row["formula"] for row in symmetry_rows([fluorine, triclinic])] == ["F2"] * 3
    text = comparison_markdown([fluorine, triclinic])
    assert "| (6, 6, 9) | (7, 7, 8) | 1.7 |" in text
    assert text.count("mean of 6") == 2
    assert text.count("| mean of 3 | 1.00 | 1.00 |") == 1


def test_the_page_says_the_same(tmp_path: Path, fluorine: ShownCrystal, triclinic: ShownCrystal) -> None:
    path = tmp_path / "report.html"
    write_page(path, title="", facts={}, table=[], curves=None, crystals=[triclinic, fluorine], config_text="")
    _, first, second = path.read_text(encoding="utf-8").split("<script")[0].split("data-crystal=")
    assert "(15, 15, 15)" in second
    assert "(15, 15, 15)" not in first
    assert second.startswith('"1" hidden')
    assert "4 peaks above 70 % of the highest, where the crystal has 4 atoms" in second


def test_one_atom_and_no_map_are_no_mistake() -> None:
    lattice, density = np.eye(3) * 3, np.full((10, 10, 10), np.nan)
    comparison = compare(lattice, np.array([9]), np.zeros((1, 3)), np.ones((10, 10, 10)), density)
    assert comparison.from_peaks is None
    assert comparison.peaks_above == 0
    assert np.isnan(comparison.symmetry.prediction).all()
    two = compare(lattice, np.array([9, 8]), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), density, density)
    assert two.from_peaks.matched == two.from_voxels.matched == 0
