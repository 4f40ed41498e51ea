"""The floor plan: imports point from higher layers to lower ones, and no modules import each other in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import phaselearn

ROOT = Path(phaselearn.__file__).parent
# Packages and modules of phaselearn/, the lowest first: each may import what stands before it.
LAYERS = (
    "errors",
    "files",
    "locks",
    "plain_yaml",
    "quoting",
    "running",
    "progress",
    "threads",
    "precision",
    "crystal",
    "measured",
    "phasing",
    "structure",
    "data",
    "losses",
    "metrics",
    "models",
    "solver",
    "determination",
    "callbacks",
    "failures",
    "checkpoints",
    "report",
    "tracking",
    "search",
    "benchmark",
    "prediction",
    "commands",
    "api",
    "testing",
)
# Packages and modules of phaselearn/data/, in the same order.
ROOMS = (
    *("formula", "structures", "admission", "split", "pairs", "pair_maps", "processes", "screening", "batch"),
    *("sphere_pairs", "preparation", "sources", "store", "build", "loading", "datamodule"),
)
MODULES = {
    ".".join(("phaselearn", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the modules of the package that a file imports, those inside functions too."""
    return frozenset(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def layer(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_package_has_its_place() -> None:
    assert {layer(module) for module in MODULES} - {""} == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_imports_lower_layers_alone(name: str) -> None:
    allowed = LAYERS[: LAYERS.index(name) + 1]
    upwards = [
        f"{module} imports {other}"
        for module, path in MODULES.items()
        if layer(module) == name
        for other in imported(path)
        if layer(other) not in allowed
    ]
    assert not upwards


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: imported(path) - {module} for module, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' → '.join(error.args[1])}")


def test_a_room_of_data_imports_what_stands_before_it_alone() -> None:
    place = {f"phaselearn.data.{room}": number for number, room in enumerate(ROOMS)}
    backwards = [
        f"{module} imports {other}"
        for module, path in MODULES.items()
        if layer(module) == "data" and module != "phaselearn.data"
        for other in imported(path)
        if layer(other) == "data" and place[_room(other)] > place[_room(module)]
    ]
    assert not backwards


def _room(module: str) -> str:
    return ".".join(module.split(".")[:3])


def test_the_networks_are_unknown_to_the_solver() -> None:
    known = {other for module, path in MODULES.items() if layer(module) == "solver" for other in imported(path)}
    assert {module for module in known if layer(module) == "models"} <= {
        "phaselearn.models.base",
        "phaselearn.models.classical",
    }
