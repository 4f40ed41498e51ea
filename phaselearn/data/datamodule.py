"""The LightningDataModule: builds the store if it is missing, splits it by formula, streams batches."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import BatchSampler, DataLoader

from phaselearn.data.augmentation import Augmentation
from phaselearn.data.batching import BATCHINGS, CellBatchSampler
from phaselearn.data.build import build_store, is_there
from phaselearn.data.dataset import EpochSampler, PairDataset, as_is
from phaselearn.data.observation import Observation
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.processes import worker_context
from phaselearn.data.split import SPLITS, nested_subset, split_rows
from phaselearn.data.storage import store_path
from phaselearn.data.store import PairStore, check_definition
from phaselearn.data.structures import Source
from phaselearn.data.transforms import INPUTS, SCALINGS
from phaselearn.errors import UserError

CACHES = ("auto", "ram", "none")


class PairDataModule(pl.LightningDataModule):
    """Pairs of intensities and densities.

    A batch is a dictionary: `input`, `intensity`, `density` (B, N, N, N) float32, `observed` (B, N, N, N) bool,
    `lattice` (B, 3, 3) float32 in Å, `numbers` (B, A), `positions` (B, A, 3), `prototype_seen` (B,) bool and
    `row` (B,), the row in the store. Training batches hold those of `training_needs`, which the model sets; None for
    all.

    Args:
        source: where the crystals come from if the store must be built.
        source_config: the source's configuration, for the store's name and provenance.
        observation: what is measured.
        training_observation: what is measured of training crystals; null for the same.
        store: path of the store, or `s3://BUCKET/FOLDER`; null names one after the configuration under `store_folder`.
        store_folder: where stores that are not named lie.
        name: name of this data configuration.
        size, layout, scattering, b_iso, weight, sigma, frame, sampling: see `PairDefinition`.
        longest_edge: crystals with a longer cell edge (Å) are left out of the store.
        train_size: number of training crystals, nested; null for all.
        batch_size: crystals in a batch.
        batching: `random`, or `cell`: training batches of crystals with like cells.
        num_workers: loader processes.
        cache: `ram` holds the pairs in memory, `none` streams them, `auto` decides by `cache_limit`.
        cache_limit: share of the free memory that a cache may take.
        input_transform: `raw`, `amplitude`, `log` or `patterson`.
        input_scaling, target_scaling: `none`, `max`, `mean` or `deviation`, sample by sample.
        augmentation: see `Augmentation`.
        build_workers: processes that build the store; null for one a core where it is worth it.
        seed: of the choice of training crystals, the order and everything drawn.
    """

    def __init__(
        self,
        source: Source | None,
        source_config: Mapping[str, Any],
        observation: Observation,
        store: str | None,
        store_folder: str,
        name: str,
        size: int,
        layout: str,
        scattering: str,
        b_iso: float,
        weight: str,
        sigma: float,
        frame: str,
        sampling: str,
        longest_edge: float,
        train_size: int | None,
        batch_size: int,
        batching: str,
        num_workers: int,
        cache: str,
        cache_limit: float,
        input_transform: str,
        input_scaling: str,
        target_scaling: str,
        augmentation: Augmentation,
        seed: int,
        training_observation: Observation | None = None,
        build_workers: int | None = None,
    ) -> None:
        super().__init__()
        self.definition = PairDefinition(size, layout, scattering, b_iso, weight, sigma, frame, sampling)
        for key, given, options in (
            ("batching", batching, BATCHINGS),
            ("cache", cache, CACHES),
            ("input_transform", input_transform, INPUTS),
            ("input_scaling", input_scaling, SCALINGS),
            ("target_scaling", target_scaling, SCALINGS),
        ):
            if given not in options:
                raise UserError(
                    f"data.{key}={given} is unknown: allowed are {', '.join(options)}; "
                    f"for example `python train.py data.{key}={options[0]}`"
                )
        if input_transform == "patterson" and layout != "full":
            raise UserError(
                "data.input_transform=patterson needs the full layout, an octant lacks half the reflections: "
                "use data=hkl10_full or data=hkl20_full"
            )
        if batch_size < 1 or num_workers < 0:
            raise UserError(
                f"data.batch_size={batch_size}, data.num_workers={num_workers}: at least 1 and 0, "
                "e.g. `python train.py data.batch_size=32 data.num_workers=0`"
            )
        augmentation.check(frame)
        self.source = source
        self.source_config = dict(source_config)
        self.observation = observation
        self.training_observation = training_observation or observation
        self.augmentation = augmentation
        self.longest_edge = longest_edge
        self.train_size = train_size
        self.batch_size = batch_size
        self.batching = batching
        self.num_workers = num_workers
        self.cache = cache
        self.cache_limit = cache_limit
        self.preparation = {
            "input_transform": input_transform,
            "input_scaling": input_scaling,
            "target_scaling": target_scaling,
        }
        self.seed = seed
        self.build_workers = build_workers
        self.store_path = (
            store_path(store) if store else Path(store_folder) / f"{name}_{self._configuration_hash()}.zarr"
        )
        self.training_prototypes: frozenset[str] | None = None
        self._store: PairStore | None = None
        self._rows: dict[str, np.ndarray] = {}
        self._datasets: dict[str, PairDataset] = {}
        self.training_needs: frozenset[str] | None = None

    def _configuration_hash(self) -> str:
        # With the source's fingerprint: a file that has changed since is not answered by the old store.
        config = {
            "definition": self.definition.as_dict(),
            "longest_edge": self.longest_edge,
            "source": self.source_config,
            "fingerprint": self.source.fingerprint() if self.source is not None else None,
        }
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:10]

    def prepare_data(self) -> None:
        """Build the store if there is none."""
        if not is_there(self.store_path):
            self.build()

    def build(self, overwrite: bool = False) -> PairStore:
        """Build the store.

        Raises:
            UserError: no source, or nothing usable in it.
        """
        if self.source is None:
            raise UserError(f"no store at {self.store_path} and no source to build it from: add e.g. source=prototypes")
        return build_store(
            self.source,
            self.definition,
            self.store_path,
            self.longest_edge,
            self.source_config,
            overwrite,
            self.build_workers,
        )

    @property
    def store(self) -> PairStore:
        """The open store; its pairs are what this configuration defines."""
        if self._store is None:
            store = PairStore(self.store_path)
            check_definition(store, self.definition)
            self._store = store
        return self._store

    def setup(self, stage: str | None = None) -> None:
        """Open the store and split it by formula."""
        if self._rows:
            return
        store = self.store
        self._rows = {split: split_rows(store.formulas, split) for split in SPLITS}
        self._rows["all"] = np.arange(len(store))
        if len(self._rows["train"]) or self.train_size is not None:
            self._rows["train"] = nested_subset(self._rows["train"], store.ids, self.train_size, self.seed)
        if self.training_prototypes is None:
            self.training_prototypes = frozenset(store.prototypes[self._rows["train"]].tolist())

    def rows(self, split: str) -> np.ndarray:
        """Return the rows of `train`, `validation`, `test` or `all` in the store."""
        self.setup()
        return self._rows[split]

    def check_trainable(self) -> None:
        """Refuse to train where there is nothing to train or to validate on.

        Raises:
            UserError: an empty split.
        """
        for split in ("train", "validation"):
            if len(self.rows(split)) == 0:
                raise UserError(
                    f"none of the {len(self.store)} crystals of {self.store_path} is in the {split} split, which is "
                    "by formula: prepare a larger store, e.g. `python train.py source=prototypes source.count=1000`"
                )

    def dataset(self, split: str) -> PairDataset:
        """Return the pairs of a split, for training with the augmentation and the training's own observation."""
        if split not in self._datasets:
            training = (self.training_observation, self.augmentation)
            self._datasets[split] = self._dataset(
                self.rows(split), *(training if split == "train" else (self.observation, Augmentation()))
            )
        return self._datasets[split]

    def _dataset(self, rows: np.ndarray, observation: Observation, augmentation: Augmentation) -> PairDataset:
        self.setup()
        needed = len(rows) * self.store.bytes_a_pair()
        fits = self.cache == "auto" and needed < self.cache_limit * _free_memory()
        return PairDataset(
            self.store,
            rows,
            observation,
            augmentation,
            seen=self.training_prototypes,
            seed=self.seed,
            in_memory=self.cache == "ram" or fits,
            **self.preparation,
        )

    def _loader(self, dataset: PairDataset, shuffle: bool = False) -> DataLoader:
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        process = {
            "num_replicas": torch.distributed.get_world_size() if distributed else 1,
            "rank": torch.distributed.get_rank() if distributed else 0,
        }
        if shuffle and self.batching == "cell":
            everything = EpochSampler(dataset, num_replicas=1, rank=0, shuffle=True, seed=self.seed)
            lattice = self.store.lattice[dataset.rows]
            batches = CellBatchSampler(everything, self.batch_size, lattice, self.seed, **process)
        else:
            sampler = EpochSampler(dataset, shuffle=shuffle, seed=self.seed, **process)
            batches = BatchSampler(sampler, self.batch_size, drop_last=False)
        return DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=self.num_workers,
            collate_fn=as_is,
            persistent_workers=self.num_workers > 0,
            multiprocessing_context=worker_context() if self.num_workers > 0 and self.store.is_remote else None,
            pin_memory=torch.cuda.is_available(),
        )

    def evaluation_loader(self, split: str, count: int | None) -> DataLoader:
        """Return batches of at most `count` crystals of a split: the same crystals for every method.

        Raises:
            UserError: the split is empty.
        """
        rows = self.rows(split)
        if len(rows) == 0:
            raise UserError(
                f"{self.store_path} has no crystal in the {split} split, which is by formula: try "
                "`evaluation.split=validation` or `evaluation.split=all`"
            )
        if count is not None and count < len(rows):
            rows = nested_subset(rows, self.store.ids, count, self.seed)
        return self._loader(self._dataset(rows, self.observation, Augmentation()))

    def train_dataloader(self) -> DataLoader:
        """Return the training batches, shuffled anew each epoch."""
        dataset = self.dataset("train")
        dataset.needs = self.training_needs
        return self._loader(dataset, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Return the validation batches."""
        return self._loader(self.dataset("validation"))

    def test_dataloader(self) -> DataLoader:
        """Return the test batches."""
        return self._loader(self.dataset("test"))


def _free_memory() -> int:
    """Return the bytes of memory that are free, or could be made free."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
