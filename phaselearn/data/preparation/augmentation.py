"""Augmentation: changes of a crystal to which |F| is blind, or that only rename its axes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from phaselearn.crystal.layout import permuted, shape_of
from phaselearn.data.batch import Batch
from phaselearn.errors import UserError

_PERMUTATIONS = tuple(permutations(range(3)))


@dataclass(frozen=True)
class Augmentation:
    """Random changes of each training crystal; all are off by default.

    `origin` and `inversion` change the target but not the input. With a loss that is not blind to them (mse,
    correlation), a network then learns the mean over all origins, which is flat.

    Attributes:
        origin: whether to shift the density by a random whole number of voxels.
        inversion: whether to invert the density in the origin with a probability of ½.
        axes: whether to permute the axes of the cell and, unless the layout is an octant, to reverse them.
    """

    origin: bool = False
    inversion: bool = False
    axes: bool = False

    @property
    def is_random(self) -> bool:
        """Whether anything is drawn."""
        return self.origin or self.inversion or self.axes

    def check(self, frame: str) -> None:
        """Refuse an augmentation that the voxels cannot express.

        Raises:
            UserError: the voxels are cuboids, which no shift of the origin or exchange of axes maps onto themselves.
        """
        if self.is_random and frame != "fractional":
            raise UserError(
                f"data.augmentation needs data.definition.frame=fractional (frame={frame} was given): "
                "switch it off with `data.augmentation.origin=false data.augmentation.inversion=false "
                "data.augmentation.axes=false`"
            )

    def apply(self, batch: Batch, layout: str, seeds: list[int]) -> Batch:
        """Return the batch with random changes of each crystal, which depend on its seed alone.

        Where the axes of a box are permuted whose edges differ, the batch holds one crystal.
        """
        draws = [torch.Generator().manual_seed(seed % (1 << 63)) for seed in seeds]
        batch = batch.copy()
        if self.axes:
            permutation = torch.tensor([int(torch.randint(6, (), generator=draw)) for draw in draws])
            signs = torch.stack([1 - 2 * torch.randint(2, (3,), generator=draw) for draw in draws])
            if layout == "octant":
                signs = torch.ones_like(signs)
            batch = _rename_axes(batch, permutation, signs)
        if self.inversion:
            hand = torch.stack([1 - 2 * torch.randint(2, (), generator=draw) for draw in draws])
            batch["density"] = _read_at(
                batch["density"], hand[:, None].expand(-1, 3), torch.zeros(len(draws), 3).long()
            )
            batch["positions"] = batch["positions"] * hand[:, None, None]
        if self.origin:
            shape = shape_of(batch["density"])
            shift = torch.stack(
                [torch.stack([torch.randint(size, (), generator=draw) for size in shape]) for draw in draws]
            )
            batch["density"] = _read_at(batch["density"], torch.ones_like(shift), -shift)
            batch["positions"] = batch["positions"] + shift[:, None, :] / torch.tensor(shape)
        batch["positions"] = batch["positions"] % 1.0
        return batch


def _read_at(values: Tensor, signs: Tensor, shift: Tensor) -> Tensor:
    """Return values (B, n₁, n₂, n₃) read at (sign · i + shift) mod n along each axis; signs, shift (B, 3)."""
    x, y, z = (
        (signs[:, axis, None] * torch.arange(size) + shift[:, axis, None]) % size
        for axis, size in enumerate(shape_of(values))
    )
    rows = torch.arange(len(values))[:, None, None, None]
    return values[rows, x[:, :, None, None], y[:, None, :, None], z[:, None, None, :]]


def _rename_axes(batch: Batch, permutation: Tensor, signs: Tensor) -> Batch:
    """Return the batch with axes renamed in cell, pattern and map: new axis i is signs[i] × old axis permutation[i]."""
    order = torch.tensor(_PERMUTATIONS)[permutation]
    rows = torch.arange(len(order))[:, None]
    renamed = batch.copy()
    renamed["lattice"] = batch["lattice"][rows, order] * signs[:, :, None]
    renamed["positions"] = (
        batch["positions"].gather(2, order[:, None, :].expand_as(batch["positions"])) * signs[:, None, :]
    )
    unmoved = torch.zeros_like(signs)
    renamed["intensity"] = _read_at(permuted(batch["intensity"], order), signs, unmoved)
    renamed["density"] = _read_at(permuted(batch["density"], order), signs, unmoved)
    if "observed" in batch:
        renamed["observed"] = _read_at(permuted(batch["observed"], order), signs, unmoved)
    return renamed
