"""The batch: the tensors of some crystals that models, losses and judgements read, and how they are put together."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypedDict, cast

from torch import Tensor


class Batch(TypedDict, total=False):
    """B crystals on boxes of n₁ × n₂ × n₃ points, as a dictionary of tensors, which Lightning moves between devices as
    it is.

    The boxes are those of the pairs, N³, or in the layout `sphere` the smallest that holds every crystal of the batch.
    A is the number of atoms of the largest crystal in the batch. A part may be missing: training batches hold only the
    parts that the model and its loss read, and those of the benchmark have no density.
    """

    input: Tensor
    """(B, n₁, n₂, n₃) float32: the network's input, intensities that are transformed and scaled."""
    intensity: Tensor
    """(B, n₁, n₂, n₃) float32: measured intensities, in the layout of the pairs, in electrons² or, where a measurement
    counts, in counts; 0 where unmeasured."""
    sigma: Tensor
    """(B, n₁, n₂, n₃) float32: σ of the intensities as an experiment would state it; missing where none does."""
    observed: Tensor
    """(B, n₁, n₂, n₃) bool: the reflections that were measured. In a batch of ideal pairs, those that the pairs hold;
    missing where the box alone decides it."""
    density: Tensor
    """(B, n₁, n₂, n₃) float32: the true density in electrons/Å³, or scaled by `data.preparation.target_scaling`."""
    lattice: Tensor
    """(B, 3, 3) float32 in Å: rows are the cell vectors a, b, c."""
    numbers: Tensor
    """(B, A) int64: atomic numbers, 0 for padding."""
    positions: Tensor
    """(B, A, 3) float64: fractional coordinates of the atoms."""
    u_iso: Tensor
    """(B, A) float32: displacement parameters U in Å²; missing where the atoms are at rest."""
    probe: Tensor
    """(B,) int64: the probe, an index in `SCATTERING`; missing if it is that of the pairs' definition."""
    prototype_seen: Tensor
    """(B,) bool: whether a training crystal has the same structure type."""
    row: Tensor
    """(B,) int64: a number for each crystal, its row in the store; it seeds the starting phases."""


def crystals_of_batch(
    *,
    lattice: Tensor,
    atoms: tuple[Tensor, Tensor] | None,
    prototype_seen: Tensor,
    row: Tensor,
    u_iso: Tensor | None = None,
) -> Batch:
    """Return what a batch holds of its crystals; with their `intensity` and perhaps `density`, it holds ideal pairs.

    Args:
        lattice: lattices (B, 3, 3) in Å, in any precision; the batch holds them in float32.
        atoms: atomic numbers (B, A) and fractional positions (B, A, 3); None to leave them out.
        prototype_seen: whether a training crystal has the same structure type, (B,) bool.
        row: a number (B,) for each crystal.
        u_iso: U (B, A) in Å² of the atoms, NaN where a structure gives none; None where none gives any.
    """
    batch = Batch(lattice=lattice.float(), prototype_seen=prototype_seen, row=row)
    if atoms is not None:
        batch["numbers"], batch["positions"] = atoms
    if u_iso is not None:
        batch["u_iso"] = u_iso
    return batch


def select(batch: Batch, names: Collection[str] | None) -> Batch:
    """Return the named parts of a batch, those that it holds; None for all."""
    if names is None:
        return batch
    # A dictionary made in a loop is not a TypedDict to a type checker; its keys are some of the batch's own.
    return cast(Batch, {name: values for name, values in batch.items() if name in names})


def crystal_of(batch: Batch, row: int) -> Batch:
    """Return a batch of one of the crystals."""
    return map_batch(batch, lambda values: values[row : row + 1])


def map_batch(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """Return a batch in which one function has changed every part, such as moved it to a device."""
    # Another dictionary made in a loop; a batch holds nothing but tensors.
    return cast(Batch, {name: change(cast(Tensor, values)) for name, values in batch.items()})
