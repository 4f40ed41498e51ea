"""Several runs on one page, and two side by side."""

from __future__ import annotations

import csv
import json
import re
import shlex
from dataclasses import astuple, fields
from pathlib import Path

import pytest
import yaml
from browser import drive, needs_chromium

from phaselearn.errors import UserError
from phaselearn.report.results import ResultRow
from phaselearn.report.run_comparison import compared_crystals, write_comparison_page
from phaselearn.report.run_curves import draw_curves
from phaselearn.report.run_files import write_command
from phaselearn.report.run_folders import command_of, find_runs
from phaselearn.report.run_records import RunRecord, differing_settings
from phaselearn.report.runs_page import best_runs, write_runs_page

CORRELATIONS = {"first": {"a": 0.5, "b": 0.9, "c": 0.7}, "second": {"b": 0.8, "c": 0.95, "d": 0.6}}
DRIVE = """
(async () => {
  const settle = () => new Promise((done) => setTimeout(done, 500));
  const table = document.querySelector("table.sortable");
  const order = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
  const heading = (name) => [...table.querySelectorAll("button")].find((one) => one.textContent === name);
  const seen = {};
  try {
    await settle();
    const plots = [...document.querySelectorAll(".plot")];
    seen.plots = plots.map((plot) => plot.data.length);
    seen.kinds = plots.map((plot) => plot.data[0].type);
    seen.labels = [...plots[0].querySelectorAll("text")].map((text) => text.textContent);
    seen.scrolled = [...document.querySelectorAll("figure")].filter((one) => one.scrollWidth > one.clientWidth).length;
    seen.orders = {};
    for (const name of ["val. CC", "val. CC", "run"]) {
      heading(name).click();
      (seen.orders[name] ??= []).push(order());
    }
    const field = document.querySelector("input[type=search]");
    field.value = "Sweep mlp";
    field.dispatchEvent(new Event("input"));
    seen.kept = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].textContent);
    seen.wide = document.documentElement.scrollWidth - innerWidth;
  } catch (error) { problems.push(String(error.stack)); }
  const result = Object.assign(document.createElement("pre"), { id: "probe" });
  result.textContent = JSON.stringify({ problems, ...seen });
  document.body.append(result);
})();
"""


