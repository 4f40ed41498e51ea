"""The base of sources whose crystals are drawn at random."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import version

from phaselearn.data.structures import Crystal, EndlessSource
from phaselearn.errors import check_whole, choose

_CELLS = ("primitive", "conventional")


class RandomSource(EndlessSource):
    """Random crystals; crystal i of a seed is always the same, so that fewer crystals are the first of more.

    Args:
        count: number of crystals in a store; endless training takes no notice of it.
        seed: seed of everything that is drawn.
        cell: the cell that each crystal gets: `primitive` (Niggli-reduced) or `conventional`.
        settings: the source's own settings, for its fingerprint.

    Raises:
        UserError: the count is below 1, the seed is below 0, or the cell is unknown.
    """

    licence = "CC0 (random structures)"
    attribution = "none needed: made by PhaseLearn"

    def __init__(self, count: int, seed: int, cell: str, *settings: object) -> None:
        check_whole("source.count", count, least=1, example=4000)
        check_whole("source.seed", seed, least=0, example=1)
        choose("source.cell", cell, _CELLS)
        self.count = count
        self.seed = seed
        self.cell = cell
        self._settings = (count, seed, cell, *settings)

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> str:
        """Return a digest of the settings and of the versions of the libraries that make the crystals."""
        versions = [version(name) for name in ("phaselearn", "gemmi", "numpy", "spglib")]
        return hashlib.sha256(f"{self.name}:{self.rules}:{self._settings}:{versions}".encode()).hexdigest()

    def __iter__(self) -> Iterator[Crystal]:
        return (self.crystal(number) for number in range(self.count))
