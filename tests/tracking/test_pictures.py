"""The crystals that are shown while a network learns: the same each time, judged as elsewhere, at no one's cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger

from phaselearn.data.store.pair_store import PairStore
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.metrics.phasing import PhasingMetric
from phaselearn.models.mlp import MultilayerPerceptron
from phaselearn.report.content import ShownCrystal
from phaselearn.tracking.pictures import CrystalPictures
from phaselearn.tracking.tracker import Tracker
from tests.conftest import OCTANT
from tests.data.test_datamodule import datamodule


class Noisy(MultilayerPerceptron):
    """Draws at random even where it is judged."""

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        prediction = super().forward(batch)
        return prediction + 0.01 * torch.randn_like(prediction)


class Album(CSVLogger, Tracker):
    """Keeps what it is shown."""

    def __init__(self, save_dir: str, shows_crystals: bool = True) -> None:
        super().__init__(save_dir)
        self.shows_crystals = shows_crystals
        self.pages: list[tuple[int, list[ShownCrystal]]] = []

    def log_crystals(self, crystals: Sequence[ShownCrystal], step: int) -> None:
        self.pages.append((step, list(crystals)))


def trained(
    store: PairStore, album: Album, callbacks: list[pl.Callback], network: type[MultilayerPerceptron] = Noisy
) -> tuple[MultilayerPerceptron, pl.Trainer]:
    torch.manual_seed(0)
    model = network(
        [8], False, loss=MeanSquaredError(), definition=OCTANT, optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1)
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        callbacks=callbacks,
        logger=album,
        max_epochs=5,
        limit_train_batches=2,
        limit_val_batches=1,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    trainer.fit(model, datamodule=datamodule(store, cache="ram"))
    return model, trainer


@pytest.fixture(scope="module")
def fitted(
    tiny_store: PairStore, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Album, MultilayerPerceptron, pl.Trainer]:
    album = Album(str(tmp_path_factory.mktemp("album")))
    return album, *trained(tiny_store, album, [CrystalPictures(crystals=3, every_n_epochs=2, share=math.inf)])


def test_the_same_crystals_every_few_epochs_and_in_the_end(fitted: tuple[Album, object, object]) -> None:
    album = fitted[0]
    # Two batches an epoch, steps from 0: after the epochs 2, 4 and the last, 5.
    assert [step for step, _ in album.pages] == [3, 7, 9]
    first, *others = [[crystal.id for crystal in page] for _, page in album.pages]
    assert len(set(first)) == 3
    assert all(page == first for page in others)


def test_training_is_what_it_would_be_without_them(
    tiny_store: PairStore, tmp_path_factory: pytest.TempPathFactory, fitted: tuple[Album, MultilayerPerceptron, object]
) -> None:
    other, _ = trained(tiny_store, Album(str(tmp_path_factory.mktemp("none"))), [])
    ours = fitted[1].state_dict()
    for name, value in other.state_dict().items():
        assert torch.equal(ours[name], value), name


def test_nothing_is_drawn_where_no_logger_shows_it(tiny_store: PairStore, tmp_path_factory: object) -> None:
    album = Album(str(tmp_path_factory.mktemp("blind")), shows_crystals=False)
    trained(tiny_store, album, [CrystalPictures(crystals=3, every_n_epochs=1, share=math.inf)])
    assert album.pages == []


def test_they_are_judged_as_the_metric_judges_them(
    tiny_store: PairStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    album = Album(str(tmp_path_factory.mktemp("judged")))
    callbacks: list[pl.Callback] = [CrystalPictures(crystals=3, every_n_epochs=100, share=math.inf)]
    model, trainer = trained(tiny_store, album, callbacks, MultilayerPerceptron)
    [(_, page)] = album.pages
    metric = PhasingMetric(OCTANT, refine=True)
    for batch in trainer.datamodule.evaluation_loader("validation", None):
        with torch.no_grad():
            metric.update(model.eval()(batch), batch)
    judged = metric.crystals()
    ids = tiny_store.ids()[judged["row"].numpy()].tolist()
    for crystal in page:
        place = ids.index(crystal.id)
        assert crystal.correlation == pytest.approx(judged["correlation"][place].item(), abs=1e-4)
        assert crystal.correlation_floor == pytest.approx(judged["floor"][place].item(), abs=1e-5)


def test_pictures_that_would_take_too_long_are_left_out(tiny_store, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture takes 4 s, an epoch 10 s. The first, expected to take 1.5 s, waits for 30 s, a second for 160 s."""
    clock = [0.0]
    monkeypatch.setattr("phaselearn.tracking.pictures.time.process_time", lambda: clock[0])

    class Slow(Album):
        def log_crystals(self, crystals: Sequence[ShownCrystal], step: int) -> None:
            super().log_crystals(crystals, step)
            clock[0] += 4

    class Epochs(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            clock[0] += 10

    steps = {}
    for share in (0.05, 1.0):
        album = Slow(str(tmp_path / str(share)))
        trained(tiny_store, album, [CrystalPictures(crystals=1, every_n_epochs=1, share=share), Epochs()])
        steps[share] = [step for step, _ in album.pages]
    assert steps[0.05] == [7, 9]
    assert steps[1.0] == [3, 5, 7, 9]
