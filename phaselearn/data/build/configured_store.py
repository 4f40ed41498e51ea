"""The store that a data configuration describes: where it is, how it is built, and opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from phaselearn.data.build.store_build import build_store, is_there
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.store.location import store_path
from phaselearn.data.store.pair_store import PairStore, check_definition
from phaselearn.data.structures import Source
from phaselearn.errors import UserError


@dataclass(frozen=True)
class ConfiguredStore:
    """A store of pairs, there or still to be built.

    Attributes:
        definition: of its pairs.
        source: where the crystals come from if it must be built; None where it may not be.
        source_config: the source's configuration, for the name and the provenance.
        longest_edge: crystals with a longer cell edge (Å) are left out.
        given: path, or `s3://BUCKET/FOLDER`; None names it after the configuration under `folder`.
        folder: where stores that are not named lie.
        name: of the data configuration.
        build_workers: processes that build it; None for one a core where it is worth it.
    """

    definition: PairDefinition
    source: Source | None
    source_config: Mapping[str, Any]
    longest_edge: float
    given: str | None
    folder: Path
    name: str
    build_workers: int | None

    @cached_property
    def path(self) -> Path | str:
        """Where it is, or will be; a source may have to fetch its structures before it has a name."""
        return store_path(self.given) if self.given else self.folder / f"{self.name}_{self._configuration_hash()}.zarr"

    def _configuration_hash(self) -> str:
        # With the source's fingerprint: a file that has changed since is not answered by the old store.
        config = {
            "definition": self.definition.as_dict(),
            "longest_edge": self.longest_edge,
            "source": self.source_config,
            "fingerprint": self.source.fingerprint() if self.source is not None else None,
        }
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:10]

    def prepare(self) -> None:
        """Build it if there is none."""
        if not is_there(self.path):
            self.build()

    def build(self, overwrite: bool = False) -> PairStore:
        """Build it.

        Raises:
            UserError: no source, or nothing usable in it.
        """
        if self.source is None:
            raise UserError(f"no store at {self.path} and no source to build it from: add e.g. source=prototypes")
        return build_store(
            self.source,
            self.definition,
            self.path,
            self.longest_edge,
            self.source_config,
            overwrite,
            self.build_workers,
        )

    @cached_property
    def opened(self) -> PairStore:
        """The open store; its pairs are what the configuration defines."""
        store = PairStore(self.path)
        check_definition(store, self.definition)
        return store