def write_run(folder: Path, model: str, rate: float, scores: list[float], crystals: dict[str, float] | None) -> None:
    """Write the files that `train.py` leaves; without crystals, those that it leaves before the test."""
    folder.mkdir(parents=True)
    config = {
        "model": {"_target_": f"phaselearn.models.{model}", "width": len(model)},
        "loss": {"_target_": "phaselearn.losses.mse.MeanSquaredError"},
        "data": {"name": "hkl10", "seed": 0, "train_size": None},
        "optim": {"lr": rate},
        "seed": 0,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    lines = [f"{epoch},{epoch},{1 / (epoch + 1)},{score}" for epoch, score in enumerate(scores)]
    (folder / "metrics.csv").write_text("\n".join(["epoch,step,val/loss,val/median_cc", *lines]) + "\n")
    if crystals is None:
        return
    (folder / "report.html").write_text("<html></html>")
    with open(folder / "results.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(ResultRow)])
        writer.writerow(astuple(ResultRow("Network", "all", len(crystals), 0.5, 0.25, 0.9, 0.1, 30.0, 0)))
        writer.writerow(astuple(ResultRow("phase_zero", "all", len(crystals), 0.25, 0.1, 0.8, 0.0, 40.0, 0)))
    with open(folder / "crystals.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "id", "formula", "correlation", "floor", "counted"])
        for name, correlation in crystals.items():
            writer.writerow(["Network", name, "NaCl<", correlation, 0.4, True])
            writer.writerow(["phase_zero", name, "NaCl<", 0.4, 0.4, True])


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Two finished runs, one of them in a multirun, and one that is under way; beside them what is not a run."""
    folder = tmp_path / "outputs"
    write_run(folder / "first", "cnn.CNN", 0.1, [0.5, 0.7, 0.6], CORRELATIONS["first"])
    write_run(folder / "sweep" / "0", "mlp.MLP", 0.1, [0.8], CORRELATIONS["second"])
    write_run(folder / "sweep" / "1", "mlp.MLP", 0.2, [], None)
    write_run(folder / "first" / "evaluations" / "later", "cnn.CNN", 0.1, [0.1], None)
    (folder / "stores" / "a.zarr").mkdir(parents=True)
    return folder


def by_name(folder: Path) -> dict[str, RunRecord]:
    return {run.name: run for run in find_runs(folder)[0]}


def test_runs_are_found_with_what_came_of_them(outputs):
    runs = by_name(outputs)
    assert sorted(runs) == ["first", "sweep/0", "sweep/1"]
    assert [runs[name].epochs for name in ("first", "sweep/0", "sweep/1")] == [3, 1, 0]
    assert runs["first"].best_correlation == 0.7
    assert [runs[name].is_finished for name in ("first", "sweep/1")] == [True, False]
    assert runs["first"].result("all").solved == 0.5
    assert runs["first"].result("all", floor=True).median_cc == 0.8
    assert {label: run.name for label, run in best_runs(list(runs.values())).items()} == {"best": "sweep/0"}


def test_settings_that_differ_name_the_part_whose_class_differs_and_not_its_options(outputs):
    runs = by_name(outputs)
    chosen = [runs[name] for name in ("first", "sweep/0", "sweep/1")]
    assert differing_settings(chosen) == {"model": ["CNN", "MLP", "MLP"], "optim.lr": ["0.1", "0.1", "0.2"]}
    assert differing_settings(chosen[1:]) == {"optim.lr": ["0.1", "0.2"]}


def test_an_option_that_was_given_is_named_within_a_part_of_another_class(outputs):
    write_run(outputs / "wide", "unet.UNet", 0.1, [0.5], None)
    write_command(outputs / "wide" / "command.txt", ["model.width=9"])
    runs = by_name(outputs)
    different = differing_settings([runs["wide"], runs["first"]])
    assert different == {"model": ["UNet", "CNN"], "model.width": ["9", "7"]}


def test_the_crystals_of_both_runs_are_compared_and_no_others(outputs):
    runs = by_name(outputs)
    compared = compared_crystals(runs["first"], runs["sweep/0"])
    assert {crystal.id: pytest.approx(crystal.difference) for crystal in compared} == {"b": -0.1, "c": 0.25}
    with pytest.raises(UserError, match="given twice"):
        write_comparison_page(outputs / "page.html", runs["first"], runs["first"])


@pytest.mark.parametrize("uncounted", ["first", "sweep/0"])
def test_crystals_that_one_of_the_runs_could_not_judge_are_not_compared(outputs, uncounted):
    for name in ("first", "sweep/0"):
        with open(outputs / name / "crystals.csv", "a") as file:
            file.write(f"Network,e,KBr,0.5,0.4,{name != uncounted}\n")
    runs = by_name(outputs)
    assert [crystal.id for crystal in compared_crystals(runs["first"], runs["sweep/0"])] == ["b", "c"]


def test_a_comparison_says_what_differs_and_shows_no_markup_of_others(outputs):
    runs = by_name(outputs)
    write_comparison_page(outputs / "page.html", runs["first"], runs["sweep/0"])
    page = (outputs / "page.html").read_text()
    assert 'href="first/report.html"' in page
    assert 'href="sweep/0/report.html"' in page
    assert "2 crystals were judged by both. sweep/0 is better on 1 of them" in page
    assert "NaCl&lt;" in page
    assert "NaCl<" not in page


def test_the_command_is_noted_once_and_without_the_folder(tmp_path):
    write_command(tmp_path / "command.txt", ["model=mlp", "run=outputs/mine", "data.sizes=[1, 2]"])
    write_command(tmp_path / "command.txt", ["trainer.max_epochs=9"])
    assert (tmp_path / "command.txt").read_text() == "phaselearn train model=mlp 'data.sizes=[1, 2]'\n"


def test_what_a_later_command_changed_follows_the_first(tmp_path):
    path = tmp_path / "command.txt"
    write_command(path, ["model=mlp", "run=outputs/mine"])
    write_command(path, [], resumed=True)
    for _ in range(2):  # the second time after a kill
        write_command(path, ["trainer.max_epochs=9", "trust=true"], resumed=True)
    assert command_of(tmp_path) == "phaselearn train model=mlp # resumed with trainer.max_epochs=9"
    assert shlex.split(command_of(tmp_path), comments=True) == ["phaselearn", "train", "model=mlp"]


def test_a_resumed_run_without_its_command_does_not_name_another(tmp_path):
    write_command(tmp_path / "command.txt", ["trainer.max_epochs=9"], resumed=True)
    assert command_of(tmp_path) == f"phaselearn train resume={tmp_path}"


@pytest.mark.parametrize(
    ("change", "is_compared"),
    [
        ({"observation": {"noise": 0.1}}, False),
        ({"source": {"_target_": "Folder", "path": "mine"}}, False),
        ({"data": {"name": "hkl20", "definition": {"size": 20}}}, False),
        ({"data": {"name": "hkl10", "batch_size": 64}}, True),
        ({"seed": 7, "training_observation": {"noise": 0.1}}, True),
    ],
)
def test_the_best_run_is_one_of_those_that_the_same_data_validated(outputs, change, is_compared):
    path = outputs / "first" / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    found = best_runs(list(by_name(outputs).values()))
    if is_compared:
        assert {label: run.name for label, run in found.items()} == {"best": "sweep/0"}
    else:
        assert sorted(run.name for run in found.values()) == ["first", "sweep/0"]
        assert all(label.startswith("best of 1 on ") for label in found)
    write_runs_page(outputs / "index.html", "Runs", list(by_name(outputs).values()), [])
    assert ("train it again of 1" in (outputs / "index.html").read_text()) is not is_compared


def test_no_folder_is_one_line(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        find_runs(tmp_path / "nothing")


def test_few_epochs_have_a_tick_each_and_many_settings_have_room(outputs):
    write_run(outputs / "long", "mlp.MLP", 0.3, [0.1] * 40, None)
    runs = by_name(outputs)
    ticks = [draw_curves([runs[name]], "val/median_cc", "", "linear").layout.xaxis.dtick for name in ("first", "long")]
    assert ticks == [1, None]
    write_runs_page(outputs / "index.html", "Runs", list(runs.values()), [])
    plots = re.findall(r'<script type="application/json">(.*?)</script>', (outputs / "index.html").read_text())
    [coordinates] = (plot for plot in map(json.loads, plots) if plot["data"][0]["type"] == "parcoords")
    assert coordinates["layout"]["meta"]["narrowest"] / len(coordinates["data"][0]["dimensions"]) >= 130


@needs_chromium
def test_the_page_of_several_runs_draws_sorts_and_filters(outputs):
    runs, broken = find_runs(outputs)
    write_runs_page(outputs / "index.html", "Runs", runs * 4, broken)
    seen = drive(outputs / "index.html", DRIVE)
    assert seen["problems"] == []
    assert seen["kinds"] == ["parcoords", "scatter", "scatter"]
    assert seen["plots"] == [1, 8, 8]  # parallel coordinates; both curves of the runs that have any
    falling, rising = (list(dict.fromkeys(order)) for order in seen["orders"]["val. CC"])
    assert falling == ["sweep/0", "first", "sweep/1"]
    assert rising == ["first", "sweep/0", "sweep/1"]  # what has no value stays last
    assert list(dict.fromkeys(seen["orders"]["run"][0])) == ["sweep/1", "sweep/0", "first"]
    assert set(seen["kept"]) == {"sweep/0", "sweep/1"}
    assert seen["wide"] <= 0


@needs_chromium
@pytest.mark.slow
def test_no_plot_of_a_page_is_scrolled_on_a_phone(outputs):
    for name, kind in (("first", "a<b>c</b>"), ("sweep/0", "d&amp;")):
        path = outputs / name / "config.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"axes": kind}))
    runs, broken = find_runs(outputs)
    write_runs_page(outputs / "index.html", "Runs", runs * 4, broken)
    seen = drive(outputs / "index.html", DRIVE, width=400)
    assert seen["problems"] == []
    assert seen["scrolled"] == 0
    assert seen["wide"] <= 0
    assert set(seen["kinds"]) == {"scatter"}
    # A plot for each setting; names are shown as they are written.
    assert seen["plots"][0] == len(differing_settings(runs))
    assert {"a<b>c</b>", "d&amp;"} <= set(seen["labels"])
