"""The table on the terminal and as Markdown."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from phaselearn.report.results import ResultRow
from phaselearn.report.terminal import number, results_markdown, results_table


def printed(rows: list[ResultRow]) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(results_table(rows))
    return console.file.getvalue().splitlines()


def test_table_fits_a_terminal_and_shows_every_method(rows: list[ResultRow]) -> None:
    lines = printed(rows)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert len(lines) <= 18  # six more follow, and 24 are a screen
    table = text.partition("CC, gain")[0]
    assert table.count("phase-zero floor") == table.count("charge flipping") == table.count("CNN") == 2
    assert "all crystals" in text
    assert "hard (CC₀ < 0.9)" in text
    assert "0.920" in text
    assert "52 %" in text
    assert "3 crystals are left out" in " ".join(text.split())


def test_structure_types_that_training_did_not_have_are_told_where_others_are_tested_too(rows: list[ResultRow]) -> None:
    said = "Structure types not seen in training: CNN solves 52 % of 50, CC 0.920, phase zero 0.810."
    assert said in " ".join("\n".join(printed(rows)).split())
    alone = [replace(row, n=200) for row in rows if row.subset == "unseen_prototype"]
    assert "not seen in training" not in "\n".join(printed(alone))


def test_what_is_not_a_number_is_a_dash(rows: list[ResultRow]) -> None:
    nothing = float("nan")
    row = replace(rows[0], n=0, solved=nothing, strict=nothing, median_cc=nothing, gain=-0.25, phase_error=nothing)
    text = "\n".join(printed([row]))
    assert "nan" not in text
    assert text.count("–") == 4
    assert "−0.250" in text


def test_maps_that_are_none_are_counted_and_said(rows: list[ResultRow]) -> None:
    failing = [replace(row, failed=7) if row.method == "CNN" else row for row in rows]
    said = "7 of 200 maps are not a number or without phases, and counted as unsolved: CNN."
    assert said in " ".join("\n".join(printed(failing)).split())
    assert said in results_markdown(failing)
    assert "not a number" not in results_markdown(rows)


def test_markdown_has_a_line_a_row(rows: list[ResultRow]) -> None:
    lines = results_markdown(rows).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == len(rows) + 2
    assert {line.count("|") for line in table} == {10}
    assert table[2] == "| all crystals | CNN | 200 | 52 % | 42 % | 0.920 | 0.110 | 25° | 0.080 |"


def test_what_rounds_to_zero_has_no_sign() -> None:
    assert (number(-0.0001), number(-0.0006), number(-0.2, 0, "°")) == ("0.000", "−0.001", "0°")
