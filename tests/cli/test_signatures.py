"""Signatures that are read from the source agree with those of the imported classes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phaselearn.commands import source_code
from phaselearn.commands.checks import fits, type_name
from phaselearn.commands.signatures import imported_signature, read_signature, signature_of

CONF = Path(__file__).parents[2] / "conf"
NAMED = re.findall(r"_target_: (\S+)", "\n".join(path.read_text() for path in sorted(CONF.rglob("*.yaml"))))
OURS = sorted({name for name in NAMED if name.partition(".")[0] in source_code.READ})
# A callback of Hydra's has no arguments, and no check looks at it.
OF_RUNS = [name for name in OURS if not name.endswith(("FailedJobs", "MultirunPage", "SolvedTable"))]
MORE = [
    "pytorch_lightning.callbacks.LearningRateMonitor",
    "pytorch_lightning.loggers.CSVLogger",
    "torch.nn.Linear",
    "torch.nn.Module",
    "torch.optim.SGD",
]
VALUES = (1, 1.5, "auto", "bf16-mixed", True, None, [1], ["a"], [1.5], [None], [[1]])


@pytest.mark.parametrize("target", [*OF_RUNS, *MORE])
def test_the_source_says_what_an_import_says(target: str) -> None:
    read, imported = read_signature(target), imported_signature(target)
    assert list(read.parameters) == list(imported.parameters)
    assert read.open_ended == imported.open_ended
    for name, kind in imported.parameters.items():
        assert type_name(read.parameters[name]) == type_name(kind)
        assert [fits(value, read.parameters[name]) for value in VALUES] == [fits(value, kind) for value in VALUES]


def test_types_are_checked_that_only_an_alias_names() -> None:
    """Lightning's precision is a union of literals, two modules away."""
    precision = read_signature("pytorch_lightning.Trainer").parameters["precision"]
    assert fits("bf16-mixed", precision)
    assert not fits("half", precision)


SHAPES = """
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import ClassVar, NamedTuple

class First:
    def __init__(self, a: int, **more): ...

class Second(First):
    def __init__(self, b: str, **more): ...

class Mixed(Second, dict):
    def __init__(self, c: float, **more): ...

class Plain(Second): ...

class Point(NamedTuple):
    x: int

@dataclass(frozen=True)
class Fields:
    a: int
    shared: ClassVar[int] = 0
    b: "str" = field(default="", kw_only=True)
    c: list[int] = field(default_factory=list)
    inner: int = field(default=0, init=False)
    d: InitVar[int] = 0

@dataclass(frozen=True)
class More(Fields):
    e: int = 0

@dataclass
class Later:
    a: int
    _: KW_ONLY
    b: int = 0

def function(a: int, *rest, b: float | None = None, **more): ...
"""
INNER = ("First", "Second", "Mixed", "Plain", "Point", "Fields", "More", "Later", "function", "Nothing")


@pytest.mark.parametrize("name", INNER)
def test_what_the_source_does_not_say_is_imported(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shapes_of_classes.py").write_text(SHAPES)
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "__init__.py").write_text("from shapes.inner import *\n")
    (tmp_path / "shapes" / "inner.py").write_text(SHAPES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(source_code, "READ", frozenset({"shapes"}))
    monkeypatch.setattr("phaselearn.commands.signatures.READ", frozenset({"shapes"}))
    if name == "Nothing":
        with pytest.raises(Exception, match="Nothing"):
            signature_of("shapes.Nothing")
        return
    read, imported = signature_of(f"shapes.{name}"), imported_signature(f"shapes_of_classes.{name}")
    assert set(read.parameters) == set(imported.parameters)
    assert read.open_ended == imported.open_ended
