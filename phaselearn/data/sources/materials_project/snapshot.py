"""Snapshots of the Materials Project on disk, which are read without network, key or client.

A snapshot is a folder of three files. `structures.jsonl.gz` can be read by `source=file`, too. `manifest.json` holds
the filters, the ids, the entries that were left out, the version of the database, licence, attribution, and the digest
of the structures. `fetched.json` says when and with which client they were fetched. The first two depend on the filters
and the database alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phaselearn.data.sources.materials_project.filters import Filters
from phaselearn.data.structures import LeftOut
from phaselearn.errors import UserError
from phaselearn.quoting import command

STRUCTURES = "structures.jsonl.gz"
MANIFEST = "manifest.json"
FETCHED = "fetched.json"
SCHEMA = "phaselearn.materials_project"
SCHEMA_VERSION = 1
LICENCE = "CC BY 4.0"
ATTRIBUTION = "The Materials Project, https://materialsproject.org; A. Jain et al., APL Materials 1, 011002 (2013)"


@dataclass(frozen=True)
class Snapshot:
    """A finished snapshot.

    Attributes:
        folder: folder of the snapshot.
        filters: filters that its materials fulfil.
        database_version: version of the database when it was fetched.
        ids: sorted ids of all materials, including those that were left out.
        left_out: materials without a structure in the snapshot, and the reasons.
        digest: SHA-256 of the file of structures.
    """

    folder: Path
    filters: Filters
    database_version: str
    ids: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    digest: str

    @property
    def structures(self) -> Path:
        """The path of the structures, JSON lines."""
        return self.folder / STRUCTURES

    @property
    def attribution(self) -> str:
        """Whom to cite, with the version of the database."""
        return f"{ATTRIBUTION}; database version {self.database_version}"

    @classmethod
    def open(cls, folder: Path) -> Snapshot:
        """Return the snapshot in a folder.

        Raises:
            UserError: there is none, or it cannot be read.
        """
        if not (folder / MANIFEST).is_file():
            raise UserError(
                f"{folder} is not a snapshot of the Materials Project, it has no {MANIFEST}: choose another "
                "source.snapshot, or leave it out"
            )
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            schema = manifest["schema"], manifest["schema_version"]
            if schema != (SCHEMA, SCHEMA_VERSION):
                raise UserError(
                    f"{folder} has schema {schema[0]} version {schema[1]}, this version reads {SCHEMA} version "
                    f"{SCHEMA_VERSION}: choose another source.snapshot"
                )
            return cls(
                folder,
                Filters.from_dict(manifest["filters"]),
                manifest["database_version"],
                tuple(manifest["ids"]),
                tuple(LeftOut(*entry) for entry in manifest["left_out"]),
                manifest["sha256"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{folder / MANIFEST} cannot be read ({type(error).__name__}): `{command('rm -r', folder)}` and give "
                "the same command, which fetches it again"
            ) from error

    def check_whole(self) -> None:
        """Compare the structures with their digest.

        Raises:
            UserError: they were changed or damaged.
        """
        try:
            with open(self.structures, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            found = type(error).__name__
        if found != self.digest:
            raise UserError(
                f"{self.structures} is not what was fetched (SHA-256 {found[:10]}…, {self.digest[:10]}… is noted): "
                f"`{command('rm -r', self.folder)}` and give the same command, which fetches it again"
            )

    def check_holds(self, wanted: Filters) -> None:
        """Refuse filters that this snapshot cannot answer.

        Raises:
            UserError: the snapshot was fetched with other filters, or with a smaller count.
        """
        if not wanted.within(self.filters):
            raise UserError(
                f"{self.folder} was fetched with {self.filters}, asked is {wanted}: leave the filters out to read it "
                "as it is, or leave source.snapshot out to fetch another"
            )


def manifest_of(
    filters: Filters, database_version: str, ids: list[str], left_out: list[tuple[str, str]], digest: str
) -> dict[str, Any]:
    """Return the content of a manifest, as `Snapshot.open` reads it."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "filters": filters.as_dict(),
        "database_version": database_version,
        "licence": LICENCE,
        "attribution": ATTRIBUTION,
        "ids": ids,
        "left_out": left_out,
        "sha256": digest,
    }
