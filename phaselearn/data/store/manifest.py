"""The manifest of a store: every file with its length and SHA-256. It is written last, so a store that has one is
whole.

zarr reads a missing chunk as zeros and does not notice a changed digit in its metadata; the manifest does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phaselearn.data.store.storage import Storage

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Entry:
    """The length and the checksum of a file.

    Attributes:
        size: length in bytes.
        sha256: SHA-256, hexadecimal.
    """

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> Entry:
        """Return the entry of a file's content."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class Manifest:
    """The recipe and the files of a store.

    Attributes:
        recipe: source and definition that the store was built from (see `phaselearn.data.store.recipe`).
        files: {key: entry} of every file but the manifest.
    """

    recipe: dict[str, Any]
    files: dict[str, Entry]

    def encode(self) -> bytes:
        """Return the content of the manifest's file: JSON that ends with the SHA-256 of everything before it."""
        body = {
            "recipe": self.recipe,
            "files": {key: [entry.size, entry.sha256] for key, entry in sorted(self.files.items())},
        }
        return _seal(body)

    def write(self, storage: Storage) -> None:
        """Write the manifest's file."""
        storage.write(MANIFEST, self.encode())


class DamagedManifest(Exception):
    """Raised for a manifest that is not as it was written."""


def read_manifest(storage: Storage) -> Manifest | None:
    """Return the manifest of a store; None if there is none.

    Raises:
        DamagedManifest: it is not as it was written.
    """
    try:
        content = storage.read(MANIFEST)
    except FileNotFoundError:
        return None
    try:
        body = json.loads(content)
        del body["sha256"]
        sound = _seal(body) == content
        manifest = Manifest(dict(body["recipe"]), {key: Entry(*entry) for key, entry in body["files"].items()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedManifest(f"{type(error).__name__} in {MANIFEST}") from error
    if not sound:
        raise DamagedManifest(f"checksum of {MANIFEST}")
    return manifest


def require_manifest(storage: Storage) -> Manifest:
    """Return the manifest of a store that has one.

    Raises:
        DamagedManifest: there is none, or it is not as it was written.
    """
    manifest = read_manifest(storage)
    if manifest is None:
        raise DamagedManifest(f"{MANIFEST} is missing")
    return manifest


def _seal(body: Mapping[str, Any]) -> bytes:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    return (json.dumps({**body, "sha256": digest}, indent=0, ensure_ascii=False) + "\n").encode()
