"""Curves out of metrics.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phaselearn.errors import UserError
from phaselearn.report.curves import read_curves

SPARSE = """epoch,step,train/loss,val/loss,val/median_cc,val/floor
0,9,,1.5,0.70,0.81
0,9,2.0,,,
1,19,,1.25,0.80,0.81
1,19,1.0,,,
3,39,nan,,,
"""


def test_sparse_rows_become_series(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(SPARSE)
    curves = read_curves(path)
    assert set(curves.series) == {"train/loss", "val/loss", "val/median_cc", "val/floor"}
    np.testing.assert_array_equal(curves["train/loss"].epochs, [1, 2, 4])
    np.testing.assert_array_equal(curves["train/loss"].values, [2.0, 1.0, np.nan])
    np.testing.assert_array_equal(curves["val/median_cc"].values, [0.7, 0.8])


def test_an_epoch_computed_again_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,val/loss\n1,5,3.0\n0,2,4.0\n1,5,2.5\n")
    series = read_curves(path)["val/loss"]
    np.testing.assert_array_equal(series.epochs, [1, 2])
    np.testing.assert_array_equal(series.values, [4.0, 2.5])


def test_what_was_not_logged_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("")
    assert len(read_curves(path)["train/loss"].epochs) == 0


@pytest.mark.parametrize("text", ["step,loss\n1,2\n", "epoch,loss\n0,many\n"])
def test_another_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=r"metrics\.csv is not a table of metrics"):
        read_curves(path)
