"""The LightningDataModule: builds the store if it is missing, splits it by formula, streams batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytorch_lightning as pl

from phaselearn.data.build.configured_store import ConfiguredStore
from phaselearn.data.loading.dataset import PairDataset
from phaselearn.data.loading.endless import EndlessLoader, EndlessPairs, TrainingStream, endless_source
from phaselearn.data.loading.loader import PairLoader, share_of_processes
from phaselearn.data.loading.loading import Loading
from phaselearn.data.loading.sphere_dataset import dataset_class
from phaselearn.data.preparation.preparation import Preparation
from phaselearn.data.split import SPLITS, nested_subset, split_rows
from phaselearn.data.store.pair_store import PairStore
from phaselearn.errors import UserError, check_whole


class PairDataModule(pl.LightningDataModule):
    """Pairs of intensities and densities of a store, in batches (see `phaselearn.data.batch.Batch`).

    A training batch holds what the model needs: all parts, unless the model that is trained has an attribute
    `training_needs` that names some (see `phaselearn.models.base.DensityModel`).

    `PairDataModule("store.zarr")` reads the pairs of a store as conf/data/_base.yaml says: ideal intensities,
    amplitudes as input, random batches of 32.

    Args:
        store: the path of a store, or a store that may still have to be built.
        preparation: preparation of the validation and test crystals; None for ideal ones.
        training: preparation of the training crystals, with augmentation and perhaps another observation; None for
            that of the other crystals.
        loading: batches, loader processes and memory; None for the default ones.
        train_size: number of training crystals; smaller sets are subsets of larger ones. None for all.
        endless: number of new crystals per training epoch, made on the fly; None for the crystals of the store.
        seen: structure types that count as seen in training; None for those of this store's training crystals.
        seen_before: structure types that count as seen beside these, since the weights had learned from them before.

    Raises:
        UserError: there is no store at the path, a number is not allowed, or the voxels cannot express an augmentation.
    """

    def __init__(
        self,
        store: ConfiguredStore | str | Path,
        *,
        preparation: Preparation | None = None,
        training: Preparation | None = None,
        loading: Loading | None = None,
        train_size: int | None = None,
        endless: int | None = None,
        seen: frozenset[str] | None = None,
        seen_before: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        if train_size is not None:
            check_whole("data.train_size", train_size, least=1, example=1200)
        if endless is not None:
            check_whole("data.endless", endless, least=1, example=4000)
        self.configured_store = store if isinstance(store, ConfiguredStore) else ConfiguredStore.existing(store)
        self.definition = self.configured_store.definition
        self.preparation = preparation or Preparation(layout=self.definition.layout)
        self.training = training or self.preparation
        self.training.augmentation.check(self.definition.frame)
        self.loading = loading or Loading()
        self.train_size = train_size
        self.endless = endless
        self._seen = seen
        self._seen_before = seen_before
        self._rows: dict[str, np.ndarray] = {}
        self._datasets: dict[str, PairDataset] = {}

    def store(self) -> PairStore:
        """Return the open store."""
        return self.configured_store.open()

    def prepare_data(self) -> None:
        """Build the store if there is none."""
        self.configured_store.prepare()

    def setup(self, stage: str | None = None) -> None:
        """Open the store and split it by formula."""
        if self._rows:
            return
        store = self.store()
        rows = {split: split_rows(store.formulas(), split) for split in SPLITS}
        if len(rows["train"]) or self.train_size is not None:
            rows["train"] = nested_subset(rows["train"], store.ids(), self.train_size, self.training.seed)
        self._rows = {**rows, "all": np.arange(len(store))}

    def rows(self, split: str) -> np.ndarray:
        """Return the rows of `train`, `validation`, `test` or `all` in the store."""
        self.setup()
        return self._rows[split]

    def seen_prototypes(self) -> frozenset[str]:
        """Return the structure types that count as seen in training."""
        if self._seen is None:
            self._seen = self._prototypes("train") | self._seen_before
        return self._seen

    def _prototypes(self, *splits: str) -> frozenset[str]:
        rows = np.concatenate([self.rows(split) for split in splits])
        return frozenset(self.store().prototypes()[rows].tolist())

    def check_endless(self) -> None:
        """Refuse `endless` if the source or the batches do not allow it, see `endless_source`."""
        if self.endless is not None:
            endless_source(self.endless, self.configured_store.source, self.loading.batching)

    def crystals_an_epoch(self) -> int:
        """Return how many crystals a training epoch has."""
        return len(self.rows("train")) if self.endless is None else self.endless

    def check_trainable(self) -> None:
        """Refuse to train without training or validation crystals.

        Raises:
            UserError: a split is empty.
        """
        for split in ("train", "validation") if self.endless is None else ("validation",):
            if len(self.rows(split)) == 0:
                raise UserError(
                    f"none of the {len(self.store())} crystals of {self.configured_store.path()} is in the {split} "
                    "split, which is by formula: prepare a larger store, "
                    "e.g. `phaselearn train source=prototypes source.count=1000`"
                )

    def dataset(self, split: str) -> PairDataset:
        """Return the pairs of a split; those that train are augmented, and have an observation of their own."""
        if split not in self._datasets:
            preparation = self.training if split == "train" else self.preparation
            self._datasets[split] = self._dataset(self.rows(split), preparation)
        return self._datasets[split]

    def _dataset(self, rows: np.ndarray, preparation: Preparation) -> PairDataset:
        store = self.store()
        return dataset_class(store)(
            store,
            rows,
            preparation,
            seen=self.seen_prototypes(),
            in_memory=self.loading.fits_memory(store.bytes_of(rows)),
            held=self.loading.held,
        )

    def evaluation_loader(self, split: str, count: int | None) -> PairLoader:
        """Return batches of at most `count` crystals of a split: the same crystals for every method.

        One process evaluates all of them.

        Raises:
            UserError: the split is empty.
        """
        rows = self.rows(split)
        if len(rows) == 0:
            raise UserError(
                f"{self.configured_store.path()} has no crystal in the {split} split, which is by formula: try "
                "`evaluation.split=validation` or `evaluation.split=all`"
            )
        if count is not None and count < len(rows):
            rows = nested_subset(rows, self.store().ids(), count, self.preparation.seed)
        return self.loading.loader(self._dataset(rows, self.preparation), seed=None, distributed=False)

    def train_dataloader(self) -> PairLoader | EndlessLoader:
        """Return the training batches, with the parts that the model needs."""
        model = self.trainer.lightning_module if self.trainer is not None else None
        return self.training_loader(getattr(model, "training_needs", None))

    def training_loader(self, needs: frozenset[str] | None = None) -> PairLoader | EndlessLoader:
        """Return the training batches, shuffled or made anew each epoch.

        Args:
            needs: names of the parts that a batch holds; None for all.
        """
        if self.endless is not None:
            return self._endless_loader(self.endless, needs)
        return self.loading.loader(self.dataset("train").with_parts(needs), seed=self.training.seed, distributed=True)

    def _endless_loader(self, crystals: int, needs: frozenset[str] | None) -> EndlessLoader:
        stream = TrainingStream(
            endless_source(crystals, self.configured_store.source, self.loading.batching),
            self.configured_store.longest_edge,
            held_out=self._prototypes("validation", "test") - self.seen_prototypes(),
            scattering=self.definition.scattering,
        )
        pairs = EndlessPairs(
            stream=stream,
            definition=self.definition,
            preparation=self.training,
            crystals=crystals,
            batch_size=self.loading.batch_size,
            **share_of_processes(),
            needs=needs,
        )
        return EndlessLoader(pairs, self._epoch, self.loading.num_workers)

    def _epoch(self) -> int:
        """Return the number of the training epoch that begins; 0 without a trainer."""
        if self.trainer is None:
            return 0
        # Not `trainer.current_epoch`, which lags behind when a stopped run continues.
        progress = self.trainer.fit_loop.epoch_progress.current
        return int(progress.processed)  # type: ignore[attr-defined]  # Lightning declares a base class of what it is

    def val_dataloader(self) -> PairLoader:
        """Return the validation batches."""
        return self.loading.loader(self.dataset("validation"), seed=None, distributed=True)

    def test_dataloader(self) -> PairLoader:
        """Return the test batches."""
        return self.loading.loader(self.dataset("test"), seed=None, distributed=True)
