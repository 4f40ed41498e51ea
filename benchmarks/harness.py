"""The cost of LightningDataModule and Trainer against a bare loop over tensors, and whether streaming stays flat.

    python benchmarks/harness.py

Prints one line a figure, `name: value (at least|at most BOUND) ok|short`, and exits 1 if one falls short.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytorch_lightning as pl
import torch
from figures import QUIET, Figures, state_machine

from phaselearn.callbacks.peak_memory import peak_memory
from phaselearn.commands.console import quiet_libraries
from phaselearn.commands.memory import keep_freed_memory
from phaselearn.commands.session import build_data, build_model
from phaselearn.data.build.store_build import build_store
from phaselearn.data.datamodule import PairDataModule
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.models.base import DensityModel
from phaselearn.testing.options import composed

DEFINITION = PairDefinition(10, "octant", "atomic_number", 0.0, "atomic_number", 0.35, "fractional", "point")
# model: overrides, crystals, epochs, rounds, bound; networks are narrow, so that the harness's share is the larger.
CASES = {
    "mlp": ((), 4000, 20, 5, 1.3),
    "cnn": (("model.width=8",), 400, 4, 4, 1.05),
    "unet3d": (("model.width=2",), 16, 2, 2, 1.05),
}


def trainer_epoch(model: DensityModel, data: PairDataModule, epochs: int) -> float:
    """Return the seconds of the fastest epoch through Trainer and data module, the first left out."""
    marks: list[float] = []

    class Clock(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            marks.append(time.perf_counter())

    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs + 1,
        callbacks=[Clock()],
        **QUIET,
    )
    trainer.fit(model, datamodule=data)
    return min(b - a for a, b in pairwise(marks))


def bare_epoch(model: DensityModel, data: PairDataModule, epochs: int) -> float:
    """Return the seconds of the fastest epoch of the same steps in a bare loop over tensors in memory."""
    dataset = data.dataset("train")
    everything = dataset.__getitems__([(place, 0) for place in range(len(dataset))])
    inputs, targets = everything["input"].contiguous(), everything["density"].contiguous()
    optimizer = model.configure_optimizers()
    model.train()
    marks = []
    for _ in range(epochs + 1):
        for chosen in torch.randperm(len(inputs)).split(data.loading.batch_size):
            batch = {"input": inputs[chosen]}
            loss = model.loss(model(batch), targets[chosen], batch).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        marks.append(time.perf_counter())
    return min(b - a for a, b in pairwise(marks))


def compare(name: str, store: Path, figures: Figures) -> None:
    overrides, crystals, epochs, rounds, bound = CASES[name]
    config = composed(f"model={name}", "data=hkl10", f"data.store={store}", f"data.train_size={crystals}", *overrides)
    # The fastest epoch of each, in turns: whatever else the machine does only adds to an epoch.
    fastest = dict.fromkeys((bare_epoch, trainer_epoch), float("inf"))
    for _ in range(rounds):
        data = build_data(config)
        for run in fastest:
            torch.manual_seed(0)
            fastest[run] = min(fastest[run], run(build_model(config, data.definition), data, epochs))
    bare, ours = fastest[bare_epoch], fastest[trainer_epoch]
    figures.state(f"{name}, milliseconds an epoch in the bare loop", 1e3 * bare)
    figures.at_most(f"{name}, epoch through data module and Trainer against the bare loop", ours / bare, bound)


def peak_of_streaming(store: Path) -> float:
    """Return the peak resident memory in MiB of an epoch streamed from a store, in a process of its own."""
    command = [sys.executable, __file__, "--stream", str(store)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def stream(store: Path) -> None:
    torch.set_num_threads(1)
    config = composed("model=mlp", "data=hkl10", f"data.store={store}", "data.loading.cache=none")
    data = build_data(config)
    trainer_epoch(build_model(config, data.definition), data, 1)
    print(peak_memory())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stream", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    quiet_libraries()
    keep_freed_memory()  # as `python train.py` does
    if given.stream:
        stream(given.stream)
        return
    state_machine()
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        build = partial(build_store, definition=DEFINITION, longest_edge=30.0, source_config={})
        large, small = Path(folder) / "large.zarr", Path(folder) / "small.zarr"
        build(Prototypes(8000, 0, "primitive"), path=large)
        build(Prototypes(800, 0, "primitive"), path=small)
        for name in CASES:
            compare(name, large, figures)
        peaks = [peak_of_streaming(store) for store in (small, large)]
        for crystals, peak in zip((800, 8000), peaks, strict=True):
            figures.state(f"streaming, peak memory in MiB with {crystals} crystals", peak)
        figures.at_most("streaming, peak memory of ten times the store against one", peaks[1] / peaks[0], 1.1)
    figures.finish()


if __name__ == "__main__":
    main()
