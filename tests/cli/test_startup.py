"""Commands that only look end without the libraries that take seconds to import; no time is measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.folders import environment

HEAVY = ("torch", "pytorch_lightning", "pymatgen", "scipy.signal", "sklearn", "zarr")
CODE = f"""
import sys
from phaselearn.commands.main import main
try:
    main()
finally:
    print("imported:", *[name for name in {HEAVY} if name in sys.modules])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a run, and a file that holds no reflections."""
    run = tmp_path / "outputs" / "run"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("model: {_target_: phaselearn.models.mlp.MultilayerPerceptron}\n")
    (run / "metrics.csv").write_text("epoch,step,val/loss,val/median_cc\n0,0,0.5,0.75\n")
    columns = "method,subset,n,solved,strict,median_cc,gain,phase_error,left_out,failed"
    (run / "results.csv").write_text(f"{columns}\nmlp,all,8,0.5,0.25,0.875,0.1,30.0,0,0\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("config experiment=report_best", 0, "run it: phaselearn train experiment=report_best"),
        ("config model.hidden_size=[10]", 2, "'model.hidden_size'"),
        ("config +model.hidden_size=[10]", 2, "did you mean hidden_sizes"),
        ("runs", 0, "0.875"),
        ("weights", 0, "use: phaselearn predict"),
        ("solve nothing.hkl", 2, "nothing.hkl is not there"),
        ("solve example=cod_2016452 second=9", 2, "did you mean seconds"),
        ("solve example=cod_2016452 seconds=0", 2, "seconds=0: above 0"),
        ("solve example=cod_2016452 cell=[1,2]", 2, "a cell has six numbers"),
        ("solve example=cod_2016452 starts=outputs", 2, "a run folder (with its config.yaml)"),
        ("predict weights=nobodys source=folder source.path=outputs", 2, "nobodys is not a run folder"),
        ("train seed=x", 2, "seed='x'"),
        ("benchmark count=0", 2, "count=0"),
    ],
)
def test_a_command_that_only_looks_imports_nothing_heavy(folder: Path, words: str, code: int, told: str) -> None:
    # A process of its own: those of `tests.cli.warm` have the libraries already.
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words.split()],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert told in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "imported:"
