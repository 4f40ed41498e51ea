"""Crystals that a run shows by name, beside those of its split; they are prepared like the run's own data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from phaselearn.data.build.store_build import build_store
from phaselearn.data.datamodule import PairDataModule
from phaselearn.data.loading.loader import PairLoader
from phaselearn.data.loading.sampler import EpochBatches
from phaselearn.data.loading.sphere_dataset import dataset_class
from phaselearn.data.sources.named import Named


def cell_of_named(source_cell: str | None) -> str:
    """Return the cell for named crystals, from `source.cell` of the training data (None if it has no such key).

    Data that are taken as given usually have primitive cells, while a CIF usually has a conventional one.
    """
    return "conventional" if source_cell == "conventional" else "primitive"


def named_loader(data: PairDataModule, names: Sequence[str], cell: str, store: Path) -> PairLoader:
    """Return one batch of the named crystals.

    Args:
        data: data of the run, which say how a crystal is prepared and which structure types count as seen.
        names: structure files, or names of those that come with the project.
        cell: `primitive`, `conventional` or `as_given`.
        store: folder for the pairs, which is replaced.

    Raises:
        UserError: a structure is missing or cannot be used.
    """
    longest_edge = data.configured_store.longest_edge
    source = Named(names, cell, longest_edge)
    pairs = build_store(source, data.definition, store, longest_edge, {"names": list(names)}, overwrite=True)
    dataset = dataset_class(pairs)(
        pairs,
        np.arange(len(pairs)),
        data.preparation,
        seen=data.seen_prototypes(),
        in_memory=True,
        held=0,
    )
    return PairLoader(dataset, EpochBatches(dataset.shards, batch_size=len(dataset), seed=None, buffer=len(dataset)))
