"""Folders that anybody may have written are shown as broken, with the reason; their names are not obeyed."""

from __future__ import annotations

import io
import os
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from rich.console import Console

from phaselearn.errors import UserError
from phaselearn.failures import Failure, note_failure, read_failure
from phaselearn.report.run_comparison import terminal_tables, write_comparison_page
from phaselearn.report.run_folders import find_runs, read_run
from phaselearn.report.run_records import BrokenRun, RunRecord
from phaselearn.report.runs_page import problems_table, terminal_table, write_runs_page
from tests.report.test_runs import write_run
from tests.thinned import thinned

MARKUP = "[red]x[/red] <script>alert(1)</script> \x1b[31mred\x1b]8;;http://a\x07 \u202e it's 50%?#\nnew"
BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 8)}]\n" for below, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def endless_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def huge(path: Path) -> None:
    with open(path, "ab") as file:
        file.truncate(1 << 40)


BREAKERS = {
    "broken YAML": lambda run: (run / "config.yaml").write_text("a: [1, {b\n c: ]"),
    "a list": lambda run: (run / "config.yaml").write_text("- 1\n- 2\n"),
    "empty": lambda run: (run / "config.yaml").write_text(""),
    "deep YAML": lambda run: (run / "config.yaml").write_text("[" * 5000),
    "a bomb of aliases": lambda run: (run / "config.yaml").write_text(BOMB),
    "binary": lambda run: (run / "config.yaml").write_bytes(bytes(range(256)) * 10),
    "a pipe": lambda run: pipe(run / "config.yaml"),
    "a link in a circle": lambda run: endless_link(run / "config.yaml"),
    "a device": lambda run: ((run / "config.yaml").unlink(), (run / "config.yaml").symlink_to("/dev/zero")),
    "a huge file": lambda run: huge(run / "metrics.csv"),
    "half a table": lambda run: (run / "results.csv").write_text("method,subset,n,solved\nNetwork,all,3"),
    "binary metrics": lambda run: (run / "metrics.csv").write_bytes(b"epoch,step\n\x00\xff\xfe"),
    "endless epochs": lambda run: (run / "metrics.csv").write_text("epoch,val/loss\ninf,1\n"),
    "huge epochs": lambda run: (run / "metrics.csv").write_text("epoch,val/loss\n1e300,1\n"),
    "a direction": lambda run: (run / "config.yaml").write_text("direction: sideways\n"),
    "a quote": lambda run: (run / "command.txt").write_text("python train.py 'loss=l1\n"),
}


def shown(*tables) -> str:
    console = Console(file=io.StringIO(), width=400, force_terminal=False)
    for table in filter(None, tables):
        console.print(table)
    return console.file.getvalue()


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    write_run(tmp_path / "outputs" / "sound", "mlp", 1e-3, [0.5, 0.75], {"a": 0.5})
    write_run(tmp_path / "outputs" / "other", "cnn", 1e-3, [0.5, 0.25], {"a": 0.5})
    return tmp_path / "outputs"


# One for each file that is read, and each way in which it cannot be.
TRIED = {"broken YAML", "a bomb of aliases", "a pipe", "a huge file", "half a table", "huge epochs", "a quote"}


@pytest.mark.parametrize("kind", thinned(BREAKERS, TRIED.__contains__))
def test_a_folder_that_cannot_be_read_is_shown_with_the_reason(outputs: Path, kind: str) -> None:
    BREAKERS[kind](outputs / "other")
    runs, broken = find_runs(outputs)
    assert [run.name for run in runs] == ["sound"]
    assert [run.name for run in broken] == ["other"]
    assert broken[0].reason.isprintable()
    table = shown(terminal_table(runs), problems_table(runs, broken))
    assert "sound" in table
    assert broken[0].reason in " ".join(table.split()).replace("  ", " ") or len(broken[0].reason) > 300
    write_runs_page(outputs / "index.html", "Runs", runs, broken)
    assert broken[0].reason in unescape((outputs / "index.html").read_text())


