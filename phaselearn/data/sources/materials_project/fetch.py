"""Fetches a snapshot piece by piece, so that a fetch can be stopped at any moment and continued.

A snapshot under way is a folder `….partial` with `plan.json`, the pages of ids that fulfil the filters in `listing/`,
and the structures in `batches/`. Each file is written in one step. At the end the folder becomes the snapshot.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from phaselearn.data.sources.materials_project.client import IDS_A_PAGE, Client
from phaselearn.data.sources.materials_project.filters import Filters
from phaselearn.data.sources.materials_project.rows import rows_of
from phaselearn.data.sources.materials_project.snapshot import (
    FETCHED,
    MANIFEST,
    STRUCTURES,
    Snapshot,
    manifest_of,
)
from phaselearn.errors import UserError
from phaselearn.files import file_stem, write_whole
from phaselearn.locks import LockFile, held
from phaselearn.progress import track
from phaselearn.quoting import command

IDS_A_BATCH = 100  # the client splits a request that the service finds too long into requests of this size
_PLAN = "plan.json"
_LISTING = "listing"
_BATCHES = "batches"


def fetch(folder: Path, wanted: Filters, client: Client) -> Snapshot:
    """Fetch the snapshot in a folder, or the missing part of one that was begun.

    If another process is fetching it, this call waits.

    Raises:
        UserError: the service fails, nothing fulfils the filters, or the begun snapshot has other filters or another
            version of the database.
    """
    with held(LockFile(folder.with_name(folder.name + ".lock"), f"fetches {folder}")):
        if not folder.exists():
            _Fetching(folder, wanted, client).run()
    return Snapshot.open(folder)


class _Fetching:
    """A snapshot under way."""

    def __init__(self, folder: Path, wanted: Filters, client: Client) -> None:
        self.folder = folder
        self.partial = folder.with_name(folder.name + ".partial")
        self.wanted = wanted
        self.client = client

    def run(self) -> None:
        if not (self.partial / MANIFEST).exists():
            self._plan()
            ids = self._list()
            self._fetch(ids)
            self._assemble(ids)
        for name in (_LISTING, _BATCHES):
            shutil.rmtree(self.partial / name, ignore_errors=True)
        (self.partial / _PLAN).unlink(missing_ok=True)
        os.replace(self.partial, self.folder)

    def _plan(self) -> None:
        """Note the filters and the version of the database, or compare them with those that were noted."""
        self.database_version = self.client.database_version()
        plan = {"filters": self.wanted.as_dict(), "database_version": self.database_version}
        begun = _read(self.partial / _PLAN)
        if begun is None:
            write_whole(self.partial / _PLAN, _json(plan))
        elif begun["filters"] != plan["filters"]:
            raise UserError(
                f"{self.partial} is the beginning of another query, {Filters.from_dict(begun['filters'])}: finish it "
                f"with those filters, choose another source.snapshot, or `{command('rm -r', self.partial)}`"
            )
        else:
            self._check_version(begun["database_version"], self.database_version)

    def _check_version(self, before: str, now: str) -> None:
        if before != now:
            raise UserError(
                f"the Materials Project went from database version {before} to {now} since {self.partial} was begun, "
                f"and a snapshot is of one version: `{command('rm -r', self.partial)}` and give the same command"
            )

    def _list(self) -> list[str]:
        """Return the sorted ids of the snapshot."""
        if self.wanted.ids is not None:
            return self.wanted.choose({self.client.canonical(name) for name in self.wanted.ids})
        listed = {name for page in track(self._pages(), f"listing ({IDS_A_PAGE} a step)", None) for name in page}
        if not listed:
            raise UserError(f"no material of the Materials Project fulfils {self.wanted}: ask for less")
        return self.wanted.choose(listed)

    def _pages(self) -> Iterator[list[str]]:
        for page in count(1):
            path = self.partial / _LISTING / f"{page:05}.json"
            entry = _read(path)
            if entry is None:
                ids, total = self.client.list_page(self.wanted, page)
                entry = {"ids": ids, "total": total}
                write_whole(path, _json(entry))
            yield entry["ids"]
            if page * IDS_A_PAGE >= entry["total"]:
                return

    def _batches(self) -> Iterator[dict[str, Any]]:
        for path in sorted((self.partial / _BATCHES).glob("*.json")):
            batch = _read(path)
            if batch is not None:
                yield batch

    def _fetch(self, ids: list[str]) -> None:
        """Fetch the structures that are not there yet."""
        there = {name for batch in self._batches() for part in ("rows", "left_out") for name in batch[part]}
        missing = [name for name in ids if name not in there]
        batches = [missing[start : start + IDS_A_BATCH] for start in range(0, len(missing), IDS_A_BATCH)]
        for batch in track(batches, f"fetching structures ({IDS_A_BATCH} a step)", len(batches)):
            rows, left_out = rows_of(batch, self.client.documents(self.wanted, batch))
            # Named by its first id: a batch that was damaged is written over.
            write_whole(
                self.partial / _BATCHES / f"{file_stem(batch[0])}.json", _json({"rows": rows, "left_out": left_out})
            )
        # Once more at the end, since the database may have changed meanwhile.
        self._check_version(self.database_version, self.client.database_version())

    def _assemble(self, ids: list[str]) -> None:
        """Write the files of the snapshot, the manifest last."""
        rows: dict[str, bytes] = {}
        reasons: dict[str, str] = {}
        for batch in self._batches():
            rows |= {name: _json(row) for name, row in batch["rows"].items()}
            reasons |= batch["left_out"]
        packed = io.BytesIO()
        # With the time or the file's name in it, no two snapshots would be equal.
        with gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as file:
            file.writelines(rows[name] for name in ids if name in rows)
        write_whole(self.partial / STRUCTURES, packed.getvalue())
        facts = {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "endpoint": self.client.endpoint,
            "client": f"mp-api {version('mp-api')}",
        }
        write_whole(self.partial / FETCHED, _json(facts))
        left_out = [(name, reasons[name]) for name in ids if name in reasons]
        digest = hashlib.sha256(packed.getvalue()).hexdigest()
        manifest = manifest_of(self.wanted, self.database_version, ids, left_out, digest)
        write_whole(self.partial / MANIFEST, _json(manifest))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _read(path: Path) -> Any:
    """Return the content of a JSON file; None if there is none, or if a crash of the machine has damaged it."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
