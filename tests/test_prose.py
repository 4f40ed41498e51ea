"""Docstrings begin with their subject."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "phaselearn"


def docstrings() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield f"{path.relative_to(PACKAGE)}: {getattr(node, 'name', 'module')}", text


def test_no_docstring_begins_with_what() -> None:
    assert [place for place, text in docstrings() if text.startswith("What")] == []


def test_every_module_has_a_docstring() -> None:
    places = {place.removesuffix(": module") for place, _ in docstrings() if place.endswith(": module")}
    modules = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")}
    assert sorted(modules - places) == []
