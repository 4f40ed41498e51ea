"""A local server that speaks the Materials Project's endpoints, and sources of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from phaselearn.data.sources.materials_project import client as client_module
from phaselearn.data.sources.materials_project import fetch as fetch_module
from phaselearn.data.sources.materials_project.filters import Filters
from phaselearn.data.sources.materials_project.source import MaterialsProject
from tests.data.sources.materials_project.server import (
    KEY,
    MaterialsProjectServer,
    library,
    rock_salts,
)
from tests.data.sources.materials_project.snapshots import Make


@pytest.fixture(scope="module")
def available_fields() -> list[str]:
    """Values that the client computes again for each field of each request, in a tenth of a second."""
    from emmet.core.summary import SummaryDoc

    return list(SummaryDoc.model_json_schema()["properties"])


@pytest.fixture(autouse=True)
def _small_pieces_without_waiting(monkeypatch: pytest.MonkeyPatch, available_fields: list[str]) -> None:
    from mp_api.client.routes.materials.summary import SummaryRester

    monkeypatch.setattr(SummaryRester, "available_fields", available_fields)
    monkeypatch.setattr(client_module, "WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(client_module, "PAUSE", 0.0)
    for module in (client_module, fetch_module):
        monkeypatch.setattr(module, "IDS_A_PAGE", 20)
    monkeypatch.setattr(fetch_module, "IDS_A_BATCH", 5)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("MP_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[MaterialsProjectServer]:
    with MaterialsProjectServer(library()) as running:
        yield running


@pytest.fixture
def make(server: MaterialsProjectServer, tmp_path: Path) -> Make:
    """Make a source of the local server, with its snapshots in a folder of their own."""

    def make(**options: Any) -> MaterialsProject:
        standard = {"snapshot_folder": str(tmp_path), "endpoint": server.endpoint, "api_key": KEY}
        conditions = {field.name for field in fields(Filters)} - {"count"}
        filters = Filters(**{name: options.pop(name) for name in conditions & options.keys()})
        return MaterialsProject(filters, **(standard | options))

    return make


@pytest.fixture
def large() -> Iterator[MaterialsProjectServer]:
    """Three pages of ids, nine batches of structures."""
    with MaterialsProjectServer(rock_salts(42)) as running:
        yield running
