"""`phaselearn solve`: exit codes, files, and one line for a mistake."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import gemmi
import pytest
from pymatgen.core import Structure

from phaselearn.measured.reflection_data import ReflectionData
from tests.cli.folders import table
from tests.cli.inside import call, new_folder
from tests.determination.samples import EXAMPLE, example, scrambled, within
from tests.measured.test_blocks import blocks
from tests.report.browser import drive, needs_chromium

FILES = (
    *("solution.json", "solution.cif", "solution.res", "solution.hkl", "solution.ccp4", "solution.mtz"),
    *("solution_standard.cif", "solution.lst", "solve.html", "config.yaml"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the example, solved from files with a space in their names."""
    with new_folder(tmp_path_factory) as folder:
        for suffix in (".hkl", ".ins", ".cif"):
            shutil.copy(EXAMPLE.with_suffix(suffix), folder / f"my crystal{suffix}")
        assert call("solve", "my crystal.hkl", "reference=my crystal.cif", "run=solved") == 0
    return folder / "solved"


def test_the_files_are_there_and_other_programs_read_them(run: Path) -> None:
    assert {path.name for path in run.iterdir()} >= set(FILES)
    small = gemmi.read_small_structure(str(run / "solution.cif"))
    assert small.cell.parameters == pytest.approx((9.748, 8.89, 7.566, 90, 112.74, 90))
    assert len(small.sites) == 8
    assert Structure.from_file(run / "solution.cif").composition.reduced_formula == "C7O"
    assert gemmi.read_ccp4_map(str(run / "solution.ccp4")).grid.unit_cell.a == pytest.approx(9.748)


def test_the_summary_says_what_others_rely_on(run: Path) -> None:
    told = json.loads((run / "solution.json").read_text())
    assert told["solved"] is True
    assert told["confidence"] >= 0.8
    assert told["r1"] < 0.14
    assert told["space_group"] == "P 1 21/c 1"
    assert told["formula"] == "C7 H7 O"
    assert 0 < told["seconds"] < 600
    assert told["reference"]["found"] == 1


def test_the_page_needs_no_network(run: Path) -> None:
    text = (run / "solve.html").read_text(encoding="utf-8")
    without_scripts = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(src|href|url)\W{0,3}https?:", without_scripts)
    assert "P 1 21/c 1" in without_scripts


@needs_chromium
def test_the_page_draws_structure_map_and_plots(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "solve.html"
    shutil.copy(run / "solve.html", page)
    probe = drive(
        page,
        """setTimeout(() => {
          const all = [...document.querySelectorAll(".plot")];
          const plots = all.map((plot) => plot.data.map((trace) => trace.type));
          const shown = all.flatMap((plot) => plot._fullData.filter((trace) => trace.visible === true));
          const points = shown.map((trace) => trace.x.length);
          const note = Object.assign(document.createElement("pre"), { id: "probe" });
          note.textContent = JSON.stringify({ plots, points, problems });
          document.body.append(note);
        }, 3000);""",
    )
    assert not probe["problems"]
    assert min(probe["points"]) > 0
    structure, wilson, by_resolution = probe["plots"]
    assert {"mesh3d", "scatter3d"} == set(structure)
    assert wilson == by_resolution == ["scatter"]


def test_what_is_not_solved_has_exit_code_1_and_the_best_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path / "noise.hkl")
    assert call("solve", "noise.hkl", "seconds=0.1", "run=unsolved") == 1
    told = json.loads((tmp_path / "unsolved" / "solution.json").read_text())
    assert told["solved"] is False
    assert (tmp_path / "unsolved" / "solve.html").is_file()
    assert "what may help" in capsys.readouterr().out


def test_sigterm_ends_it_as_ctrl_c_does_and_nothing_that_is_empty_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)

    def stopped(*_: Any) -> None:
        assert Path("stopped", "run.lock").exists()
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("phaselearn.determination.pipeline.determine_structure", stopped)
    try:
        assert call("solve", "example=cod_2016452", "run=stopped") == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not Path("stopped").exists()


