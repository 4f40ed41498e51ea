"""Blocks of crystals on their way from a source to a store: each is a file, so that memory holds one at a time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phaselearn.data.structures import Crystal, LeftOut


@dataclass(frozen=True)
class Block:
    """The usable crystals of some neighbouring entries of a source, and those that were left out.

    Attributes:
        crystals: the usable crystals, in the order of the source.
        left_out: the other entries, in a reproducible order.
    """

    crystals: Sequence[Crystal]
    left_out: Sequence[LeftOut]

    def encode(self) -> bytes:
        """Return the content of the block's file, which holds no pickled objects."""
        file = io.BytesIO()
        np.savez(
            file,
            id=_texts([crystal.id for crystal in self.crystals]),
            prototype=_texts([crystal.prototype for crystal in self.crystals]),
            lattice=np.array([crystal.lattice for crystal in self.crystals], dtype=np.float64).reshape(-1, 3, 3),
            atoms=np.array([len(crystal.numbers) for crystal in self.crystals], dtype=np.int64),
            numbers=np.concatenate([crystal.numbers for crystal in self.crystals] or [np.empty(0, np.int64)]),
            positions=np.concatenate([crystal.positions for crystal in self.crystals] or [np.empty((0, 3))]),
            space_group=np.array([crystal.space_group for crystal in self.crystals], dtype=np.int64),
            displaced=np.array([crystal.u_iso is not None for crystal in self.crystals], dtype=bool),
            u_iso=np.concatenate([displacements(crystal) for crystal in self.crystals] or [np.empty(0)]),
            left_out_id=_texts([entry.id for entry in self.left_out]),
            left_out_reason=_texts([entry.reason for entry in self.left_out]),
        )
        return file.getvalue()

    @classmethod
    def decode(cls, content: bytes) -> Block:
        """Return the block that a file holds."""
        with np.load(io.BytesIO(content), allow_pickle=False) as columns:
            ends = np.cumsum(columns["atoms"])[:-1]
            rows = zip(
                columns["id"].tolist(),
                columns["prototype"].tolist(),
                columns["lattice"],
                np.split(columns["numbers"], ends),
                np.split(columns["positions"], ends),
                columns["space_group"].tolist(),
                columns["displaced"].tolist(),
                np.split(columns["u_iso"], ends),
                strict=False,  # splitting no atoms gives one part, not none
            )
            crystals = [
                Crystal(id_, lattice, numbers, positions, prototype, space_group, u_iso if displaced else None)
                for id_, prototype, lattice, numbers, positions, space_group, displaced, u_iso in rows
            ]
            left_out = zip(columns["left_out_id"].tolist(), columns["left_out_reason"].tolist(), strict=True)
            return cls(crystals, [LeftOut(*entry) for entry in left_out])


def displacements(crystal: Crystal) -> np.ndarray:
    """Return U of each atom (n,) in Å², NaN if the crystal gives none."""
    return np.full(len(crystal.numbers), np.nan) if crystal.u_iso is None else crystal.u_iso


def _texts(values: Sequence[str]) -> np.ndarray:
    return np.array(values, dtype=np.str_)
