"""Names that anybody may have chosen come back whole from Hydra, a shell and a link, and do nothing on the way."""

from __future__ import annotations

import html
import os
import shlex
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from omegaconf import OmegaConf

from phaselearn.quoting import command, link_target, markdown_text, one_line, printable, setting

NAMES = (
    "o/it's",
    "s?a b",
    'a"b',
    "a#b%20c",
    "a,b",
    "a=b",
    "[x]",
    "a(b)",
    "{a: b}",
    "ü/é 結晶",
    "-x/y",
    "a\\",
    "a\\'b",
    "a\\${b}",
    "${oc.env:HOME}",
    "null",
    "1e-3",
    "007",
    "true",
    " a  b ",
    "~/x",
    "$(touch x)`id`;&|<>!*",
)


def read_by_hydra(word: str) -> str:
    """Return the value that a run would have of an override."""
    parsed = OverridesParser.create().parse_override(word)
    return OmegaConf.create({"value": parsed.value()}).value


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]))


@settings(max_examples=20)  # Hydra's parser takes its time
@given(TEXTS)
def test_hydra_reads_a_setting_as_the_text_that_it_was(text: str) -> None:
    assert read_by_hydra(setting("run", text)) == text


@pytest.mark.slow
@settings(max_examples=200)
@given(TEXTS)
def test_hydra_reads_any_setting_as_the_text_that_it_was(text: str) -> None:
    assert read_by_hydra(setting("run", text)) == text


@pytest.mark.parametrize("name", NAMES)
def test_a_printed_command_is_read_as_it_was_meant(name: str) -> None:
    printed = command("python train.py", setting("run", name), "trainer.max_epochs=2")
    program, script, run, epochs = shlex.split(printed)
    assert (program, script, epochs) == ("python", "train.py", "trainer.max_epochs=2")
    assert read_by_hydra(run) == name


def test_what_needs_no_quotes_has_none() -> None:
    printed = command("python train.py", setting("resume", Path("outputs/2026-11-28_03-16_mlp")), "a.b=1e-3")
    assert printed == "python train.py resume=outputs/2026-11-28_03-16_mlp a.b=1e-3"


def test_a_path_with_a_dash_in_front_is_no_flag() -> None:
    assert command("cp", Path("-r/best.ckpt"), Path("x y")) == "cp ./-r/best.ckpt 'x y'"


@pytest.mark.parametrize("name", [*NAMES, "a\nb", "\x1b[31mred", "tab\there's", os.fsdecode(b"caf\xe9")])
def test_a_shell_gets_the_bytes_of_every_word(name: str) -> None:
    printed = command("printf %s", name)
    assert printed.isprintable()
    assert subprocess.run(["bash", "-c", printed], capture_output=True, check=True).stdout == os.fsencode(name)


@given(st.text())
@example("\x1b]8;;http://x\x07link")
@example("\u202egnp.exe")
def test_nothing_reaches_a_terminal_but_what_is_printed(text: str) -> None:
    assert printable(text).isprintable()
    assert one_line(text).isprintable()


def test_a_message_keeps_the_spaces_of_names() -> None:
    assert one_line("a  b\n  c\td \x1b[0m ") == "a  b c d \\x1b[0m"


@given(st.text(st.characters(codec="utf-8")))
@example("[x](javascript:alert(1)) <script>alert(1)</script>")
@example("| a | **b** __c__ `d` &amp; ~~e~~")
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    tokens = MarkdownIt("js-default").renderInline(markdown_text(text))
    assert html.unescape(tokens).strip() == printable(text).strip()


@pytest.mark.parametrize("name", [*NAMES, "a:b", "//host/x", os.fsdecode(b"caf\xe9")])
def test_a_link_leads_to_the_path(name: str) -> None:
    target = link_target(f"x/{name}/report.html")
    split = urlsplit(target)
    assert (split.scheme, split.netloc, split.query, split.fragment) == ("", "", "", "")
    assert os.fsdecode(unquote(split.path, errors="surrogateescape")) == f"x/{name}/report.html"
