"""The page of a benchmark: names of methods and crystals are anybody's."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

from phaselearn.benchmark.comparison import compare
from phaselearn.benchmark.confidence import check
from phaselearn.benchmark.curves import curves_of
from phaselearn.benchmark.page import write_page
from phaselearn.benchmark.paired import paired
from phaselearn.benchmark.results import Results
from phaselearn.benchmark.scrambling import FalseClaims
from phaselearn.benchmark.table import summarise_records, with_interval
from tests.benchmark.record import record

MARKUP = "<img src=x onerror=alert(1)></script> & \x1b[31m \u202e"
SPELLED = "<img src=x onerror=alert(1)></script> & \\x1b[31m \\u202e"


class Page(HTMLParser):
    """The text and the elements of a page as a browser shows them, and the data of its plots."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.cells: list[str] = []
        self.plots: list[dict] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.inside = "plot" if ("type", "application/json") in attrs else tag

    def handle_data(self, data: str) -> None:
        if self.inside == "plot":
            self.plots.append(json.loads(data))
            self.inside = ""
        elif self.inside in ("th", "td", "dd", "dt", "h1"):
            self.cells.append(data)


def written(path: Path, method: str) -> Page:
    records = [
        record(id=str(place), method=name, regime="d2.0", solved=place % 2 == 0, atoms=1 + place)
        for place in range(12)
        for name in (method, "outside")
    ]
    ours = [each for each in records if each.method == method]
    rows, beside = summarise_records(records, 20), compare(records, ["outside"])
    claims = [FalseClaims("d2.0", method, fitted=12, n=12, above=0, highest=0.3)]
    results = Results(rows, curves_of(records, 20), paired(records), beside, [check(ours, ours)], claims)
    write_page(path, f"Title {method}", {f"fact {method}": method}, results)
    return Page(path.read_text(encoding="utf-8"))


def test_markup_in_names_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    page = written(tmp_path / "benchmark.html", MARKUP)
    assert "img" not in page.elements
    assert page.elements == written(tmp_path / "plain.html", "plain").elements
    shown = "\n".join(page.cells)
    for part in (f"Title {SPELLED}", f"fact {SPELLED}", f"\n{SPELLED}\n"):
        assert part in shown
    text = (tmp_path / "benchmark.html").read_text(encoding="utf-8")
    assert "<img src=x" not in text


def test_plotly_finds_no_markup_in_names(tmp_path: Path) -> None:
    names = {
        trace["name"]
        for plot in written(tmp_path / "benchmark.html", MARKUP).plots
        for trace in plot["data"]
        if "onerror" in trace.get("name", "")
    }
    assert names
    assert all("<" not in name for name in names)


def test_all_plots_draw_a_method_in_one_colour(tmp_path: Path) -> None:
    colours: dict[str, set[str]] = {}
    for plot in written(tmp_path / "benchmark.html", "ours").plots:
        for trace in plot["data"]:
            if trace["name"] in ("ours", "outside"):
                colours.setdefault(trace["name"], set()).add(trace["marker"]["color"])
    assert {name: len(used) for name, used in colours.items()} == {"ours": 1, "outside": 1}
    assert colours["ours"] != colours["outside"]


def test_an_interval_is_shown_from_five_crystals_on() -> None:
    records = [record(id=str(place), solved=place % 2 == 0) for place in range(5)]
    (five,) = (row for row in summarise_records(records, 20) if row["subset"] == "all")
    (four,) = (row for row in summarise_records(records[:4], 20) if row["subset"] == "all")
    assert with_interval(five, "solved").startswith("60.0 [")
    assert with_interval(four, "solved") == "50.0"
