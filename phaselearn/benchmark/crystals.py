"""The crystals of a benchmark, and those of the training split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from phaselearn.data.screening import screen
from phaselearn.data.split import SPLITS, split_of
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.structures import Crystal, Source
from phaselearn.errors import UserError, choose


@dataclass(frozen=True)
class BenchmarkSet:
    """The tested crystals, and those that a method may have learned from.

    Attributes:
        tested: tested crystals, the same for every method.
        training: crystals of the training split; empty if these are tested themselves.
    """

    tested: tuple[Crystal, ...]
    training: tuple[Crystal, ...]


def crystals_of_source(source: Source, longest_edge: float) -> list[Crystal]:
    """Return the crystals of a source that pass the screening."""
    crystals = [entry for entry in source if isinstance(entry, Crystal)]
    reasons = screen(crystals, longest_edge)
    return [crystal for crystal, reason in zip(crystals, reasons, strict=True) if reason is None]


def crystals_of_store(path: str) -> list[Crystal]:
    """Return all crystals of a store."""
    store = PairStore(path)
    return [store.crystal(row) for row in range(len(store))]


def choose_crystals(crystals: Sequence[Crystal], split: str, count: int | None, seed: int) -> BenchmarkSet:
    """Choose the crystals to be tested; a smaller choice is a subset of a larger one.

    Args:
        crystals: all crystals of the source or store.
        split: `train`, `validation`, `test` or `all`.
        count: largest number of tested crystals; None for all.
        seed: seed of the choice.

    Raises:
        UserError: the split is unknown or empty.
    """
    choose("split", split, (*SPLITS, "all"), command="phaselearn benchmark")
    tested = [crystal for crystal in crystals if split in ("all", split_of(crystal.formula))]
    if not tested:
        raise UserError(
            f"none of the {len(crystals)} crystals is in the {split} split, which is by formula: "
            "try `phaselearn benchmark split=all`"
        )
    training = [] if split in ("train", "all") else _of_split(crystals, "train")
    return BenchmarkSet(tuple(in_random_order(tested, seed)[:count]), tuple(training))


def digest(crystals: Iterable[Crystal]) -> str:
    """Return a SHA-256 that changes with the crystals, in whichever order they come."""
    return hashlib.sha256("".join(sorted(map(_digest, crystals))).encode()).hexdigest()


def _digest(crystal: Crystal) -> str:
    content = hashlib.sha256(repr((crystal.id, crystal.prototype, crystal.space_group)).encode())
    for part in (crystal.lattice, crystal.numbers, crystal.positions, crystal.u_iso):
        content.update(b"none" if part is None else part.tobytes())
    return content.hexdigest()


def _of_split(crystals: Iterable[Crystal], split: str) -> list[Crystal]:
    return [crystal for crystal in crystals if split_of(crystal.formula) == split]


def in_random_order(crystals: Sequence[Crystal], seed: int) -> list[Crystal]:
    """Return the crystals in the order of SHA-256 of seed and id, which does not depend on the order given."""
    return sorted(crystals, key=lambda crystal: hashlib.sha256(f"{seed}:{crystal.id}".encode()).digest())
