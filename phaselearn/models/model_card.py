"""Model cards: one YAML file beside each file of weights of the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from phaselearn.plain_yaml import read_plain

FOLDER = Path(__file__).parents[1] / "weights"


@dataclass(frozen=True)
class ModelCard:
    """The facts about weights that come with the package.

    Attributes:
        name: the name in commands.
        about: one line on the network.
        path: the file.
        sha256: hexadecimal digest of the file.
        parameters: number of weights.
        choices: settings of `phaselearn train` that give the network with these weights.
        facts: data, licence, training and so on, by name.
        limits: sentences on the cases in which the network fails.
    """

    name: str
    about: str
    path: Path
    sha256: str
    parameters: int
    choices: Sequence[str]
    facts: Mapping[str, str]
    limits: Sequence[str]


def cards() -> dict[str, ModelCard]:
    """Return the cards of all weights of the package by name."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.yaml"))}


def _read(path: Path) -> ModelCard:
    content = read_plain(path)
    return ModelCard(name=path.stem, path=FOLDER / content.pop("file"), **content)
