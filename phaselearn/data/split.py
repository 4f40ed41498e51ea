"""The split into training, validation and test: by reduced formula, so that it is the same in every store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

import numpy as np

from phaselearn.errors import UserError

SPLITS = ("train", "validation", "test")
# Formulas that no network may train on, whatever their bucket: F₂ is the test crystal of the 2021 report. It may be
# written in other ways, since older stores hold the formulas that their sources stated.
HELD_OUT = re.compile(r"F\s*\d*")


def bucket(name: str) -> int:
    """Return the SHA-256 of a reduced formula or another name, taken as an integer, modulo 100."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100


def split_of(formula: str) -> str:
    """Return the split of a reduced formula: buckets 0–9 and `HELD_OUT` test, 10–19 validate, the rest train."""
    if HELD_OUT.fullmatch(formula):
        return "test"
    own = bucket(formula)
    return "test" if own < 10 else "validation" if own < 20 else "train"


def split_rows(formulas: Iterable[str], split: str) -> np.ndarray:
    """Return the rows (int64, ascending) of a split."""
    return np.array([row for row, formula in enumerate(formulas) if split_of(formula) == split], dtype=np.int64)


def nested_subset(rows: np.ndarray, ids: Sequence[str] | np.ndarray, count: int | None, seed: int) -> np.ndarray:
    """Choose `count` of the rows at random, so that smaller choices lie within larger ones.

    Rows are chosen by the SHA-256 of the seed and the crystal's id, whatever their order in the store.

    Raises:
        UserError: there are fewer rows.
    """
    if count is None:
        return rows
    if not 0 < count <= len(rows):
        raise UserError(
            f"data.train_size={count} was asked for but this store has {len(rows)} training crystals: give a "
            f"number up to {len(rows)}, or prepare a larger store, e.g. `phaselearn prepare source.count={count * 2}`"
        )
    keys = [hashlib.sha256(f"{seed}:{ids[row]}".encode()).digest() for row in rows]
    order = sorted(range(len(rows)), key=keys.__getitem__)
    return np.sort(rows[np.array(order[:count])])