def test_settings_that_are_no_parts_are_a_dash(outputs: Path) -> None:
    (outputs / "other" / "config.yaml").write_text("model: 3\nloss: [1]\ndata: text\noptimize: 7\n")
    runs, broken = find_runs(outputs)
    assert not broken
    write_runs_page(outputs / "index.html", "Runs", runs, broken)


def test_a_folder_of_broken_runs_alone_has_a_page(outputs: Path) -> None:
    for name in ("sound", "other"):
        (outputs / name / "config.yaml").write_text("{")
    runs, broken = find_runs(outputs)
    assert (len(runs), len(broken)) == (0, 2)
    write_runs_page(outputs / "index.html", "Runs", runs, broken)


class Links(HTMLParser):
    """The targets of links, and the elements, of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.shown = ""
        # plotly's own code holds markup of its own.
        self.feed(re.sub(r"(?s)<script>.*?</script>", "", page.read_text()))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.shown += data


def strange(outputs: Path) -> Path:
    """A run whose folder, settings, results and command hold markup."""
    folder = outputs / MARKUP.replace("/", "_")
    write_run(folder, "mlp", 1e-2, [0.5], {"a": 0.5, "b": 0.25})
    config = folder / "config.yaml"
    config.write_text(config.read_text() + yaml.safe_dump({"mine": MARKUP, MARKUP: 1, "optimize": MARKUP}))
    for name in ("results.csv", "crystals.csv"):
        quoted = '"' + MARKUP + '"'
        (folder / name).write_text((folder / name).read_text().replace("Network", quoted).replace("NaCl<", quoted))
    (folder / "command.txt").write_text("python train.py \x1b[2J loss=l1\n")
    return folder


def test_markup_and_escapes_are_shown_and_not_obeyed(outputs: Path) -> None:
    folder = strange(outputs)
    runs, broken = find_runs(outputs)
    assert not broken
    printed = shown(terminal_table(runs))
    assert "[red]x[_red]" in printed
    page = outputs / "index.html"
    write_runs_page(page, f"Runs in {MARKUP}", runs, broken)
    [run] = [run for run in runs if run.folder == folder]
    comparison = outputs / "comparison.html"
    sound = read_run(outputs / "sound", "sound")
    assert isinstance(sound, RunRecord)
    write_comparison_page(comparison, run, sound)
    printed += shown(*terminal_tables(run, sound)) + run.command
    assert all(character.isprintable() or character == "\n" for character in printed)
    for path in (page, comparison):
        text = path.read_text()
        assert "<script>alert(1)" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
        links = Links(path)
        assert "<script>alert(1)</script>" in links.shown.replace("_script>", "/script>")
        found = {unquote(urlsplit(target).path) for target in links.targets}
        assert str((folder / "report.html").relative_to(outputs)) in found
        assert all((outputs / target).is_file() for target in found)


def test_two_runs_of_which_one_is_broken_are_not_compared(outputs: Path) -> None:
    (outputs / "other" / "results.csv").write_text("method\nx")
    assert isinstance(read_run(outputs / "sound", "sound"), RunRecord)
    other = read_run(outputs / "other", "other")
    assert isinstance(other, BrokenRun)
    assert "results.csv has no column subset" in other.reason


def test_a_job_that_failed_is_told_and_says_what_it_was(outputs: Path) -> None:
    note_failure(outputs / "other", "no\nnumber \x1b[0m", "train", ["loss=l1", "optim.optimizer.lr=1e30"])
    (outputs / "early").mkdir()
    note_failure(outputs / "early", "nothing", "train", [])
    failure = read_failure(outputs / "other")
    assert failure == Failure("no number \\x1b[0m", "phaselearn train loss=l1 optim.optimizer.lr=1e30")
    assert failure.choices(["loss"]) == "optim.optimizer.lr=1e30"
    runs, broken = find_runs(outputs)
    assert {run.name for run in runs} == {"sound", "other"}
    assert [(run.name, run.reason) for run in broken] == [("early", "failed: nothing")]
    printed = shown(problems_table(runs, broken))
    assert "no number" in printed
    assert "failed: nothing" in printed


def test_a_folder_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        find_runs(tmp_path / "nothing")
