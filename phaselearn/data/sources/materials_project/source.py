"""Crystals of the Materials Project, from a snapshot on disk that is fetched once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from phaselearn.data.sources.file import File
from phaselearn.data.sources.materials_project.client import Client
from phaselearn.data.sources.materials_project.fetch import fetch
from phaselearn.data.sources.materials_project.filters import Filters
from phaselearn.data.sources.materials_project.snapshot import ATTRIBUTION, LICENCE, Snapshot
from phaselearn.data.sources.structure_type import CELLS
from phaselearn.data.structures import Crystal, LeftOut, Source
from phaselearn.errors import UserError, choose

KEY_VARIABLE = "MP_API_KEY"


class MaterialsProject(Source):
    """The materials that fulfil some filters, in the order of their ids.

    If the snapshot is there, it is read, and neither network, key nor client is needed. If it is not, it is fetched
    when the first of its crystals or its fingerprint is asked for; a fetch that was stopped continues. Entries of
    GNoME, which are under another licence, are not fetched.

    Args:
        filters: conditions that the materials fulfil.
        count: number of materials, chosen as in `Filters`; null for all.
        cell: the cell that each crystal gets: `as_given`, `primitive` (Niggli-reduced) or `conventional`.
        snapshot: folder of the snapshot; null for one under `snapshot_folder` that is named after the filters. One that
            is named and is there needs no filters.
        snapshot_folder: where snapshots that are not named lie.
        endpoint: address of the service; null for `MP_API_ENDPOINT`, or else the public one.
        api_key: key of the service; null for the environment variable `MP_API_KEY`.

    Raises:
        UserError: the cell is unknown, a filter is invalid, or the snapshot lacks materials that the filters ask for.
    """

    name = "materials_project"
    licence = LICENCE
    attribution = ATTRIBUTION  # with the version of the database as soon as there is a snapshot

    def __init__(
        self,
        filters: Filters,
        count: int | None = None,
        cell: str = "as_given",
        snapshot: str | None = None,
        snapshot_folder: str = "outputs",
        endpoint: str | None = None,
        api_key: str | None = None,
    ) -> None:
        choose("source.cell", cell, CELLS)
        self.filters = replace(filters, count=count)
        named = Path(snapshot) if snapshot else None
        self.folder = named or Path(snapshot_folder) / f"{self.name}_{self.filters.digest()}"
        self.cell = cell
        self.endpoint = endpoint
        self._api_key = api_key
        self._snapshot: Snapshot | None = None
        if self.folder.exists():
            self._open(Snapshot.open(self.folder))
        elif not self.filters.are_given:
            raise UserError(
                f"source.snapshot={named} is not there, and there is no filter to fetch it with"
                if named
                else "source=materials_project without a filter is the whole database: give at least one, "
                "e.g. source.filters.elements=[Si,O], source.filters.chemsys=Si-O or "
                "source.filters.energy_above_hull=[0,0.05]"
            )

    def __len__(self) -> int:
        if self._snapshot is None:
            return 0
        structures = len(self._snapshot.ids) - len(self._snapshot.left_out)
        return min(self.filters.count or structures, structures) + len(self._snapshot.left_out)

    def snapshot(self) -> Snapshot:
        """Return the snapshot, fetched if it is not there.

        Raises:
            UserError: there is no key, or fetching fails.
        """
        if self._snapshot is None:
            return self._open(fetch(self.folder, self.filters, Client(self._key(), self.endpoint)))
        return self._snapshot

    def fingerprint(self) -> str:
        """Return a digest of the snapshot's structures, its left-out entries, the count and the cell; may fetch it.

        Without the snapshot the structures are not known, since filters choose others in each version of the database.
        """
        digest = hashlib.sha256(f"{self.name}:{self.rules}:{self._file().fingerprint()}".encode())
        for entry in self.snapshot().left_out:
            digest.update(f":{entry.id}:{entry.reason}".encode())
        return digest.hexdigest()

    def __iter__(self) -> Iterator[Crystal | LeftOut]:
        file = self._file()
        return chain(self.snapshot().left_out, file)

    def _open(self, snapshot: Snapshot) -> Snapshot:
        snapshot.check_holds(self.filters)
        self._snapshot = snapshot
        self.attribution = snapshot.attribution
        return snapshot

    def _file(self) -> File:
        snapshot = self.snapshot()
        snapshot.check_whole()
        return File(str(snapshot.structures), self.filters.count, self.licence, self.attribution, self.cell)

    def _key(self) -> str:
        key = (self._api_key or os.environ.get(KEY_VARIABLE) or "").strip()
        if not key:
            raise UserError(
                f"{self.folder} is not there, and there is no API key to fetch it with: take yours from "
                f"https://next-gen.materialsproject.org/api and `export {KEY_VARIABLE}=…`"
            )
        return key
