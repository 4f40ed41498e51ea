"""Stores in a bucket, on a server on this machine."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from multiprocessing import forkserver, get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from phaselearn import locks
from phaselearn.data.build import store_build
from phaselearn.data.build.repair import repair_store
from phaselearn.data.build.store_build import build_store
from phaselearn.data.processes import worker_context
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store import lease
from phaselearn.data.store.bucket import _RETRIES
from phaselearn.data.store.files import PAIR_ARRAYS, shard_key
from phaselearn.data.store.location import open_storage
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.verify import verify_store
from phaselearn.errors import UserError
from tests.cli.folders import PHASELEARN, SMALL, TRAIN, command, table
from tests.conftest import OCTANT
from tests.data.builders import built, lines, started, wait_until
from tests.data.files import files_of
from tests.data.servers import BUCKET, failing_server, s3_server
from tests.data.store.reading import read_and_tell
from tests.data.test_datamodule import datamodule

pytest.importorskip("obstore", reason="object storage needs obstore: pip install 'phaselearn[s3]'")
pytest.importorskip("moto", reason="the server of these tests is moto: pip install 'phaselearn[test]'")

URL = f"s3://{BUCKET}/stores/tiny.zarr"
COUNT = 300


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of the server; credentials and address are in the environment."""
    with s3_server() as port, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        # Workers have the environment in which their server was started, maybe by an earlier file's tests.
        forkserver._forkserver._stop()
        yield port
    forkserver._forkserver._stop()


@pytest.fixture(scope="module")
def store(port: int) -> PairStore:
    """A store in the bucket."""
    return build_store(Prototypes(COUNT, 0, "primitive"), OCTANT, URL, 30.0, {"count": COUNT}, workers=1)


def _content(url: str) -> dict[str, bytes]:
    storage = open_storage(url)
    return {key: storage.read(key) for key in storage.sizes()}


def test_a_store_is_the_same_in_a_bucket_as_in_a_folder(store: PairStore, tiny_store: PairStore) -> None:
    assert _content(URL) == files_of(tiny_store.path)
    assert open_storage(URL + ".partial").sizes() == {}
    assert verify_store(URL) == []
    for name in PAIR_ARRAYS:
        rows = np.array([7, 3, 280])
        assert np.array_equal(store.read_pairs(name, rows), tiny_store.read_pairs(name, rows))


def test_a_store_is_not_overwritten_unasked(store: PairStore) -> None:
    with pytest.raises(UserError, match="overwrite=true"):
        build_store(Prototypes(5, 0, "primitive"), OCTANT, URL, 30.0, {})


def test_damage_in_a_bucket_is_named_and_mended(store: PairStore) -> None:
    sound = _content(URL)
    key = shard_key("density", 1)
    store.storage.delete([key])
    with pytest.raises(UserError, match=f"{key}.*repair=true"):
        PairStore(URL)
    assert repair_store(URL, make_source=lambda _: None) == [key]
    assert _content(URL) == sound


@pytest.mark.slow
def test_a_stopped_build_goes_on_in_the_bucket(store: PairStore, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"s3://{BUCKET}/stores/stopped.zarr"

    def stop(*_):
        raise KeyboardInterrupt

    for step in ("_write_columns", "write_pairs", "_finish", "_remove_rest"):
        monkeypatch.setattr(f"phaselearn.data.build.store_build.{step}", stop)
        with pytest.raises(KeyboardInterrupt):
            build_store(Prototypes(COUNT, 0, "primitive"), OCTANT, url, 30.0, {"count": COUNT}, workers=1)
        monkeypatch.undo()
    build_store(Prototypes(COUNT, 0, "primitive"), OCTANT, url, 30.0, {"count": COUNT}, workers=1)
    assert _content(url) == _content(URL)


@pytest.mark.slow
def test_processes_build_in_the_bucket(store: PairStore) -> None:
    url = f"s3://{BUCKET}/stores/shared.zarr"
    build_store(Prototypes(COUNT, 0, "primitive"), OCTANT, url, 30.0, {"count": COUNT}, workers=2)
    assert _content(url) == _content(URL)


def _rows(loader: torch.utils.data.DataLoader) -> list[int]:
    return sorted(torch.cat([batch["row"] for batch in loader]).tolist())


def test_workers_of_a_loader_read_the_bucket_and_may_be_started_again(store: PairStore, tiny_store: PairStore) -> None:
    rows = datamodule(tiny_store).rows("train").tolist()
    data = datamodule(store, num_workers=2)
    data.prepare_data()
    loader = data.train_dataloader()
    assert _rows(loader) == rows
    for worker in loader._iterator._workers:
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
    assert _rows(data.train_dataloader()) == rows


@pytest.mark.slow
def test_failing_requests_are_asked_again(
    store: PairStore, tiny_store: PairStore, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    backoff = {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=5), "base": 2}
    monkeypatch.setattr("phaselearn.data.store.bucket._RETRIES", _RETRIES | {"backoff": backoff})
    with failing_server(port) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        through = PairStore(URL)
        rows = np.arange(len(tiny_store))
        assert np.array_equal(through.read_pairs("density", rows), tiny_store.read_pairs("density", rows))
        url = f"s3://{BUCKET}/stores/failing.zarr"
        build_store(Prototypes(COUNT, 0, "primitive"), OCTANT, url, 30.0, {"count": COUNT}, workers=1)
        assert server.failures > 20
        monkeypatch.undo()
    assert _content(url) == _content(URL)


@pytest.mark.slow
def test_a_forked_process_is_told_and_does_not_hang(store: PairStore) -> None:
    store.read_pairs("density", np.array([0]))
    for context, told in ((get_context("fork"), "forkserver"), (worker_context(), "read")):
        answers = context.Queue()
        process = context.Process(target=read_and_tell, args=(PairStore(URL), answers))
        process.start()
        assert told in answers.get(timeout=60)
        process.join()


@pytest.mark.parametrize(
    ("url", "variables", "told"),
    [
        ("s3://nobodys-bucket/a.zarr", {}, "no bucket 'nobodys-bucket'"),
        (URL, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "check the network"),
        (f"s3://{BUCKET}/nothing.zarr", {}, "no store at s3://"),
    ],
)
def test_what_stands_in_the_way_is_told(
    port: int, monkeypatch: pytest.MonkeyPatch, url: str, variables: dict[str, str], told: str
) -> None:
    monkeypatch.setattr("phaselearn.data.store.bucket._RETRIES", {"max_retries": 1})
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=told):
        PairStore(url)


