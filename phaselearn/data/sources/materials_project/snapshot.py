"""A snapshot of the Materials Project on disk: read without network, key or client.

A folder of three files: `structures.jsonl.gz`, which `source=file` reads, too; `manifest.json`: filters, ids, what was
left out, database version, licence, attribution, and the digest of the structures; and `fetched.json`: when and with
what. The first two depend on the filters and the database alone.
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
        folder: where it lies.
        filters: what its materials fulfil.
        database_version: of the Materials Project when it was fetched.
        ids: of all materials, sorted, those that were left out included.
        left_out: entries without a structure in it, and why.
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
        """The JSON lines."""
        return self.folder / STRUCTURES

    @property
    def attribution(self) -> str:
        """Whom to cite, with the version of the database."""
        return f"{ATTRIBUTION}; database version {self.database_version}"

    @classmethod
    def open(cls, folder: Path) -> Snapshot:
        """Return the snapshot in a folder.

        Raises:
            UserError: none is there, or it cannot be read.
        """
        if not (folder / MANIFEST).is_file():
            raise UserError(
                f"{folder} is no snapshot of the Materials Project, it has no {MANIFEST}: choose another "
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
            UserError: it was fetched with others, or a smaller count.
        """
        if not wanted.within(self.filters):
            raise UserError(
                f"{self.folder} was fetched with {self.filters}, asked is {wanted}: leave the filters out to read it "
                "as it is, or leave source.snapshot out to fetch another"
            )


def manifest_of(
    filters: Filters, database_version: str, ids: list[str], left_out: list[tuple[str, str]], digest: str
) -> dict[str, Any]:
    """Return what `Snapshot.open` reads."""
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
