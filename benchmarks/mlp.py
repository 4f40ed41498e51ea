"""The report's MLP20 against scikit-learn's MLPRegressor on the same arrays: loss curve, time, memory.

    python benchmarks/mlp.py --structures FILE [--crystals 12000] [--epochs 100]

Each runs in a process of its own, so that peak memory is its own. The bound on speed is on bf16-mixed, the fastest
precision on offer; float32 has none, since most of its time, and of scikit-learn's, goes into the same matrix products
(their own time is stated). Prints `name: value (at least|at most BOUND) ok|short` and exits 1 if a figure falls short.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from figures import QUIET, Figures, state_machine

from phaselearn.callbacks.peak_memory import peak_memory
from phaselearn.commands.console import quiet_libraries
from phaselearn.commands.memory import keep_freed_memory
from phaselearn.commands.session import build_data
from phaselearn.data.build.store_build import build_store
from phaselearn.data.datamodule import PairDataModule
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.sources.file import File
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.testing.options import composed

SIZE = 20
BATCH = 200
DEFINITION = PairDefinition(SIZE, "octant", "atomic_number", 0.0, "atomic_number", 0.35, "fractional", "point")


def datamodule(store: Path, crystals: int) -> PairDataModule:
    values = ("data.preparation.input_scaling=max", f"data.batch_size={BATCH}", "data.loading.cache=ram")
    return build_data(composed("data=hkl20", f"data.store={store}", f"data.train_size={crystals}", *values))


def train_ours(store: Path, crystals: int, epochs: int, precision: str) -> tuple[list[float], float]:
    import pytorch_lightning as pl

    from phaselearn.losses.mse import MeanSquaredError
    from phaselearn.models.mlp import MultilayerPerceptron

    quiet_libraries()
    keep_freed_memory()
    pl.seed_everything(0, verbose=False)
    data = datamodule(store, crystals)
    data.dataset("train")  # read before the clock starts, as for scikit-learn
    scale = 2 / SIZE**3  # see conf/optim/adam.yaml
    model = MultilayerPerceptron(
        [100],
        False,
        loss=MeanSquaredError(),
        definition=DEFINITION,
        optimizer=partial(torch.optim.Adam, lr=1e-3, eps=1e-8 * scale, weight_decay=1e-4 / BATCH * scale, fused=True),
    )
    losses: list[float] = []

    class Curve(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            losses.append(trainer.callback_metrics["train/loss"].item() / 2)

    trainer = pl.Trainer(
        accelerator="cpu",
        precision=precision,
        max_epochs=epochs,
        callbacks=[Curve()],
        **QUIET,
    )
    start = time.perf_counter()
    trainer.fit(model, datamodule=data)
    return losses, time.perf_counter() - start


def products_seconds(crystals: int, epochs: int) -> float:
    """Return the seconds of the float32 matrix products of such a training, and nothing else."""
    voxels, hidden = SIZE**3, 100
    inputs, targets, wide, narrow = (torch.randn(BATCH, n) for n in (voxels, voxels, hidden, hidden))
    first, second = torch.randn(hidden, voxels), torch.randn(voxels, hidden)
    products = (
        lambda: inputs @ first.T,  # forward
        lambda: wide @ second.T,
        lambda: targets.T @ wide,  # gradients of the weights, and of the hidden layer
        lambda: narrow.T @ inputs,
        lambda: targets @ second,
    )
    steps = []
    for _ in range(60):
        start = time.perf_counter()
        for product in products:
            product()
        steps.append(time.perf_counter() - start)
    return float(np.median(steps)) * -(-crystals // BATCH) * epochs


def train_theirs(store: Path, crystals: int, epochs: int) -> tuple[list[float], float]:
    import warnings

    from sklearn.neural_network import MLPRegressor

    everything = datamodule(store, crystals).dataset("train")
    arrays = everything.__getitems__([(place, 0) for place in range(len(everything))])
    inputs, targets = (arrays[name].flatten(1).numpy() for name in ("input", "density"))
    del everything, arrays
    model = MLPRegressor(max_iter=epochs, tol=0, n_iter_no_change=epochs, random_state=0)
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    model.fit(inputs, targets)
    return model.loss_curve_, time.perf_counter() - start


def measure(which: str, store: Path, crystals: int, epochs: int) -> dict[str, object]:
    """Run one of the two in a process of its own."""
    command = [sys.executable, __file__, "--one", which, "--store", str(store)]
    command += ["--crystals", str(crystals), "--epochs", str(epochs)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--structures", help="JSON-lines file; default: the embedded prototypes")
    arguments.add_argument("--crystals", type=int, default=12000)
    arguments.add_argument("--epochs", type=int, default=100)
    arguments.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--one", choices=("32-true", "bf16-mixed", "theirs", "products"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.one == "products":
        keep_freed_memory()
        print(json.dumps({"seconds": products_seconds(given.crystals, given.epochs)}))
        return
    if given.one:
        train = train_theirs if given.one == "theirs" else partial(train_ours, precision=given.one)
        losses, seconds = train(given.store, given.crystals, given.epochs)
        peak = peak_memory() / 2**10
        print(json.dumps({"losses": [float(loss) for loss in losses], "seconds": seconds, "peak": peak}))
        return
    state_machine()
    with tempfile.TemporaryDirectory() as folder:
        store = given.store or Path(folder) / "hkl20.zarr"
        if not store.exists():
            wanted = int(given.crystals * 1.4)
            source = File(given.structures, None, "", "") if given.structures else Prototypes(wanted, 0, "primitive")
            build_store(source, DEFINITION, store, 30.0, {})
        print(f"{given.crystals} crystals, {SIZE}³, {given.epochs} epochs, batch {BATCH}", flush=True)
        theirs = measure("theirs", store, given.crystals, given.epochs)
        products = measure("products", store, given.crystals, given.epochs)
        ours = {name: measure(name, store, given.crystals, given.epochs) for name in ("32-true", "bf16-mixed")}
    figures = Figures()
    for epoch in sorted({1, given.epochs // 10, given.epochs // 2, given.epochs} - {0}):
        losses = {name: one["losses"][epoch - 1] for name, one in {**ours, "scikit-learn": theirs}.items()}
        print(f"loss after {epoch:4d} epochs:", ", ".join(f"{name} {loss:.5f}" for name, loss in losses.items()))
    for name, one in {**ours, "scikit-learn": theirs}.items():
        figures.state(f"{name}, seconds", one["seconds"])
        figures.state(f"{name}, peak memory in GiB", one["peak"])
    for name, one in ours.items():
        last = np.mean(one["losses"][-5:]) / np.mean(theirs["losses"][-5:])
        figures.at_most(f"{name}, last five epochs' mean loss, difference from scikit-learn's", abs(last - 1), 0.05)
    speed = {name: theirs["seconds"] / one["seconds"] for name, one in ours.items()}
    figures.state("float32 matrix products alone, seconds", products["seconds"])
    figures.state("32-true, share of its time that these are", products["seconds"] / ours["32-true"]["seconds"])
    figures.state("scikit-learn, share of its time that these are", products["seconds"] / theirs["seconds"])
    figures.state("32-true, speed against scikit-learn", speed["32-true"])
    figures.state("32-true, speed if there were nothing but the products", theirs["seconds"] / products["seconds"])
    figures.at_least("bf16-mixed, speed against scikit-learn", speed["bf16-mixed"], 2)
    figures.finish()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))
    main()
