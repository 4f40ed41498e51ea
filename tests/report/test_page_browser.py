"""The page in a real browser: it draws without errors, and its controls change what they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from browser import drive, needs_chromium

from phaselearn.report.content import ShownCrystal
from phaselearn.report.curves import Curves
from phaselearn.report.page import write_page
from phaselearn.report.results import ResultRow

pytestmark = [needs_chromium, pytest.mark.slow]  # 40 seconds, most of them waiting for Chromium; CI runs it

DRIVE = """
(async () => {
  const element = (id) => document.getElementById(id);
  const settle = () => new Promise((done) => setTimeout(done, 500));
  const send = (id, event, change) => {
    Object.assign(element(id), change);
    element(id).dispatchEvent(new Event(event));
  };
  const look = () => ({
    threshold: element("threshold-value").textContent,
    plane: element("slice-value").textContent,
    vertices: ["truth", "prediction"].map((kind) => element("surface-" + kind).data[0].x.length),
    widest: Math.max(...element("surface-truth").data[0].x) - Math.min(...element("surface-truth").data[0].x),
    surface_visible: ["truth", "prediction"].map((kind) => element("surface-" + kind).data[0].visible),
    atoms: element("surface-truth").data[3].text,
    atoms_visible: element("surface-truth").data[3].visible,
    contour: element("slice-truth").data[1].contours.start,
    slice_x: element("slice-truth")._fullLayout.xaxis.title.text,
    slice_sum: element("slice-truth").data[0].z.flat().reduce((sum, value) => sum + (value ?? 0), 0),
    facts: element("crystal-facts").textContent,
    eyes: ["truth", "prediction"].map((kind) => element("surface-" + kind)._fullLayout.scene.camera.eye),
    loss: element("curve-loss")._fullLayout.yaxis.type,
    against_time: element("solved-seconds").data.map((trace) => [trace.name, trace.x[0], trace.y[0]]),
    drawn: ["truth", "prediction"].map((kind) => element("surface-" + kind).data.map((trace) => trace.type)),
    least: element("threshold").min,
    comparisons: [...document.querySelectorAll("[data-crystal]")].map((block) => block.hidden),
    pattern: [element("pattern-value").textContent, element("pattern").data[0].z.flat().reduce((sum, i) => sum + i, 0)],
    maps: [...element("map-files").children].map((link) => decodeURIComponent(link.getAttribute("href"))),
    wide: document.documentElement.scrollWidth - innerWidth,
  });
  const seen = {};
  const camera = { eye: { x: 2, y: 1, z: 0.5 }, up: { x: 0, y: 0, z: 1 }, center: { x: 0, y: 0, z: 0 } };
  const step = async (name, action) => { await action(); await settle(); seen[name] = look(); };
  try {
    await step("start", () => {});
    await step("low", () => send("threshold", "input", { value: 30 }));
    await step("plane", () => send("slice-position", "input", { value: 0.25 }));
    await step("axis", () => send("slice-axis", "change", { value: "0" }));
    await step("turned", () => Plotly.relayout("surface-prediction", { "scene.camera": camera }));
    await step("bare", () => send("show-atoms", "change", { checked: false }));
    await step("voxels", () => send("drawing", "change", { value: "voxels" }));
    await step("all", () => send("threshold", "input", { value: 0 }));
    await step("over", () => send("show-truth", "change", { checked: true }));
    await step("surfaces", () => send("drawing", "change", { value: "surface" }));
    await step("pattern", () => send("pattern-plane", "input", { value: -2 }));
    send("show-truth", "change", { checked: false });
    await step("linear", () => send("log-loss", "change", { checked: false }));
    await step("second", () => document.querySelectorAll("input[name=crystal]")[1].click());
    await step("third", () => document.querySelectorAll("input[name=crystal]")[2].click());
    await step("reset", () => element("reset-view").click());
  } catch (error) { problems.push(String(error.stack)); }
  const result = document.createElement("pre");
  result.id = "probe";
  result.textContent = JSON.stringify({ problems, seen });
  document.body.append(result);
})();
"""


@pytest.fixture(scope="module")
def probe(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[ResultRow],
    curves: Curves,
    rock_salt: ShownCrystal,
    triclinic: ShownCrystal,
) -> dict:
    """The state of the page after each use of a control."""
    folder = tmp_path_factory.mktemp("browser")
    path = folder / "report.html"
    diverged = replace(triclinic, formula="Flat", prediction=np.full_like(triclinic.truth, np.nan))
    crystals = [rock_salt, triclinic, diverged]
    write_page(path, title="A run", facts={}, table=rows, curves=curves, crystals=crystals, config_text="seed: 0")
    return drive(path, DRIVE)


def test_no_errors_on_the_console(probe: dict) -> None:
    assert probe["problems"] == []


def test_the_first_view_is_the_reports(probe: dict) -> None:
    start = probe["seen"]["start"]
    assert start["threshold"] == "70 %"
    assert min(start["vertices"]) > 50
    assert start["contour"] == 70
    assert start["wide"] <= 0
    assert "demo-1" in start["facts"]
    assert start["loss"] == "log"


def test_each_method_stands_where_its_seconds_and_its_share_of_hard_crystals_are(
    probe: dict, rows: list[ResultRow]
) -> None:
    hard = [row for row in rows if row.subset == "hard"]
    names, seconds, solved = zip(*probe["seen"]["start"]["against_time"], strict=True)
    assert names == tuple(row.method_label for row in hard)
    assert seconds == pytest.approx([row.seconds for row in hard])
    assert solved == pytest.approx([100 * row.solved for row in hard])


def test_the_threshold_changes_surface_and_contour(probe: dict) -> None:
    start, low = probe["seen"]["start"], probe["seen"]["low"]
    assert low["threshold"] == "30 %"
    assert low["contour"] == 30
    assert low["vertices"][0] > 1.3 * start["vertices"][0]
    assert low["vertices"][1] > 1.3 * start["vertices"][1]


def test_the_slice_moves_and_turns(probe: dict) -> None:
    low, plane, axis = (probe["seen"][name] for name in ("low", "plane", "axis"))
    assert plane["plane"] == "0.25"
    assert plane["slice_sum"] != pytest.approx(low["slice_sum"], rel=0.01)
    assert low["slice_x"] == "along a / Å"
    assert axis["slice_x"] == "along b / Å"


def test_turning_one_view_turns_the_other(probe: dict) -> None:
    start, turned, reset = (probe["seen"][name] for name in ("start", "turned", "reset"))
    assert turned["eyes"][0] == turned["eyes"][1] == {"x": 2, "y": 1, "z": 0.5}
    assert reset["eyes"] == start["eyes"]


def test_switches(probe: dict) -> None:
    assert probe["seen"]["start"]["atoms_visible"] is True
    assert probe["seen"]["bare"]["atoms_visible"] is False
    assert probe["seen"]["linear"]["loss"] == "linear"


def test_the_picker_shows_another_crystal(probe: dict) -> None:
    bare, second, third = (probe["seen"][name] for name in ("linear", "second", "third"))
    assert "demo-2" in second["facts"]
    assert second["vertices"] != bare["vertices"]
    assert len(second["atoms"]) == 4
    assert second["surface_visible"] == [True, True]
    assert third["surface_visible"] == [True, False]


def test_voxels_are_drawn_as_they_are(probe: dict, rock_salt: ShownCrystal) -> None:
    voxels, everything, over, surfaces = (probe["seen"][name] for name in ("voxels", "all", "over", "surfaces"))
    for seen, least in ((voxels, 0.3), (everything, 0.0)):
        maps = (rock_salt.truth, rock_salt.prediction)
        # The page holds maps in 16-bit steps: voxels at the threshold may go either way.
        assert seen["vertices"] == [pytest.approx((density > least * density.max()).sum(), abs=20) for density in maps]
    assert everything["threshold"] == "0 %"
    assert [len(types) for types in over["drawn"]] == [4, 5]
    assert over["drawn"][1] == ["scatter3d"] * 5
    # A surface at 0 would be that of the noise.
    assert surfaces["threshold"] == "5 %"
    assert surfaces["least"] == "5"
    assert surfaces["drawn"][1] == ["mesh3d", *["scatter3d"] * 3, "mesh3d"]


def test_the_pattern_shows_the_plane_that_was_chosen(probe: dict, rock_salt: ShownCrystal) -> None:
    for step, plane, name in (("start", 0, "0"), ("pattern", -2, "−2")):
        shown, total = probe["seen"][step]["pattern"]
        assert shown == name
        # Place −2 of an FFT box is l = −2.
        assert total == pytest.approx(np.log10(1 + rock_salt.pattern[:, :, plane].astype(float)).sum(), rel=1e-3)


def test_each_crystal_has_its_own_comparison(probe: dict) -> None:
    assert probe["seen"]["start"]["comparisons"] == [False, True, True]
    assert probe["seen"]["third"]["comparisons"] == [True, True, False]


def test_the_maps_of_the_shown_crystal_can_be_downloaded(probe: dict, rock_salt: ShownCrystal) -> None:
    names = [f"{what}.{kind}" for what in ("truth", "prediction") for kind in ("ccp4", "cube")]
    assert probe["seen"]["start"]["maps"] == [f"maps/{rock_salt.file_stem}_{name}" for name in names]
    assert probe["seen"]["third"]["maps"][0] != probe["seen"]["start"]["maps"][0]
