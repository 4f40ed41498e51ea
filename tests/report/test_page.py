"""The page holds all that it shows and asks the network for nothing."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from phaselearn.report.content import ShownCrystal
from phaselearn.report.curves import Curves, Series
from phaselearn.report.page import write_page
from phaselearn.report.results import ResultRow

VOID = {"meta", "input", "br", "link", "img"}


class Reader(HTMLParser):
    """Collects elements, their ids and text, and checks that they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: dict[str, str] = {}
        self.current: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)
        self.current = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.current:
            self.text[self.current] = self.text.get(self.current, "") + data


def read(path: Path) -> tuple[str, Reader]:
    text = path.read_text(encoding="utf-8")
    own = text.replace(get_plotlyjs(), "")
    reader = Reader()
    reader.feed(own)
    reader.close()
    assert reader.open == []
    return own, reader


def page(path: Path, **changes: Any) -> tuple[str, Reader]:
    given = {"title": "A run", "facts": {}, "table": [], "curves": None, "crystals": [], "config_text": ""}
    write_page(path, **given | changes)
    return read(path)


def test_page_is_one_file_that_refers_to_nothing_outside(
    tmp_path: Path, rows: list[ResultRow], curves: Curves, rock_salt: ShownCrystal, triclinic: ShownCrystal
) -> None:
    path = tmp_path / "report.html"
    own, reader = page(
        path,
        facts={"model": "CNN", "command": "train.py model=cnn"},
        table=rows,
        curves=curves,
        crystals=[rock_salt, triclinic] * 3,
        config_text="seed: 0\n",
    )
    assert path.read_text(encoding="utf-8").count(get_plotlyjs()) == 1
    assert not re.search(r"https?:", own)
    assert not re.search(r"@import|url\(", own)
    names = {name for name, _ in reader.attributes}
    assert not names & {"src", "srcset", "action"}
    assert [value for name, value in reader.attributes if name == "href"] == ["../index.html"]
    assert path.stat().st_size < 12e6
    assert list(tmp_path.iterdir()) == [path]
    ids = [value for name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    labelled = [value for name, value in reader.attributes if name == "aria-labelledby"]
    assert set(labelled) <= set(ids)


def test_maps_come_through_the_page_as_they_were(tmp_path: Path, triclinic: ShownCrystal) -> None:
    _, reader = page(tmp_path / "report.html", crystals=[triclinic])
    shown = json.loads(reader.text["report-data"])["crystals"][0]
    for name, density in (("truth", triclinic.truth), ("prediction", triclinic.prediction)):
        packed = shown[name]
        steps = np.frombuffer(base64.b64decode(packed["base64"]), dtype="<u2").reshape(packed["shape"])
        values = packed["low"] + steps / 65535 * (packed["high"] - packed["low"])
        np.testing.assert_allclose(values, density, atol=1e-5 * np.ptp(density))
    assert shown["elements"] == ["O", "Ca", "Ti"]
    assert shown["space_group_name"] == "P -1 (2)"
    np.testing.assert_allclose(shown["lattice"], triclinic.lattice, atol=1e-5)


def test_table_stands_beside_its_floors(tmp_path: Path, rows: list[ResultRow]) -> None:
    own, _ = page(tmp_path / "report.html", table=rows, facts={"judged on": "200 crystals of the test split"})
    assert own.count('<tr class="floor">') == own.count('<tr class="network">') == 4
    assert "phase-zero floor 0.810" in own
    assert "200 crystals of the test split" in own
    assert "3 crystals are left out" in own


def test_what_users_write_is_shown_as_text(tmp_path: Path, triclinic: ShownCrystal) -> None:
    nasty = "</script><script>alert('$title & co')</script>"
    own, reader = page(
        tmp_path / "report.html",
        title=nasty,
        facts={nasty: nasty},
        config_text=nasty,
        crystals=[replace(triclinic, formula=nasty, id=nasty)],
    )
    assert "<script>alert" not in own
    assert json.loads(reader.text["report-data"])["crystals"][0]["formula"] == nasty
    assert "/" not in replace(triclinic, id="../a b").file_stem


def test_a_diverged_network_is_reported_too(tmp_path: Path, rows: list[ResultRow], diverged: ShownCrystal) -> None:
    nothing = float("nan")
    _, reader = page(
        tmp_path / "report.html",
        table=[replace(rows[0], median_cc=nothing)],
        curves=Curves({"train/loss": Series(np.array([1, 2]), np.array([1.0, nothing]))}),
        crystals=[replace(diverged, space_group=0)],
    )
    data = json.loads(reader.text["report-data"], parse_constant=lambda name: pytest.fail(name))
    assert data["curves"]["train/loss"]["values"] == [1.0, None]
    assert data["crystals"][0]["correlation"] is None


def test_an_empty_run_still_has_a_page(tmp_path: Path) -> None:
    own, _ = page(tmp_path / "report.html", config_text="seed: 0")
    assert "seed: 0" in own
    assert 'id="surface-truth"' not in own.split("<script>")[0]
