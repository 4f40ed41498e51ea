"""Repeated ids of a build, found by digests of eight bytes, so that millions of them fit in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phaselearn.data.structures import Crystal, id_digest


def id_digests(crystals: Sequence[Crystal]) -> np.ndarray:
    """Return the digest of each crystal's id, (n,) uint64."""
    return np.frombuffer(b"".join(id_digest(crystal.id) for crystal in crystals), dtype=np.uint64)


def repeated(blocks: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
    """Return {number of a block: mask (n,) of its crystals that have the id of an earlier crystal}.

    Blocks without such a crystal are not in it.

    Args:
        blocks: digests of each block, in order, see `id_digests`.
    """
    digests = np.concatenate([np.empty(0, np.uint64), *blocks])
    order = np.argsort(digests, kind="stable")
    again = np.zeros(len(digests), dtype=bool)
    again[order[1:]] = digests[order[1:]] == digests[order[:-1]]
    parts = np.split(again, np.cumsum([len(block) for block in blocks]))
    return {number: part for number, part in enumerate(parts) if part.any()}
