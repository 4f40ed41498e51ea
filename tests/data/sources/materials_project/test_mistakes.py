"""Wrong filters, keys and addresses: one line each."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from phaselearn.data.sources.materials_project.filters import Filters
from phaselearn.data.sources.materials_project.source import MaterialsProject
from phaselearn.errors import UserError
from tests.data.sources.materials_project.server import (
    KEY,
)
from tests.data.sources.materials_project.snapshots import Make, ids


def test_a_snapshot_of_other_filters_is_not_taken_for_what_is_asked(make: Make) -> None:
    folder = str(make(elements=["Cl"]).snapshot().folder)
    with pytest.raises(UserError, match=r"fetched with elements=\[Cl\], asked is elements=\[O\]"):
        make(elements=["O"], snapshot=folder)


def test_a_wrong_key(make: Make, tmp_path: Path) -> None:
    wrong = KEY[::-1]
    with pytest.raises(UserError, match=r"refuses the API key.*MP_API_KEY") as refused:
        make(elements=["Cl"], api_key=wrong).fingerprint()
    # The server's own words repeat it.
    assert wrong not in str(refused.value)


@pytest.mark.parametrize("key", ["short", "0123456789abcdef\n0123456789abcde", "Schlüssel-0123456789abcdef012345"])
def test_a_key_that_is_none(make: Make, key: str) -> None:
    with pytest.raises(UserError) as refused:
        make(elements=["Cl"], api_key=key).fingerprint()
    assert key not in str(refused.value)
    assert refused.value.__cause__ is None


def test_no_key(make: Make) -> None:
    with pytest.raises(UserError, match=r"no API key.*export MP_API_KEY"):
        make(elements=["Cl"], api_key=None).fingerprint()


def test_the_key_of_the_environment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_KEY", KEY)
    assert ids(make(elements=["Cl"], api_key=None)) == {"mp-22862", "mp-23193"}


def test_the_key_is_in_no_file(make: Make, tmp_path: Path) -> None:
    make(elements=["Cl"]).fingerprint()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    # The lock of the fetch goes with it.
    assert {path.name for path in files} == {"fetched.json", "manifest.json", "structures.jsonl.gz"}
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_no_network(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UserError, match=f"no connection to {endpoint}.*network"):
            MaterialsProject(
                Filters(elements=["Cl"]), snapshot_folder=str(tmp_path), endpoint=endpoint, api_key=KEY
            ).fingerprint()


@pytest.mark.parametrize("endpoint", ["materialsproject", "ftp://127.0.0.1"])
def test_an_address_that_is_none(tmp_path: Path, endpoint: str) -> None:
    with pytest.raises(UserError, match=endpoint):
        MaterialsProject(
            Filters(elements=["Cl"]), snapshot_folder=str(tmp_path), endpoint=endpoint, api_key=KEY
        ).fingerprint()


def test_nothing_fulfils_the_filters(make: Make) -> None:
    with pytest.raises(UserError, match=r"no material .* elements=\[Xe\]"):
        make(elements=["Xe"]).fingerprint()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "the whole database"),
        ({"count": 5}, "the whole database"),
        ({"snapshot": "missing"}, "source.snapshot=missing is not there"),
        ({"elements": ["Si", "Qq"]}, "Qq is not an element"),
        ({"elements": [False]}, "a list of words"),
        ({"elements": []}, "is empty"),
        ({"chemsys": "Si-Oxygen"}, "Oxygen is not an element"),
        ({"nsites": [20, 1]}, "the least and the largest"),
        ({"nsites": [20]}, "the least and the largest"),
        ({"elements": ["Si"], "count": 0}, "source.count=0"),
        ({"elements": ["Si"], "cell": "large"}, "source.cell=large"),
    ],
)
def test_a_mistake_shows_at_once(make: Make, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        make(**options)


def test_an_identifier_that_is_none(make: Make) -> None:
    with pytest.raises(UserError, match="a/b is not an identifier"):
        make(ids=["a/b"]).fingerprint()


def test_the_order_of_words_makes_no_other_snapshot(make: Make) -> None:
    one = make(elements=["O", "Si"], chemsys=["Si-O", "O-Mg"], energy_above_hull=[0, 1])
    other = make(elements=["Si", "O"], chemsys=["Mg-O", "O-Si"], energy_above_hull=[0.0, 1.0])
    assert one.folder == other.folder
    assert make(elements=["O"]).folder != one.folder
