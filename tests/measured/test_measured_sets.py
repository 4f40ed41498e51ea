"""The shared measured sets as a user has them: .hkl with a bare .ins, CIF and MTZ all say the same."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import gemmi
import numpy as np
import pytest

from phaselearn.measured.laue import choose_laue_class
from phaselearn.measured.merging import expanded, merge
from phaselearn.measured.readers import read_reflections
from phaselearn.measured.reflection_data import ReflectionData
from tests.measured.files import write_mtz
from tests.measured.samples import MEASURED_SETS, measured_set


def written_by_the_judge(name: str, folder: Path) -> Path:
    """Write .hkl and .ins as those do who judge solutions; return the .hkl."""
    shared = Path(os.environ.get("PHASELEARN_SHARED", Path(__file__).parents[3] / "shared" / "data"))
    script = shared.parent / "tools" / "judge_solution.py"
    if not script.exists():
        pytest.skip("the shared measured sets are not here (PHASELEARN_SHARED names the folder beside them)")
    spec = importlib.util.spec_from_file_location("judge_solution", script)
    assert spec is not None
    assert spec.loader is not None
    judge = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(judge)
    judge.write_inputs(shared / "measured", name, folder)
    return folder / f"{name}.hkl"


def written_as_cif(data: ReflectionData, path: Path) -> Path:
    """Write a CIF by gemmi."""
    document = gemmi.cif.Document()
    block = document.add_new_block("measured")
    tags = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    for tag, value in zip(tags, data.experiment.cell, strict=True):
        block.set_pair(f"_cell_{tag}", str(value))
    block.set_pair("_diffrn_radiation_wavelength", str(data.experiment.wavelength))
    columns = ["index_h", "index_k", "index_l", "F_squared_meas", "F_squared_sigma"]
    loop = block.init_loop("_refln_", columns)
    for hkl, value, sigma in zip(data.hkl.tolist(), data.intensity.tolist(), data.sigma.tolist(), strict=True):
        loop.add_row([*map(str, hkl), repr(value), repr(sigma)])
    document.write_file(str(path))
    return path


@pytest.mark.parametrize("name", MEASURED_SETS)
def test_every_format_says_the_same(name: str, tmp_path: Path) -> None:
    data, published = measured_set(name)
    by_ins = read_reflections(written_by_the_judge(name, tmp_path))
    assert by_ins.experiment.contents == published["cell_contents"]
    assert by_ins.experiment.operations == ("x,y,z",)
    columns = {"I": ("J", data.intensity), "SIGI": ("Q", data.sigma)}
    by_mtz = read_reflections(
        write_mtz(tmp_path / "a.mtz", data.hkl, columns, data.experiment.cell, "P 1"),
        wavelength=published["wavelength"],
    )
    by_cif = read_reflections(written_as_cif(data, tmp_path / "a.cif"))
    for other in (by_ins, by_cif, by_mtz):
        assert other.experiment.cell == pytest.approx(data.experiment.cell, abs=1e-4)
        assert other.experiment.wavelength == pytest.approx(data.experiment.wavelength)
        choice = choose_laue_class(other)
        assert choice.chosen.laue_class.symbol == MEASURED_SETS[name]
        np.testing.assert_array_equal(other.hkl, data.hkl)
        # Up to the scale, and to the two decimals of HKLF 4.
        scale = other.intensity.max() / data.intensity.max()
        np.testing.assert_allclose(other.intensity / scale, data.intensity, atol=0.006 / scale, rtol=1e-6)


@pytest.mark.parametrize("name", MEASURED_SETS)
def test_merged_data_fill_the_sphere_of_reflections(name: str) -> None:
    data, published = measured_set(name)
    chosen = choose_laue_class(data).chosen
    merged = merge(data, chosen.laue_class.rotations)
    hkl, intensity, sigma = expanded(merged)
    assert merged.statistics.d_min == pytest.approx(published["d_min"], abs=0.01)
    assert {tuple(row) for row in hkl.tolist()} >= {tuple(row) for row in (-data.hkl).tolist()}
    assert (sigma > 0).all()
    group = gemmi.GroupOps([gemmi.Op(one) for one in published["symmetry_operations"]])
    # The published symmetry makes the same reflections equivalent.
    values = {tuple(row): value for row, value in zip(hkl.tolist(), intensity.tolist(), strict=True)}
    for row in list(values)[::37]:
        for operation in list(group)[:48:5]:
            assert values[tuple(operation.apply_to_hkl(list(row)))] == values[row]
    if name != "fen4_2242624":  # of its reflections a fifth was measured
        assert merged.statistics.completeness > 0.9
