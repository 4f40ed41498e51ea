"""RESULTS.md: written from its tables, short, and complete."""

from __future__ import annotations

import sys

import pytest
import yaml

from tests.cli.folders import REPO

sys.path.insert(0, str(REPO / "benchmarks"))
import results_page

QUESTIONS = yaml.safe_load((results_page.FOLDER / "questions.yaml").read_text())


def test_the_page_is_what_its_tables_give() -> None:
    assert results_page.PAGE.read_text() == results_page.page(), "python benchmarks/results_page.py"


def test_the_page_is_short() -> None:
    assert len(results_page.page().splitlines()) <= 150


def test_every_table_answers_a_question() -> None:
    assert {path.stem for path in results_page.FOLDER.glob("*.csv")} == set(QUESTIONS)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_names_what_its_figures_come_from(name: str) -> None:
    question = QUESTIONS[name]
    assert {"question", "verdict", "reading", "command", "commit", "seconds"} <= set(question)
    script = question["command"].split()[1]
    assert script.startswith("benchmark") or (REPO / script).is_file()


def test_a_cell_shows_its_interval_and_a_dash_where_an_end_is_open() -> None:
    row = {"solved %": "70", "solved % low": "60", "solved % high": ""}
    assert results_page.shown(row, "solved %") == "70 [60, —]"
    assert results_page.shown({"solved %": ""}, "solved %") == "—"


def test_a_cross_table_has_a_dash_where_nothing_was_measured() -> None:
    rows = [
        {"data": "a", "method": "x", "solved": "1"},
        {"data": "a", "method": "y", "solved": "2"},
        {"data": "b", "method": "y", "solved": "3"},
    ]
    headings, lines = results_page.crossed(rows, "data", "method", "solved")
    assert headings == ["data", "x", "y"]
    assert lines == [["a", "1", "2"], ["b", "—", "3"]]
