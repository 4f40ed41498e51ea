"""Which columns of an MTZ are measured: their types say it, not their names alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers import read_reflections
from tests.measured.files import ROWS, write_mtz
from tests.measured.test_other_files import mtz_table

HKL, VALUE, SIGMA = mtz_table()
AMPLITUDE = np.sqrt(np.abs(VALUE))


@pytest.mark.parametrize("form", ["I-obs({})", "IOBS({})", "I_xds({})", "I{}"])
@pytest.mark.parametrize("order", ["+-", "-+", "+"])
def test_friedel_mates_of_any_name(tmp_path: Path, form: str, order: str) -> None:
    values = {"+": VALUE, "-": VALUE + 1}
    columns: dict[str, tuple[str, np.ndarray]] = {"FC": ("F", VALUE), "PHIC": ("P", VALUE)}
    for sign in order:
        columns |= {form.format(sign): ("K", values[sign]), f"SIG{form.format(sign)}": ("M", SIGMA)}
    data = read_reflections(write_mtz(tmp_path / "a.mtz", HKL, columns))
    expected = [VALUE, VALUE + 1] if "-" in order else [VALUE]
    np.testing.assert_array_equal(data.hkl, np.concatenate([HKL, -HKL][: len(expected)]))
    np.testing.assert_allclose(data.intensity, np.concatenate(expected), rtol=1e-6)
    np.testing.assert_allclose(data.sigma, np.tile(SIGMA, len(expected)), rtol=1e-6)


def test_amplitudes_of_friedel_mates(tmp_path: Path) -> None:
    columns = {
        "F-obs(+)": ("G", AMPLITUDE),
        "SIGF-obs(+)": ("L", SIGMA),
        "F-obs(-)": ("G", AMPLITUDE),
        "SIGF-obs(-)": ("L", SIGMA),
    }
    data = read_reflections(write_mtz(tmp_path / "a.mtz", HKL, columns))
    np.testing.assert_allclose(data.intensity, np.tile(np.abs(VALUE), 2), rtol=1e-5)


@pytest.mark.parametrize(
    "names",
    [
        *("2FOFCWT PH2FOFCWT", "F_calc PHIF_calc", "FC PHIC", "FWT PHWT", "mFo-DFc PHIB", "F-model PHIF-model"),
        *("F PHI", "anything PHI", "FP PHIB"),
    ],
)
def test_calculated_amplitudes_and_those_of_maps_are_not_measured(tmp_path: Path, names: str) -> None:
    label, phase = names.split()
    columns = {label: ("F", AMPLITUDE), phase: ("P", VALUE)}
    with pytest.raises(UserError, match=f"no column of measured intensities or amplitudes among H K L {names}"):
        read_reflections(write_mtz(tmp_path / "a.mtz", HKL, columns))
    # Beside measured ones they are passed over.
    columns |= {"my_F": ("F", 2 * AMPLITUDE), "sd": ("Q", SIGMA)}
    data = read_reflections(write_mtz(tmp_path / "b.mtz", HKL, columns))
    np.testing.assert_allclose(data.intensity, 4 * np.abs(VALUE), rtol=1e-5)


@pytest.mark.parametrize("label", ["FP", "FNAT"])
def test_measured_amplitudes_may_lack_sigma(tmp_path: Path, label: str) -> None:
    columns = {label: ("F", AMPLITUDE), "FREE": ("I", VALUE)}
    data = read_reflections(write_mtz(tmp_path / "a.mtz", HKL, columns))
    assert len(data) == len(ROWS)
    assert "σ of 4 of 4 reflections is not known" in data.warnings[0]
    # Those with σ are read before them.
    columns |= {"my_F": ("F", 2 * AMPLITUDE), "sd": ("Q", SIGMA)}
    data = read_reflections(write_mtz(tmp_path / "b.mtz", HKL, columns))
    np.testing.assert_allclose(data.intensity, 4 * np.abs(VALUE), rtol=1e-5)
