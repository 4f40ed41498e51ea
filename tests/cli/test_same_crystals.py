"""Commands read the crystals that they name, or those of their run; a run knows which crystals it has seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymatgen.core import Element

from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.report.training_set import TrainingSet
from tests.cli.folders import table
from tests.cli.inside import call, new_folder

QUICK = (
    *("data=hkl10", "model.hidden_sizes=[5]", "trainer.max_epochs=1", "evaluation=none", "quiet=true"),
    *("source=file", "source.path=own.jsonl", "source.count=null"),
)
JUDGED = ("evaluation=table", "evaluation.methods=[]", "evaluation.crystals=8")


def write_crystals(path: Path, seed: int) -> None:
    """Write the crystals of a seed as JSON lines."""
    entries = [
        {
            "id": f"{place}",
            "lattice": crystal.lattice.tolist(),
            "species": [Element.from_Z(number).symbol for number in crystal.numbers.tolist()],
            "frac_coords": crystal.positions.tolist(),
        }
        for place, crystal in enumerate(Prototypes(60, seed, "primitive"))
    ]
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with two runs on crystals of a file, one of which has a store with a name."""
    with new_folder(tmp_path_factory) as folder:
        write_crystals(folder / "own.jsonl", seed=0)
        assert call("train", *QUICK, "run=unnamed") == 0
        assert call("train", *QUICK, "data.store=own.zarr", "run=named") == 0
        yield folder


@pytest.fixture
def changed(workplace: Path) -> Iterator[Path]:
    """The same folder while the file holds other crystals."""
    write_crystals(workplace / "own.jsonl", seed=1)
    yield workplace
    write_crystals(workplace / "own.jsonl", seed=0)


def refused(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that is refused in one line, and return the line."""
    capfd.readouterr()
    assert call(*words) == 2
    [line] = capfd.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    "words",
    [
        ("train", *QUICK[:-3], "source=prototypes", "source.count=20", "data.store=own.zarr", "run=other"),
        ("evaluate", "run=named", "source=prototypes", "source.count=20", *JUDGED),
    ],
    ids=["train", "evaluate"],
)
def test_a_source_beside_a_store_of_other_crystals_is_refused(
    workplace: Path, capfd: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    line = refused(capfd, *words)
    assert "source=prototypes: data.store=own.zarr is there and holds other crystals (of file)" in line
    assert not (workplace / "other").exists()


def test_the_source_of_a_store_may_be_named(workplace: Path) -> None:
    assert call("train", *QUICK, "data.store=own.zarr", "run=again") == 0
    assert call("train", *QUICK[:-3], "data.store=own.zarr", "run=unsaid") == 0


def test_a_run_whose_crystals_have_changed_is_not_taken_up_unless_they_are_named(
    changed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {file.name: file.read_bytes() for file in (changed / "unnamed").iterdir() if file.is_file()}
    for words in (("train", "resume=unnamed", "trainer.max_epochs=2"), ("evaluate", "run=unnamed")):
        line = refused(capfd, *words)
        assert "own.jsonl holds other crystals than those that the run was trained on" in line
        assert f"`phaselearn {words[0]} {words[1]} source.path=own.jsonl`" in line.replace(f"{changed}/", "")
    assert {file.name: file.read_bytes() for file in (changed / "unnamed").iterdir() if file.is_file()} == before
    assert "holds other crystals" in refused(capfd, "train", *QUICK, "run=unnamed")
    assert call("evaluate", "run=unnamed", "source.path=own.jsonl", *JUDGED) == 0


def test_a_run_that_goes_on_with_other_crystals_has_seen_both(changed: Path) -> None:
    assert call("train", *QUICK, "run=both") == 0
    second = TrainingSet.read(changed / "both")
    write_crystals(changed / "own.jsonl", seed=0)
    first = TrainingSet.read(changed / "unnamed")
    assert first.fingerprint != second.fingerprint
    more = ("source.path=own.jsonl", "trainer.max_epochs=2", "quiet=true")
    assert call("train", "resume=both", *more) == 0
    both = TrainingSet.read(changed / "both")
    assert both.formulas == first.formulas | second.formulas > second.formulas
    assert both.prototypes == first.prototypes | second.prototypes
    assert both.fingerprint == first.fingerprint


def test_a_run_has_seen_what_its_first_weights_have_seen(changed: Path) -> None:
    for name, weights in (("tuned", "unnamed"), ("tuned_on", "tuned/last.ckpt")):
        assert call("train", *QUICK, f"weights={weights}", f"run={name}") == 0
        seen = TrainingSet.read(changed / name)
        assert seen.formulas > TrainingSet.read(changed / "unnamed").formulas
        assert seen.prototypes >= TrainingSet.read(changed / "unnamed").prototypes
        assert not seen.unrecorded


def test_weights_without_a_record_are_named(workplace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (workplace / "loose.ckpt").write_bytes((workplace / "unnamed" / "last.ckpt").read_bytes())
    judged = [word for word in QUICK if word != "evaluation=none"]
    assert call("train", *judged, "evaluation.shown=0", "evaluation.methods=[]", "weights=loose.ckpt", "run=bare") == 0
    assert TrainingSet.read(workplace / "bare").unrecorded == {"loose.ckpt"}
    assert "loose.ckpt, whose training set is not recorded" in (workplace / "bare" / "report.html").read_text()


def test_an_evaluation_says_how_many_crystals_training_has_seen(
    workplace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    assert call("evaluate", "run=unnamed", *JUDGED, "evaluation.split=train", "quiet=false") == 0
    told = capfd.readouterr()
    assert "warning: training has seen the formulas of" in told.out + told.err
    assert call("evaluate", "run=unnamed", *JUDGED, "evaluation.split=test", "quiet=false") == 0
    told = capfd.readouterr()
    assert "warning" not in told.out + told.err


def test_a_benchmark_judges_the_crystals_that_the_file_holds_now(changed: Path) -> None:
    words = ("benchmark", *QUICK[-3:-1], "split=all", "count=5", "models=[phase_zero]", "regimes=[full10]", "run=bench")
    words = (*words, "confidence=[]", "confidence_count=0", "homometry=null", "resamples=10")
    assert call(*words) == 0
    second = {row["id"]: row["formula"] for row in table(changed / "bench" / "crystals.csv")}
    write_crystals(changed / "own.jsonl", seed=0)
    assert call(*words) == 0
    first = {row["id"]: row["formula"] for row in table(changed / "bench" / "crystals.csv")}
    assert first.keys() == second.keys()
    assert first != second


def test_a_benchmark_says_what_the_training_of_a_network_has_seen(workplace: Path) -> None:
    words = ("benchmark", "store=own.zarr", "split=train", "count=5", "models=[phase_zero,unnamed]", "run=leaks")
    words = (*words, "regimes=[octant]", "+regime.octant={data: hkl10, observation: ideal}", "resamples=10")
    assert call(*words, "confidence=[]", "confidence_count=0", "homometry=null") == 0
    page = (workplace / "leaks" / "benchmark.md").read_text()
    assert "of 5 tested crystals, training has seen the formulas of 5 and the structure types of 5" in page
    assert "no training set is kept apart" in page


def test_a_benchmark_takes_a_store_or_a_source(workplace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = refused(capfd, "benchmark", "store=own.zarr", "source=prototypes", "models=[phase_zero]")
    assert "store=own.zarr and source=prototypes: crystals of one of them" in line
