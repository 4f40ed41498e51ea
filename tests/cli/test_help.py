"""`--help` in a narrow terminal: every option with a whole sentence."""

from __future__ import annotations

import pytest

from phaselearn.commands.help import print_help

COLUMNS = 80


def test_no_sentence_on_an_option_is_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    print_help("train")
    options = capsys.readouterr().out.partition("\nvalues ")[0]
    shown = [line for line in options.splitlines() if line.startswith((" ", "="))]
    assert max(map(len, shown)) <= COLUMNS
    text = " ".join(options.split())
    # The comment of the first ends on its second line, and that of the second is longer than a line of the terminal.
    assert "plots the losses, suggests a rate, and ends" in text
    assert "a running mean of the weights is validated, kept and judged instead of the last weights" in text
