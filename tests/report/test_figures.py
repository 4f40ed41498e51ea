"""Figures are written, show something, and leave matplotlib as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from phaselearn.report.content import ShownCrystal
from phaselearn.report.curves import Curves
from phaselearn.report.figures import write_figures
from phaselearn.report.patterns import displayed_pattern, pattern_figure


def colours_in(path: Path) -> int:
    image = np.round(255 * imread(path)[..., :3]).astype(np.int64)
    return len(np.unique(image @ [1, 256, 256**2]))


@pytest.mark.parametrize("names", [("triclinic",), pytest.param(("triclinic", "rock_salt"), marks=pytest.mark.slow)])
def test_all_figures_are_written_and_not_blank(
    tmp_path: Path, curves: Curves, judged: dict, names: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    crystals: list[ShownCrystal] = [request.getfixturevalue(name) for name in names]
    before = dict(matplotlib.rcParams)
    paths = write_figures(tmp_path / "figures", curves, judged, crystals[::-1])
    assert [path.name for path in paths] == [
        "correlation.png",
        *(f"crystal_{crystal.file_stem}.png" for crystal in crystals),
        "loss_curves.png",
        *(f"pattern_{crystal.file_stem}.png" for crystal in crystals),
        *(f"voxels_{crystal.file_stem}.png" for crystal in crystals),
    ]
    for path in paths:
        assert colours_in(path) > 50
        height, width = imread(path).shape[:2]
        assert width >= 1000
        assert height >= 400
    assert dict(matplotlib.rcParams) == before


@pytest.mark.filterwarnings("error")
def test_a_failed_training_is_drawn_too(tmp_path: Path, judged: dict, diverged: ShownCrystal) -> None:
    undefined = {name: np.full_like(values, np.nan, dtype=float) for name, values in judged.items()}
    undefined["counted"] = np.zeros(200, dtype=bool)
    paths = write_figures(tmp_path, None, undefined, [diverged])
    assert [path.name for path in paths] == [
        "correlation.png",
        f"crystal_{diverged.file_stem}.png",
        f"pattern_{diverged.file_stem}.png",
        f"voxels_{diverged.file_stem}.png",
    ]
    undefined["counted"] = np.ones(200, dtype=bool)
    write_figures(tmp_path, None, undefined, [])


def test_the_pattern_of_a_box_of_unequal_edges_has_its_own_indices(triclinic: ShownCrystal) -> None:
    pattern = np.zeros((8, 10, 12), np.float32)
    pattern[3, -4, 5] = 99.0
    shown = displayed_pattern(replace(triclinic, pattern=pattern, layout="sphere"))
    place = np.unravel_index(shown.log_intensity.argmax(), shown.log_intensity.shape)
    assert tuple(np.add(place, shown.first_index)) == (3, -4, 5)
    assert shown.log_intensity.max() == pytest.approx(2.0)
    # The plane l = 0 of the picture has a place for every h and k.
    mesh = pattern_figure(replace(triclinic, pattern=pattern, layout="sphere")).axes[0].collections[0]
    assert mesh.get_array().shape == (10, 8)
