"""Crystals of a build whose id was there before: found by eight bytes an id, so that millions fit in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phaselearn.data.structures import Crystal, id_digest


def id_digests(crystals: Sequence[Crystal]) -> np.ndarray:
    """Return a number (n,) uint64 for the id of each crystal."""
    return np.frombuffer(b"".join(id_digest(crystal.id) for crystal in crystals), dtype=np.uint64)


def repeated(blocks: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
    """Return for each block that has any which of its crystals, bool (n,), have the id of an earlier one.

    Args:
        blocks: `id_digests` of each, in order.
    """
    digests = np.concatenate([np.empty(0, np.uint64), *blocks])
    order = np.argsort(digests, kind="stable")
    again = np.zeros(len(digests), dtype=bool)
    again[order[1:]] = digests[order[1:]] == digests[order[:-1]]
    parts = np.split(again, np.cumsum([len(block) for block in blocks]))
    return {number: part for number, part in enumerate(parts) if part.any()}
