"""Building and streaming at scale: build rate, streaming rate, memory, size, and what larger collections would take.

    python benchmarks/data.py [--structures FILE] [--count 4096] [--pairs 100000] [--data hkl20]

Prints one line a figure, `name: value (at least|at most BOUND) ok|short`, then the projection as Markdown, and exits
1 if a figure falls short. Builds are compared with a plain zarr copy of the same bytes, streaming with a memory-mapped
NumPy file of the same pairs: both go through the same loader and are prepared in the same way.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import zarr
from figures import Figures, state_machine

from phaselearn.callbacks.peak_memory import peak_memory
from phaselearn.commands.console import quiet_libraries
from phaselearn.commands.memory import keep_freed_memory
from phaselearn.commands.session import build_data
from phaselearn.data.build.store_build import build_store
from phaselearn.data.build.write_pairs import PAIRS_A_SHARD
from phaselearn.data.datamodule import PairDataModule
from phaselearn.data.loading.dataset import PairDataset
from phaselearn.data.loading.loader import PairLoader
from phaselearn.data.loading.sampler import EpochBatches
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store.files import PAIR_ARRAYS, create_pair_arrays
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.structures import Crystal, Source
from phaselearn.testing.options import composed

PROJECTED = (150_000, 5_000_000)
ROUNDS = 3
SMALL = 1000  # pairs of the smaller store whose memory is compared


class MappedReader:
    """Reads the samples of a memory-mapped .npy file, as `ShardReader` does those of a store."""

    def __init__(self, path: Path) -> None:
        self._values = np.load(path, mmap_mode="r")

    def read(self, rows: np.ndarray) -> np.ndarray:
        return self._values[rows]


class MappedDataset(PairDataset):
    """A data set whose pairs come from memory-mapped files."""

    def __init__(self, store: PairStore, files: dict[str, Path], **options: object) -> None:
        super().__init__(store, np.arange(len(store)), in_memory=False, held=0, **options)
        self._files = files

    def _open_readers(self) -> dict[str, MappedReader]:
        return {name: MappedReader(path) for name, path in self._files.items()}


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def size_on_disk(path: Path) -> int:
    return sum(file.stat().st_size for name in PAIR_ARRAYS for file in (path / name).rglob("*") if file.is_file())


def data_module(name: str, store: Path, structures: str | None, count: int) -> PairDataModule:
    source = ["source=file", f"source.path={structures}"] if structures else ["source=prototypes"]
    # What training a perceptron reads of a batch; `none` streams.
    values = (f"data={name}", "data.loading.cache=none", f"data.store={store}", f"source.count={count}")
    return build_data(composed("model=mlp", *values, *source))


def build(name: str, store: Path, structures: str | None, count: int, processes: int) -> float:
    """Return the seconds that `phaselearn prepare` takes on so many cores, in a process of its own."""
    command = [sys.executable, __file__, "--build", str(store), "--data", name, "--count", str(count)]
    command += ["--workers", str(processes)]
    command += ["--structures", structures] if structures else []
    cores = sorted(os.sched_getaffinity(0))[:processes]
    # The process states its own seconds: imports and the prototypes' library do not belong to a build.
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    return float(done.stdout.splitlines()[-1])


def built(name: str, store: Path, structures: str | None, count: int, workers: int) -> float:
    stored = replace(data_module(name, store, structures, count).configured_store, workers=workers)
    next(iter(stored.source))  # loads the prototypes' library
    return seconds(stored.build)


def copy(store: PairStore, path: Path) -> float:
    """Return the seconds that zarr takes to write the same pairs, shard by shard."""
    rows = np.arange(len(store))
    pairs = {name: store.read_pairs(name, rows) for name in PAIR_ARRAYS}
    group = zarr.open_group(path, mode="w", zarr_format=3)
    create_pair_arrays(group, len(store), store.definition.sample_shapes(), PAIRS_A_SHARD)

    def write() -> None:
        for start in range(0, len(store), PAIRS_A_SHARD):
            for name, values in pairs.items():
                group[name][start : start + PAIRS_A_SHARD] = values[start : start + PAIRS_A_SHARD]

    return seconds(write)


def rate(dataset: PairDataset, batch_size: int, buffer: int, workers: int) -> float:
    """Return the pairs a second of the fastest shuffled epoch; workers are started before the clock is."""
    batches = EpochBatches(dataset.shards, batch_size, seed=0, buffer=buffer, streams=max(workers, 1))
    loader = PairLoader(dataset, batches, workers)
    fastest = float("inf")
    for epoch in range(ROUNDS + 1):
        batches.set_epoch(epoch)
        took = seconds(lambda: [len(batch["input"]) for batch in loader])
        fastest = took if epoch == 0 else min(fastest, took)
    return len(dataset) / fastest


def stream(data: PairDataModule, folder: Path, figures: Figures) -> None:
    """Compare streaming from the store with memory-mapped files."""
    store = data.store()
    rows = np.arange(len(store))
    files = {name: folder / f"{name}.npy" for name in PAIR_ARRAYS}
    for name, path in files.items():
        np.save(path, store.read_pairs(name, rows))
    options = {"preparation": data.preparation, "seen": frozenset()}
    loading = data.loading
    datasets = (
        PairDataset(store, rows, in_memory=False, held=loading.held, **options),
        MappedDataset(store, files, **options),
    )
    streamed, mapped = (dataset.with_parts(frozenset({"input", "density"})) for dataset in datasets)
    for workers in (0, 1, 2):
        ours = rate(streamed, loading.batch_size, loading.shuffle_buffer, workers)
        theirs = rate(mapped, loading.batch_size, len(store), workers)
        figures.state(f"streaming, pairs a second with {workers} workers", ours)
        figures.state(f"memory-mapped file, pairs a second with {workers} workers", theirs)
        figures.at_least(f"streaming against the memory-mapped file with {workers} workers", ours / theirs, 0.8)


class Repeated(Source):
    """A few prototypes over and over."""

    name, licence, attribution = "repeated", "CC0", "none needed"

    def __init__(self, count: int) -> None:
        self._crystals = [entry for entry in Prototypes(64, 0, "primitive") if isinstance(entry, Crystal)]
        self._count = count

    def __len__(self) -> int:
        return self._count

    def fingerprint(self) -> str:
        return f"{self._count:x}"

    def __iter__(self) -> Iterator[Crystal]:
        for number in range(self._count):
            yield replace(self._crystals[number % len(self._crystals)], id=str(number))


def write_many_pairs(path: Path, count: int) -> None:
    """Build a store of so many pairs at 10³."""
    data = data_module("hkl10", path, None, 64)
    build_store(Repeated(count), data.definition, path, data.configured_store.longest_edge, {}, workers=1)


def peak_of_streaming(store: Path) -> float:
    """Return the peak resident memory in MiB of a shuffled epoch, in a process of its own."""
    command = [sys.executable, __file__, "--stream", str(store)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def streamed_peak(store: Path) -> float:
    torch.set_num_threads(1)
    data = data_module("hkl10", store, None, 64)
    for _ in data.training_loader(frozenset({"input", "density"})):
        pass
    return peak_memory()


def project(seconds_a_pair: float, bytes_a_pair: float) -> None:
    """Print what larger collections would take, as Markdown."""
    print(
        "\nProjected: time = structures × seconds a pair of the build on one core, size = structures × bytes a pair.\n"
    )
    print("| structures | hours on one core | store, GB |\n|---:|---:|---:|")
    for count in PROJECTED:
        print(f"| {count:,} | {count * seconds_a_pair / 3600:.2f} | {count * bytes_a_pair / 1e9:.1f} |")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--structures", help="JSON-lines file; default: the embedded prototypes")
    arguments.add_argument("--count", type=int, default=4096, help="crystals that are built and streamed")
    arguments.add_argument("--pairs", type=int, default=100_000, help="pairs of the store whose memory is compared")
    arguments.add_argument("--data", default="hkl20", help="data configuration")
    arguments.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--workers", type=int, help=argparse.SUPPRESS)
    arguments.add_argument("--stream", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    quiet_libraries()
    keep_freed_memory()
    if given.build:
        print(built(given.data, given.build, given.structures, given.count, given.workers))
        return
    if given.stream:
        print(streamed_peak(given.stream))
        return
    state_machine()
    torch.set_num_threads(1)
    figures = Figures()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        took = {
            cores: build(given.data, folder / f"{cores}.zarr", given.structures, given.count, cores) for cores in (1, 2)
        }
        data = data_module(given.data, folder / "1.zarr", given.structures, given.count)
        store = data.store()
        raw, written = store.bytes_of(np.arange(len(store))), size_on_disk(store.path)
        copied = min(copy(store, folder / f"copy{i}.zarr") for i in range(2))
        print(f"{len(store)} pairs of data={given.data}")
        figures.state("build on one core, pairs a second", len(store) / took[1])
        figures.state("build on one core, MB of float32 a second", raw / took[1] / 1e6)
        figures.state("plain zarr copy, MB of float32 a second", raw / copied / 1e6)
        figures.at_most("build on one core against a plain zarr copy of the same bytes", took[1] / copied, 1.5)
        figures.state("build on two cores, times as fast as on one", took[1] / took[2])
        figures.state("store size against raw float32", written / raw)
        stream(data, folder, figures)

        sizes = (min(SMALL, given.pairs), given.pairs)
        peaks = []
        for count in sizes:
            path = folder / f"repeated{count}.zarr"
            write_many_pairs(path, count)
            peaks.append(peak_of_streaming(path))
            figures.state(f"streaming, peak memory in MiB with {count} pairs", peaks[-1])
        figures.at_most(f"streaming, peak memory of {sizes[1]} pairs against {sizes[0]}", peaks[1] / peaks[0], 1.1)
        project(took[1] / len(store), written / len(store))
    figures.finish()


if __name__ == "__main__":
    main()
