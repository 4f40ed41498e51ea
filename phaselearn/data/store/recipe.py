"""The recipe of a store: enough to tell two builds apart, and to build the same store again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from phaselearn.data.pairs import PairDefinition
from phaselearn.data.structures import Source

SCHEMA = "phaselearn.pairs"
SCHEMA_VERSION = 3
_VERSIONS_OF = ("phaselearn", "gemmi", "numpy", "pymatgen", "spglib", "torch", "zarr")


def make_recipe(
    source: Source, definition: PairDefinition, longest_edge: float, source_config: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the recipe of a store; its entries are the first attributes of the zarr group."""
    fingerprint = source.fingerprint()  # first, since a source that must fetch knows only then whom to cite
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "definition": definition.as_dict(),
        "longest_edge": longest_edge,
        "source": {
            "name": source.name,
            "licence": source.licence,
            "attribution": source.attribution,
            "fingerprint": fingerprint,
            "config": dict(source_config),
        },
        "config_hash": config_hash(definition.as_dict(), longest_edge, source_config),
        "versions": {name: version(name) for name in _VERSIONS_OF},
    }


def config_hash(definition: Mapping[str, Any], longest_edge: float, source_config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a configuration."""
    config = {"definition": definition, "longest_edge": longest_edge, "source": source_config}
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def is_sound(recipe: Mapping[str, Any]) -> bool:
    """Return whether a recipe, of any version of the schema, can be read and matches its own hash."""
    try:
        return recipe["config_hash"] == config_hash(
            recipe["definition"], recipe["longest_edge"], recipe["source"]["config"]
        ) and isinstance(recipe["source"]["fingerprint"], str)
    except (KeyError, TypeError):
        return False