def test_missing_credentials_are_told(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaselearn.data.store.bucket._RETRIES", {"max_retries": 0})
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="AWS_ACCESS_KEY_ID"):
        PairStore(URL)


@pytest.mark.parametrize("path", ["gs://bucket/a.zarr", "s3://bucket", "s3:///a"])
def test_other_addresses_are_refused(path: str) -> None:
    with pytest.raises(UserError, match="s3://BUCKET/FOLDER"):
        open_storage(path)


@pytest.mark.slow
def test_from_prepare_to_a_trained_network(port: int, tmp_path) -> None:
    url = f"data.store=s3://{BUCKET}/stores/end.zarr"
    command(tmp_path, *PHASELEARN, "prepare", "source.count=120", url)
    assert "every file is sound" in command(tmp_path, *PHASELEARN, "prepare", url, "verify=true").stdout
    assert "structure types" in command(tmp_path, *PHASELEARN, "data", "info", url).stdout
    choices = ("trainer.max_epochs=1", "data.loading.num_workers=1", "data.loading.cache=none", "run=run")
    command(tmp_path, *TRAIN, *SMALL, url, *choices)
    assert table(tmp_path / "run" / "results.csv")


@pytest.mark.slow
def test_processes_share_a_build_in_the_bucket_and_one_is_killed(port: int, tmp_path: Path) -> None:
    url, log = f"s3://{BUCKET}/stores/together.zarr", tmp_path / "log.txt"
    processes = started(3, log, url)
    wait_until(lambda: any(piece == "shard 1" for _, _, piece in lines(log)))
    victim = next(process for process, _, piece in lines(log) if piece == "shard 1")
    os.kill(victim, signal.SIGKILL)
    for process in processes:
        process.join()
    assert sorted(process.exitcode or 0 for process in processes) == [-signal.SIGKILL, 0, 0]
    ended = Counter(piece for _, step, piece in lines(log) if step == "ended")
    assert set(ended.values()) == {1}
    assert len(ended) == 10
    assert _content(url) == files_of(built(tmp_path / "alone.zarr").path)
    for rest in (".partial", ".lock", ".claims"):
        assert open_storage(f"{url}{rest}").sizes() == {}


def _second_builder(url: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Begin a build of a store while another is between its blocks and its shards; return how many came there."""
    reached, go_on, second = threading.Event(), threading.Event(), threading.Event()
    came, write_columns = [], store_build._write_columns

    def held_columns(*arguments):
        came.append(1)
        reached.set()
        assert go_on.wait(60)
        return write_columns(*arguments)

    def told(lock):
        assert lock.holder().process == os.getpid()
        second.set()
        return "…"

    monkeypatch.setattr(store_build, "_write_columns", held_columns)
    monkeypatch.setattr(locks, "_told", told)
    with ThreadPoolExecutor(2) as pool:
        source = Prototypes(20, 0, "primitive")
        one = pool.submit(build_store, source, OCTANT, url, 30.0, {}, workers=1)
        assert reached.wait(60)
        other = pool.submit(build_store, source, OCTANT, url, 30.0, {}, workers=1)
        assert second.wait(60)
        go_on.set()
        assert len(one.result(60)) == len(other.result(60)) == 20
    return len(came)


@pytest.mark.slow
def test_two_builders_in_a_bucket_build_once(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWED", 0.05)
    monkeypatch.setattr(lease, "ASKED", 0.01)
    url = f"s3://{BUCKET}/stores/both.zarr"
    assert _second_builder(url, monkeypatch) == 1
    assert open_storage(f"{url}.partial").sizes() == {}
    assert not open_storage(f"s3://{BUCKET}/stores").has("both.zarr.lock")


def test_the_lock_of_a_killed_builder_in_a_bucket_is_taken_over(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "FREE_AFTER", 0.3)
    monkeypatch.setattr(lease, "ASKED", 0.01)
    monkeypatch.setattr(lease.Lease, "release", lambda self: self._ended.set())  # as if it was killed
    storage = open_storage(f"s3://{BUCKET}/stores/killed.zarr")
    with locks.held(storage.lock("builds it")):
        pass
    monkeypatch.undo()
    monkeypatch.setattr(lease, "FREE_AFTER", 0.3)
    monkeypatch.setattr(lease, "ASKED", 0.01)
    monkeypatch.setattr(locks.Holder, "is_this_thread", False)  # here it was this very thread
    with locks.held(storage.lock("builds it")) as waited:
        assert waited
    assert not open_storage(f"s3://{BUCKET}/stores").has("killed.zarr.lock")
