"""The pages and the end of `make run`: every command names options and keys that exist, and every link a file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override

from phaselearn.commands.benchmark import as_setting
from phaselearn.commands.main import COMMANDS
from phaselearn.commands.options import config_directory
from phaselearn.commands.starts_names import starts_words
from tests.thinned import thinned

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
CONFIGURATIONS = {"config": "train", "evaluate": "train", "data": "data_info"}  # the others have their commands' names


def lines_to_type(page: Path) -> Iterator[str]:
    """Yield the lines of the code blocks of a page."""
    for block in re.findall(r"^```\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


def next_lines() -> list[str]:
    """Return the lines that `make run` ends with."""
    [line] = re.findall(r"^\t@printf 'next:.*$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return shlex.split(line)[2:]


def commands(lines: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the commands among some lines: the name, and the words after it."""
    for line in lines:
        words = shlex.split(line, comments=True)
        if "train.py" in words:
            yield "train", tuple(words[words.index("train.py") + 1 :])
        elif "phaselearn" in words[:1]:
            yield words[1], tuple(words[2:])


def one_of(override: Override) -> str:
    """Return an override as one job of a sweep has it."""
    if not override.is_sweep_override():
        return str(override.input_line)
    sweep = override.value()
    value = next(override.sweep_string_iterator()) if isinstance(sweep, ChoiceSweep) else sweep.start
    return f"{override.get_key_element()}={value}"


EXAMPLES = dict.fromkeys(commands([*chain.from_iterable(map(lines_to_type, PAGES)), *next_lines()]))
# Those of the first page, and the first of each command.
FIRST = {
    *commands([*lines_to_type(PAGES[0]), *next_lines()]),
    *{name: (name, words) for name, words in reversed(EXAMPLES)}.values(),
}


@pytest.fixture(scope="module", autouse=True)
def _options() -> Iterator[None]:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        yield


@pytest.mark.parametrize(
    "example", thinned(EXAMPLES, FIRST.__contains__), ids=lambda example: " ".join([example[0], *example[1]])
)
def test_a_command_of_the_pages_can_be_composed(example: tuple[str, tuple[str, ...]]) -> None:
    name, words = example
    assert name in COMMANDS
    rewritten = {"benchmark": lambda word: [as_setting(word)], "solve": starts_words}.get(name, lambda word: [word])
    settings = [setting for word in words if "=" in word for setting in rewritten(word)]
    if not (config_directory() / f"{CONFIGURATIONS.get(name, name)}.yaml").exists():
        assert (name, settings) == ("weights", [])  # it has no settings
        return
    parsed = OverridesParser.create().parse_overrides(settings)
    compose(CONFIGURATIONS.get(name, name), overrides=[one_of(override) for override in parsed])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_the_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
        path, _, heading = "".join(target).partition("#")
        if "://" in path:
            continue
        file = page.parent / path if path else page
        assert file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}, target