@pytest.mark.slow
def test_several_files_end_in_one_table_and_the_worst_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path / "it's noise, b.hkl")
    for suffix in (".hkl", ".ins"):
        shutil.copy(EXAMPLE.with_suffix(suffix), tmp_path / f"a{suffix}")
    files = ("a.hkl", "it's noise, b.hkl")
    assert call("solve", *files, "seconds=0.1", "run=two") == 1
    two = table(tmp_path / "two" / "solved.csv")
    assert [(row["crystal"], row["verdict"]) for row in two] == list(zip(files, ("solved", "not solved"), strict=True))
    assert two[0]["space_group"] == "P 1 21/c 1"
    assert 'href="0/solve.html"' in (tmp_path / "two" / "solved.html").read_text()
    (tmp_path / "empty.hkl").touch()
    assert call("solve", "empty.hkl", "it's noise, b.hkl", "seconds=0.1", "run=failing") == 2
    failing = table(tmp_path / "failing" / "solved.csv")
    assert [row["verdict"] for row in failing] == ["failed", "not solved"]
    assert failing[0]["crystal"] == "empty.hkl"
    assert "1 of 2 jobs failed; the first because empty.hkl" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "solve needs one file of reflections"),
        (("nothing.hkl",), "nothing.hkl"),
        (("example=penicillin",), "example=penicillin is unknown: allowed are cod_2016452"),
        (("example=cod_2016452", "seconds=0"), "seconds=0"),
        (("example=cod_2016452", "threads=0"), "threads=0"),
        (("example=cod_2016452", "threads=two"), "threads='two'"),
        (("example=cod_2016452", "starts=magic"), "starts=magic is unknown: allowed are atoms, classical, "),
        (
            ("example=cod_2016452", "starts=magic"),
            "unrolled, a run folder (with its config.yaml), OPTION+NETWORK; for example",
        ),
        (
            ("example=cod_2016452", "starts=empty/folder"),
            "starts=empty/folder is unknown: allowed are atoms, classical, ",
        ),
        (
            ("example=cod_2016452", "starts=empty/folder"),
            "unrolled, a run folder (with its config.yaml), OPTION+NETWORK; for example",
        ),
        (("example=cod_2016452", "starts=empty/folder"), "`phaselearn solve example=cod_2016452 starts=atoms`"),
        (
            ("example=cod_2016452", "starts=short_flipping+empty/folder"),
            "starts=short_flipping+empty/folder is unknown",
        ),
        (("example=cod_2016452", "starts=short_flipping+cnn"), "the network of cnn improves no trial phases"),
        (("example=cod_2016452", "probe=light"), "probe=light"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("solve", *arguments, "run=nowhere") == 2
    [line] = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert told in line
    assert not list(tmp_path.rglob("*.json"))


def test_a_value_of_a_flag_is_no_file(capsys: Any) -> None:
    assert call("solve", "crystal.hkl", "--cfg", "job", "seed=7") == 0
    shown = capsys.readouterr().out
    assert "file: crystal.hkl" in shown
    assert "seed: 7" in shown


@pytest.mark.parametrize("block", ["first", "2"])
def test_a_data_block_is_chosen_by_the_key_that_the_error_names(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.cif").write_text(blocks("first", "2").replace("90", "nowhere"))
    assert call("solve", "two.cif") == 2
    assert "block=NAME takes one" in capsys.readouterr().err
    assert call("solve", "two.cif", f"block={block}") == 2
    assert f"of data_{block} cannot be read" in capsys.readouterr().err


def write_noise(path: Path) -> None:
    """Write reflections without a structure, and an .ins beside them."""
    write_hkl(scrambled(within(example(), 1.7)), path)
    shutil.copy(EXAMPLE.with_suffix(".ins"), path.with_suffix(".ins"))


def write_hkl(data: ReflectionData, path: Path) -> None:
    """Write reflections in SHELX HKLF 4."""
    rows = zip(data.hkl.tolist(), data.intensity, data.sigma, strict=True)
    lines = [f"{h:4d}{k:4d}{index:4d}{value:8.2f}{sigma:8.2f}" for (h, k, index), value, sigma in rows]
    path.write_text("\n".join([*lines, f"{0:4d}{0:4d}{0:4d}{0:8.2f}{0:8.2f}", ""]))


def test_a_reference_that_is_not_there_is_told_before_the_search_and_leaves_no_folder(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("my crystal.hkl", "reference=nowhere.cif"), ("nowhere.hkl",)):
        assert call("solve", *words, "run=refused") == 2
        assert "is not there" in capsys.readouterr().err.splitlines()[-1]
        assert not (run.parent / "refused").exists()
    (run.parent / "torn.cif").write_text("data_torn")
    assert call("solve", "my crystal.hkl", "reference=torn.cif", "run=refused") == 2
    assert "trial" not in capsys.readouterr().err
