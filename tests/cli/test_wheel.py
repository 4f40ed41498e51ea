"""The wheel, installed by itself: every command works in an empty folder, and names no file of a checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from phaselearn.commands.main import COMMANDS
from tests.cli.folders import REPO, SMALL, metric_rows

# Runs commands one after another, since a process of its own would cost each of them the imports.
PROGRAM = """
import json, sys
from pathlib import Path
import phaselearn
from hydra.core.global_hydra import GlobalHydra
from phaselearn.commands.main import main

ended = []
for words in json.loads(sys.argv[1]):
    GlobalHydra.instance().clear()
    sys.argv = ["phaselearn", *words]
    print("$", *words, flush=True)
    try:
        main()
        ended.append(0)
    except SystemExit as stopped:
        ended.append(int(stopped.code or 0))
Path("ended.json").write_text(json.dumps({"codes": ended, "package": phaselearn.__file__}))
"""
WORK = (
    ("prepare", "source.count=120", "data=hkl10_full", "data.store=a.zarr"),
    ("data", "info", "data.store=a.zarr"),
    ("config", "model=cnn"),
    ("train", *SMALL, "data.store=a.zarr", "trainer.max_epochs=1", "run=outputs/one"),
    ("evaluate", "run=outputs/one", "observation=d1.5"),
    ("predict", "weights=unrolled", "source=prototypes", "source.count=5", "output=outputs/maps"),
    ("runs",),
    ("weights", "unrolled"),
    ("benchmark", "count=5", "regimes=[full10]", "models=[phase_zero]", "homometry=null", "resamples=10"),
)
SOLVE = ("solve", "example=cod_2016452", "starts=random", "seconds=5")
MISTAKES = (
    ("train", "model=cn"),
    ("train", "model=phase_zero"),
    ("train", "resume=nowhere"),
    ("runs", "folder=nowhere"),
    ("evaluate",),
    ("predict", "run=outputs/one"),
)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment: the wheel, beside the packages of this one."""
    folder = tmp_path_factory.mktemp("installed")
    # Built from a copy: the checkout may hold anything.
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (REPO / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPO / name, folder / "source" / name)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder / "source"], check=True
    )
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    [wheel] = folder.glob("*.whl")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    [packages] = (folder / "venv" / "lib").glob("python*/site-packages")
    # Looked up after the wheel; the .pth files in there, such as that of this checkout, are not read.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, without what leads to this checkout."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow
def test_every_command_works_in_an_empty_folder(python: Path, tmp_path: Path) -> None:
    commands = [[name, "--help"] for name in COMMANDS] + [list(words) for words in (*WORK, *MISTAKES, SOLVE)]
    done = run(tmp_path, python, "-c", PROGRAM, json.dumps(commands))
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    ended = json.loads((tmp_path / "ended.json").read_text())
    assert Path(ended["package"]).is_relative_to(python.parents[1])
    codes = {" ".join(words): code for words, code in zip(commands, ended["codes"], strict=True)}
    assert codes.pop(" ".join(SOLVE)) in (0, 1), told  # 1 if the time was too short for this machine
    assert codes == {" ".join(words): 2 if tuple(words) in MISTAKES else 0 for words in commands[:-1]}, told
    assert "train.py" not in told
    assert "Traceback" not in told
    for name in ("one/report.html", "one/command.txt", "index.html", "maps/predictions.csv"):
        assert (tmp_path / "outputs" / name).is_file(), name
    assert (tmp_path / "outputs" / "one" / "command.txt").read_text().startswith("phaselearn train ")


@pytest.mark.slow
def test_the_command_of_the_wheel_starts_processes_that_train_together(python: Path, tmp_path: Path) -> None:
    """Lightning starts the second one as it finds the first one in `sys.argv`."""
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.precision=32-true")
    done = run(tmp_path, python.with_name("phaselearn"), "train", *SMALL, *two, "trainer.max_epochs=1", "run=two")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(metric_rows(tmp_path / "two")) == 2
    assert done.stdout.count("page:   ") == 1
