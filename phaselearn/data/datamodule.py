"""The LightningDataModule: builds the store if it is missing, splits it by formula, streams batches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl

from phaselearn.data.build.configured_store import ConfiguredStore
from phaselearn.data.loading.dataset import PairDataset
from phaselearn.data.loading.endless import EndlessLoader, EndlessPairs, check_endless
from phaselearn.data.loading.free_memory import free_memory
from phaselearn.data.loading.loader import PairLoader, share_of_processes
from phaselearn.data.loading.sampler import BATCHINGS, EpochBatches
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.preparation.augmentation import Augmentation
from phaselearn.data.preparation.observation import Observation
from phaselearn.data.preparation.preparation import Preparation
from phaselearn.data.preparation.transforms import INPUTS, SCALINGS
from phaselearn.data.processes import worker_context
from phaselearn.data.split import SPLITS, nested_subset, split_rows
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.structures import Source
from phaselearn.errors import UserError, choose

CACHES = ("auto", "ram", "none")


class PairDataModule(pl.LightningDataModule):
    """Pairs of intensities and densities.

    What a batch holds, `Batch` says. Training batches hold those of `training_needs`, which the model sets; None for
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
        shuffle_buffer: crystals among which a process shuffles what it streams, about; from memory it shuffles all.
        input_transform: `raw`, `amplitude`, `log` or `patterson`.
        input_scaling, target_scaling: `none`, `max`, `mean` or `deviation`, sample by sample.
        augmentation: see `Augmentation`.
        build_workers: processes that build the store; null for one a core where it is worth it.
        seed: of the choice of training crystals, the order and everything drawn.
        endless: train on so many new crystals an epoch, made on the fly, in place of the store's; null for those.
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
        shuffle_buffer: int,
        input_transform: str,
        input_scaling: str,
        target_scaling: str,
        augmentation: Augmentation,
        seed: int,
        training_observation: Observation | None = None,
        build_workers: int | None = None,
        endless: int | None = None,
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
            choose(f"data.{key}", given, options, command="python train.py")
        if batch_size < 1 or num_workers < 0:
            raise UserError(
                f"data.batch_size={batch_size}, data.num_workers={num_workers}: at least 1 and 0, "
                "e.g. `python train.py data.batch_size=32 data.num_workers=0`"
            )
        if not 0 <= cache_limit <= 1:
            raise UserError(f"data.cache_limit={cache_limit}: a share of the memory, from 0 to 1, is needed, e.g. 0.25")
        if endless is not None and endless < 1:
            raise UserError(f"data.endless={endless}: at least 1 is needed, or null, e.g. data.endless=4000")
        if shuffle_buffer < batch_size:
            raise UserError(
                f"data.shuffle_buffer={shuffle_buffer} holds no batch of {batch_size} crystals: at least "
                "data.batch_size, e.g. `python train.py data.shuffle_buffer=4096`"
            )
        augmentation.check(frame)
        self.endless = endless
        self.observation = observation
        self.training_observation = training_observation or observation
        self.augmentation = augmentation
        self.train_size = train_size
        self.batch_size = batch_size
        self.batching = batching
        self.num_workers = num_workers
        self.cache = cache
        self.cache_limit = cache_limit
        self.shuffle_buffer = shuffle_buffer
        self.preparation = {
            "input_transform": input_transform,
            "input_scaling": input_scaling,
            "target_scaling": target_scaling,
        }
        self.seed = seed
        self.configured_store = ConfiguredStore(
            self.definition,
            source,
            dict(source_config),
            longest_edge,
            store,
            Path(store_folder),
            name,
            build_workers,
        )
        self.training_prototypes: frozenset[str] | None = None
        self._rows: dict[str, np.ndarray] = {}
        self._datasets: dict[str, PairDataset] = {}
        self.training_needs: frozenset[str] | None = None

    @property
    def store(self) -> PairStore:
        """The open store."""
        return self.configured_store.opened

    def prepare_data(self) -> None:
        """Build the store if there is none."""
        self.configured_store.prepare()

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

    def check_endless(self) -> None:
        """Refuse `endless` where that cannot be, see `phaselearn.data.loading.endless.check_endless`."""
        check_endless(self.endless, self.configured_store.source, self.batching)

    @property
    def crystals_an_epoch(self) -> int:
        """How many crystals a training epoch has."""
        return len(self.rows("train")) if self.endless is None else self.endless

    def check_trainable(self) -> None:
        """Refuse to train where there is nothing to train or to validate on.

        Raises:
            UserError: an empty split.
        """
        for split in ("train", "validation") if self.endless is None else ("validation",):
            if len(self.rows(split)) == 0:
                raise UserError(
                    f"none of the {len(self.store)} crystals of {self.configured_store.path} is in the {split} split, "
                    "which is by formula: prepare a larger store, "
                    "e.g. `python train.py source=prototypes source.count=1000`"
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
        fits = self.cache == "auto" and needed < self.cache_limit * free_memory()
        return PairDataset(
            self.store,
            rows,
            observation,
            augmentation,
            seen=self.training_prototypes,
            seed=self.seed,
            in_memory=self.cache == "ram" or fits,
            held=2 * self.shuffle_buffer,
            **self.preparation,
        )

    def _loader(self, dataset: PairDataset, shuffle: bool, distributed: bool) -> PairLoader:
        batches = EpochBatches(
            dataset.shards,
            self.batch_size,
            self.seed if shuffle else None,
            len(dataset) if dataset.in_memory else self.shuffle_buffer,
            streams=1 if dataset.in_memory else max(self.num_workers, 1),
            **share_of_processes(distributed),
            lattice=self.store.lattice[dataset.rows] if shuffle and self.batching == "cell" else None,
        )
        context = worker_context() if self.num_workers > 0 and self.store.is_remote else None
        return PairLoader(dataset, batches, self.num_workers, context)

    def evaluation_loader(self, split: str, count: int | None) -> PairLoader:
        """Return batches of at most `count` crystals of a split: the same crystals for every method.

        One process evaluates all of them.

        Raises:
            UserError: the split is empty.
        """
        rows = self.rows(split)
        if len(rows) == 0:
            raise UserError(
                f"{self.configured_store.path} has no crystal in the {split} split, which is by formula: try "
                "`evaluation.split=validation` or `evaluation.split=all`"
            )
        if count is not None and count < len(rows):
            rows = nested_subset(rows, self.store.ids, count, self.seed)
        return self._loader(self._dataset(rows, self.observation, Augmentation()), shuffle=False, distributed=False)

    def train_dataloader(self) -> PairLoader | EndlessLoader:
        """Return the training batches, shuffled or made anew each epoch."""
        if self.endless is not None:
            return self._endless_loader(self.endless)
        dataset = self.dataset("train")
        dataset.needs = self.training_needs
        return self._loader(dataset, shuffle=True, distributed=True)

    def _endless_loader(self, crystals: int) -> EndlessLoader:
        judged = np.concatenate([self.rows("validation"), self.rows("test")])
        pairs = EndlessPairs(
            self.configured_store.source,
            self.definition,
            self.configured_store.longest_edge,
            held_out=frozenset(self.store.prototypes[judged].tolist()) - self.training_prototypes,
            preparation=Preparation(
                self.training_observation,
                self.augmentation,
                layout=self.definition.layout,
                seed=self.seed,
                **self.preparation,
            ),
            crystals=crystals,
            batch_size=self.batch_size,
            **share_of_processes(),
            needs=self.training_needs,
        )
        # Not `trainer.current_epoch`, which lags behind when a stopped run goes on.
        return EndlessLoader(pairs, lambda: self.trainer.fit_loop.epoch_progress.current.processed, self.num_workers)

    def val_dataloader(self) -> PairLoader:
        """Return the validation batches."""
        return self._loader(self.dataset("validation"), shuffle=False, distributed=True)

    def test_dataloader(self) -> PairLoader:
        """Return the test batches."""
        return self._loader(self.dataset("test"), shuffle=False, distributed=True)
