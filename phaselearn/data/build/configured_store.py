"""The store that a data configuration describes: its place, how it is built, and how it is opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phaselearn.data.build.store_build import build_store, is_there
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.store.location import store_path
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.same_definition import check_definition
from phaselearn.data.structures import Source
from phaselearn.errors import UserError


@dataclass(kw_only=True)
class ConfiguredStore:
    """A store of pairs, there or still to be built.

    Attributes:
        definition: definition of the pairs.
        source: where the crystals come from if the store must be built; None where it may not be.
        source_config: configuration of the source, for the store's name and provenance.
        place: a path, or `s3://BUCKET/FOLDER`; None for a folder that is named after the configuration.
        name: name of the data configuration, with which such a folder's name begins.
        folder: the folder in which such folders lie.
        longest_edge: crystals with a longer cell edge (Å) are left out.
        workers: number of processes that build it; None for one per core where it is worth it.
    """

    definition: PairDefinition
    source: Source | None
    source_config: Mapping[str, Any]
    place: str | None
    name: str
    folder: str
    longest_edge: float
    workers: int | None
    _path: Path | str | None = field(default=None, init=False, repr=False, compare=False)
    _opened: PairStore | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def existing(cls, place: str | Path) -> ConfiguredStore:
        """Return a store that is there, with its own definition and no source to build it from.

        Args:
            place: a path, or `s3://BUCKET/FOLDER`.

        Raises:
            UserError: there is no store, or it is half built, of another schema, or damaged.
        """
        store = PairStore(store_path(str(place)))
        configured = cls(
            definition=store.definition,
            source=None,
            source_config={},
            place=str(place),
            name="",
            folder="",
            longest_edge=store.attributes["longest_edge"],
            workers=None,
        )
        configured._opened = store
        return configured

    def path(self) -> Path | str:
        """Return the path of the store; the store may not have a name before its source has fetched its structures."""
        if self._path is None:
            if self.place:
                self._path = store_path(self.place)
            else:
                self._path = Path(self.folder) / f"{self.name}_{self._configuration_hash()}.zarr"
        return self._path

    def _configuration_hash(self) -> str:
        # With the source's fingerprint: the old store does not answer for a file that has changed since.
        config = {
            "definition": self.definition.as_dict(),
            "longest_edge": self.longest_edge,
            "source": self.source_config,
            "fingerprint": self.source.fingerprint() if self.source is not None else None,
        }
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:10]

    def is_there(self) -> bool:
        """Whether the store is there; it may be damaged."""
        return self._opened is not None or is_there(self.path())

    def fingerprint(self) -> str | None:
        """Return the fingerprint of the crystals: that of the store that is there, or of the source to build it from.

        Raises:
            UserError: the store is damaged, or the source cannot be reached.
        """
        if self.is_there():
            fingerprint: str = self.open().attributes["source"]["fingerprint"]
            return fingerprint
        return self.source.fingerprint() if self.source is not None else None

    def prepare(self) -> None:
        """Build it if there is none."""
        if not self.is_there():
            self.build()

    def build(self, overwrite: bool = False) -> PairStore:
        """Build it.

        Raises:
            UserError: there is no source, or nothing usable in it.
        """
        if self.source is None:
            raise UserError(f"no store at {self.path()} and no source to build it from: add e.g. source=prototypes")
        return build_store(
            self.source,
            self.definition,
            self.path(),
            self.longest_edge,
            self.source_config,
            overwrite,
            self.workers,
        )

    def open(self) -> PairStore:
        """Open it, once; its pairs are what the configuration defines.

        Raises:
            UserError: there is none, it is damaged, or it holds other pairs.
        """
        if self._opened is None:
            store = PairStore(self.path())
            check_definition(store, self.definition)
            self._opened = store
        return self._opened
