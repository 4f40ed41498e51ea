"""`source=materials_project` as a user types it: online once, then offline, and the key is nowhere."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from phaselearn.commands.keys import take_from_arguments, take_from_config
from tests.cli.folders import PHASELEARN, TRAIN, environment
from tests.cli.warm import run_warm
from tests.data.sources.materials_project.server import KEY, MaterialsProjectServer, document, rock_salt

CATIONS = ["Li", "Na", "K", "Rb", "Ag", "Mg", "Ca", "Sr", "Ba", "Mn", "Fe", "Co", "Ni", "Cd"]
SMALL = ("data=hkl10", "evaluation.crystals=4", "evaluation.shown=1", "evaluation.methods=[]", "trainer.max_epochs=1")


@pytest.fixture
def server() -> Iterator[MaterialsProjectServer]:
    """Enough formulas that every split has some."""
    pairs = [(cation, anion) for cation in CATIONS for anion in ("F", "Cl", "Br", "O", "S", "Se")]
    documents = [
        document(f"mp-{number}", rock_salt(*pair, 5 + number / 100)) for number, pair in enumerate(pairs, start=1)
    ]
    with MaterialsProjectServer(documents) as running:
        yield running


def run(folder: Path, *arguments: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in environment(folder).items() if name != "MP_API_KEY"}
    variables |= {"NO_PROXY": "127.0.0.1"} | ({"MP_API_KEY": key} if key else {})
    return run_warm(arguments, folder, variables, timeout=300)


def files_with_the_key(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.slow
def test_once_online_then_offline(server: MaterialsProjectServer, tmp_path: Path) -> None:
    source = ("source=materials_project", "source.filters.nsites=[1,20]", f"source.endpoint={server.endpoint}")
    refused = run(tmp_path, *PHASELEARN, "prepare", *source, "data=hkl10")
    assert refused.returncode == 2
    assert re.fullmatch("error: .*no API key.*MP_API_KEY.*\n", refused.stderr)

    # As a multirun, which notes its command line.
    online = run(tmp_path, *PHASELEARN, "prepare", "-m", *source, "data=hkl10,hkl10_full", f"source.api_key={KEY}")
    assert online.returncode == 0, online.stderr
    asked = len(server.requests)
    assert asked > 0
    [snapshot] = (tmp_path / "outputs").glob("materials_project_*/manifest.json")
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "outputs" / "stores").glob("*.zarr/zarr.json")}
    assert len(first) == 2

    trained = run(tmp_path, *TRAIN, *source, *SMALL, "run=outputs/run")
    assert trained.returncode == 0, trained.stderr
    assert len(server.requests) == asked
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert OmegaConf.load(tmp_path / "outputs" / "run" / "config.yaml").source.api_key is None

    named = run(tmp_path, *PHASELEARN, "prepare", "source=materials_project", f"source.snapshot={snapshot.parent}")
    assert named.returncode == 0, named.stderr
    assert len(server.requests) == asked
    assert not files_with_the_key(tmp_path)
    for done in (refused, online, trained, named):
        assert KEY not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_key_in_a_file_of_ones_own_is_written_nowhere(server: MaterialsProjectServer, tmp_path: Path) -> None:
    own = tmp_path / "own" / "source"
    own.mkdir(parents=True)
    text = (Path(__file__).parents[2] / "conf" / "source" / "materials_project.yaml").read_text()
    (own / "mine.yaml").write_text(text.replace("api_key: null", f"api_key: {KEY}"))
    arguments = ("source=mine", "source.filters.elements=[O]", f"source.endpoint={server.endpoint}", "regimes=[full10]")
    done = run(
        tmp_path,
        *(*PHASELEARN, "benchmark", f"hydra.searchpath=[file://{own.parent}]", *arguments),
        *("models=[phase_zero]", "homometry=null", "resamples=10", "run=outputs/benchmark"),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "outputs" / "benchmark" / "config.yaml").exists()
    assert files_with_the_key(tmp_path) == [own / "mine.yaml"]
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize("written", [f"source.api_key={KEY}", f"+source.api_key='{KEY}'", f'++source.api_key="{KEY}"'])
def test_a_key_on_the_command_line_moves_to_the_environment(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_KEY", "another")
    assert take_from_arguments(["data=hkl10", written, "-m"]) == ["data=hkl10", "-m"]
    assert take_from_arguments(["source.api_key=null", "source.api_key="]) == []
    assert os.environ["MP_API_KEY"] == KEY


def test_a_key_of_a_variable_moves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_OWN", KEY)
    monkeypatch.setenv("MP_API_KEY", "another")
    asked = "source.api_key=${oc.env:MY_OWN}"
    assert take_from_arguments([asked]) == [asked]
    config = OmegaConf.from_dotlist([asked])
    take_from_config(config)
    assert config.source.api_key is None
    assert os.environ["MP_API_KEY"] == KEY
