"""Rules of prose that a machine can check: docstrings begin with their subject, and lines stand alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "phaselearn"
TEXTS = [
    *PACKAGE.rglob("*.py"),
    *(REPOSITORY / "conf").rglob("*.yaml"),
    *(REPOSITORY / "docs").glob("*.md"),
]

# What is wrong, the pattern that finds it, and a line that has it.
FAULTS = {
    "a negated noun: write `is not a folder`": (
        r"(?<![Tt]here )(?<!may )\b(is|are|was|were|be) no (?!longer|more|other)[a-zA-Z]",
        "{path} is no folder: name one",
    ),
    "a training: write `training` or `a run`": (
        r"\b(a|an|each|every|one|another) training(?! (run|batch|set|step|epoch|crystal|loss|split)\b)|\btrainings\b",
        "Ends a training whose loss is not finite",
    ),
    "per unit: write `one per sample`": (
        r"\b(one|once|values?|crystals?|seeds?|rows?|pairs?|factors?|eV|s|ms|seconds) an? "
        r"(core|crystal|sample|row|line|chunk|start|process|job|worker|epoch|atom|axis)\b",
        "every one gives a value a sample",
    ),
    "an argument without its noun": (
        r"^ {8,}[A-Za-z_]+(, [A-Za-z_]+)*: (of|in|by|to|that|with|for|from|whose|which|what|see|as in) ",
        "        crystals: of the batch.",
    ),
}


def docstrings(*folders: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        for name, text in docstrings_of(path):
            yield f"{path.relative_to(REPOSITORY)}: {name}", text


@cache
def docstrings_of(path: Path) -> list[tuple[str, str]]:
    """Return the names and docstrings of a file, its own by the name `module`."""
    nodes = ast.walk(ast.parse(path.read_text()))
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    documented = [node for node in nodes if isinstance(node, kinds)]
    texts = [(getattr(node, "name", "module"), ast.get_docstring(node)) for node in documented]
    return [(name, text) for name, text in texts if text]


def test_no_docstring_begins_with_what() -> None:
    folders = (REPOSITORY / name for name in ("phaselearn", "benchmarks", "examples", "tests"))
    assert [place for place, text in docstrings(*folders) if text.startswith("What")] == []


def test_every_module_has_a_docstring() -> None:
    places = {place.removesuffix(": module") for place, _ in docstrings(PACKAGE) if place.endswith(": module")}
    modules = {str(path.relative_to(REPOSITORY)) for path in PACKAGE.rglob("*.py")}
    assert sorted(modules - places) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_texts_are_free_of_a_fault(fault: str) -> None:
    pattern = re.compile(FAULTS[fault][0])
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in sorted(TEXTS)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str) -> None:
    pattern, example = FAULTS[fault]
    assert re.search(pattern, example)


def test_comments_of_keys_have_a_noun() -> None:
    """A comment beside a key stands alone: `# seed of the phases`, not `# of the phases`."""
    fragment = re.compile(r"^\s*[^#\s][^#]*#\s+(of|in|to|for|from|whose|which|see) ")
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in sorted((REPOSITORY / "conf").rglob("*.yaml"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if fragment.search(line)
    ]
    assert found == []
    assert fragment.search("seed: 0 # of the phases")
