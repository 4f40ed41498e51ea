"""Faults that pass are tried again, faults that last are one line, and nothing that was fetched is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from phaselearn.data.sources.materials_project import client as client_module
from phaselearn.data.sources.materials_project.filters import Filters
from phaselearn.data.sources.materials_project.source import MaterialsProject
from phaselearn.errors import UserError
from tests.data.sources.materials_project.server import (
    KEY,
    VERSION,
    Fault,
    MaterialsProjectServer,
    library,
)
from tests.data.sources.materials_project.snapshots import SUMMARY, Make, Once, fetched, ids
from tests.thinned import thinned

PASSING: dict[str, Fault] = {
    "slow down": ("status", (429, b'{"message": "API rate limit exceeded"}', {"Retry-After": "0"})),
    "slow down, with a date": ("status", (429, b"{}", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})),
    "internal error": ("status", (500, b"Internal Server Error", {})),
    "gateway": ("status", (502, b"<html>Bad Gateway</html>", {})),
    "unavailable": ("status", (503, b'{"detail": "maintenance"}', {})),
    "cut": ("cut", 0.5),
    "cut at the head": ("cut", 0.0),
    "dropped": ("drop", None),
    "no JSON": ("body", b"<html>sign in to the Wi-Fi</html>"),
    "half of the JSON": ("body", b'{"data": [{"material_id": "mp-1"'),
    "fewer than it says": ("change", lambda answer: answer | {"data": answer["data"][:-1]}),
}


# The same code asks for lists and for structures.
BOTH = {"internal error", "cut", "no JSON"}
ONE_OF_A_KIND = {*BOTH, "slow down", "dropped", "fewer than it says"}


@pytest.mark.parametrize("fault", thinned(PASSING, ONE_OF_A_KIND.__contains__))
def test_what_passes_is_asked_again_for_structures(large: MaterialsProjectServer, tmp_path: Path, fault: str) -> None:
    check_that_it_passes(large, tmp_path, fault, 5)


@pytest.mark.parametrize("fault", thinned(PASSING, BOTH.__contains__))
def test_what_passes_is_asked_again_for_lists(large: MaterialsProjectServer, tmp_path: Path, fault: str) -> None:
    check_that_it_passes(large, tmp_path, fault, 2)


def check_that_it_passes(large: MaterialsProjectServer, tmp_path: Path, fault: str, number: int) -> None:
    """A fault that occurs twice, from the request of this number on, is overcome by asking twice more."""
    whole = fetched(large, tmp_path / "whole")
    asked = [path for path, _ in large.requests].count(SUMMARY)
    large.fault = Once(SUMMARY, number, PASSING[fault], times=2)
    assert fetched(large, tmp_path / "troubled") == whole
    assert [path for path, _ in large.requests].count(SUMMARY) == 2 * asked + 2


@pytest.mark.parametrize("number", thinned([1, 2, 3], {2}.__contains__))
@pytest.mark.parametrize("name", ["internal error", "cut", "dropped", "no JSON"])
def test_the_first_contact_is_repeated_too(tmp_path: Path, name: str, number: int) -> None:
    with MaterialsProjectServer(library()) as server:
        server.fault = Once("/heartbeat", number, PASSING[name])
        source = MaterialsProject(
            Filters(elements=["Cl"]), snapshot=str(tmp_path / "s"), endpoint=server.endpoint, api_key=KEY
        )
        assert ids(source) == {"mp-22862", "mp-23193"}


LASTING: dict[str, tuple[Fault, list[str]]] = {
    "slow down": (("status", (429, b"{}", {})), ["429", "fewer requests"]),
    "wait for an hour": (("status", (429, b"{}", {"Retry-After": "3600"})), ["429", "fewer requests"]),
    "internal error": (("status", (500, b"Internal Server Error", {})), ["500", "status.materialsproject.org"]),
    "cut": (("cut", 0.5), ["no connection", "network"]),
    "dropped": (("drop", None), ["no connection", "network"]),
    "no JSON": (("body", b"<html></html>"), ["not JSON"]),
    "query refused": (("status", (422, b'{"detail": "no such thing"}', {})), ["422", "no such thing", "mp-api"]),
    "no data": (("change", lambda answer: {"items": answer["data"]}), ["another form", "pip install -U mp-api"]),
    "no total": (("change", lambda answer: {"data": answer["data"]}), ["another form", "meta"]),
    "no ids": (("change", lambda answer: answer | {"data": [{"id": 1}] * len(answer["data"])}), ["another form"]),
    "no structures": (
        ("change", lambda answer: answer | {"data": [{"material_id": d["material_id"]} for d in answer["data"]]}),
        ["no document", "material_id", "pip install -U mp-api"],
    ),
    "other structures": (
        ("change", lambda answer: answer | {"data": [d | {"structure": {"cell": 1}} for d in answer["data"]]}),
        ["no document", "structure", "pip install -U mp-api"],
    ),
    "other materials": (
        ("change", lambda answer: answer | {"data": [d | {"material_id": "mp-77777"} for d in answer["data"]]}),
        ["another form", "mp-77777 was not asked for"],
    ),
}


@pytest.mark.parametrize(("fault", "told"), LASTING.values(), ids=LASTING)
def test_what_lasts_is_one_line_and_loses_nothing(
    large: MaterialsProjectServer, tmp_path: Path, fault: Fault, told: list[str]
) -> None:
    # The three pages of ids and two batches arrive, then nothing more.
    large.fault = Once(SUMMARY, 6, fault, times=1000)
    with pytest.raises(UserError) as refused:
        fetched(large, tmp_path / "s")
    for snippet in (*told, "what was fetched is kept"):
        assert snippet in str(refused.value)
    assert "\n" not in str(refused.value)
    assert KEY not in str(refused.value)
    assert not (tmp_path / "s").exists()
    large.fault = lambda path: None
    large.requests.clear()
    resumed = fetched(large, tmp_path / "s")
    queries = [asked for path, asked in large.requests if path == SUMMARY]
    again = [name for asked in queries for name in asked["material_ids"].split(",")]
    assert len(again) == len(set(again)) == 42 - 2 * 5
    assert resumed == fetched(large, tmp_path / "whole")


def test_the_same_request_is_not_repeated_for_ever(large: MaterialsProjectServer, tmp_path: Path) -> None:
    large.fault = Once(SUMMARY, 1, ("status", (429, b"{}", {})), times=1000)
    with pytest.raises(UserError):
        fetched(large, tmp_path / "s")
    assert len([path for path, _ in large.requests if path == SUMMARY]) == 1 + len(client_module.WAITS)


def test_a_wait_that_is_asked_for_is_kept(
    large: MaterialsProjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(client_module.time, "sleep", waited.append)
    large.fault = Once(SUMMARY, 1, ("status", (429, b"{}", {"Retry-After": "17"})))
    fetched(large, tmp_path / "s")
    assert 17 in waited


@pytest.mark.parametrize("moment", ["between two commands", "under way"])
def test_another_version_of_the_database_is_refused(large: MaterialsProjectServer, tmp_path: Path, moment: str) -> None:
    def fault(path: str) -> Fault:
        asked = [path for path, _ in large.requests if path == SUMMARY]
        if moment == "under way" and len(asked) >= 7:
            large.version = "2026.11.01"
        stopped = moment == "between two commands" and len(asked) > 6
        return ("status", (401, b"{}", {})) if stopped and path == SUMMARY else None

    large.fault = fault
    if moment == "between two commands":
        with pytest.raises(UserError, match="401"):
            fetched(large, tmp_path / "s")
        large.fault, large.version = lambda path: None, "2026.11.01"
    with pytest.raises(UserError) as refused:
        fetched(large, tmp_path / "s")
    for snippet in (VERSION, "2026.11.01", f"rm -r {tmp_path / 's'}.partial"):
        assert snippet in str(refused.value)
    assert not (tmp_path / "s").exists()
    assert len(list((tmp_path / "s.partial" / "batches").iterdir())) >= 3


def test_the_beginning_of_another_query_is_not_gone_on_with(make: Make, server: MaterialsProjectServer) -> None:
    server.fault = Once(SUMMARY, 2, ("status", (401, b"{}", {})))
    first = make(elements=["Cl"])
    with pytest.raises(UserError):
        first.fingerprint()
    with pytest.raises(UserError, match=r"beginning of another query, elements=\[Cl\]"):
        make(elements=["O"], snapshot=str(first.folder)).fingerprint()
    assert ids(make(elements=["Cl"])) == {"mp-22862", "mp-23193"}


def test_what_a_crash_of_the_machine_left_empty_is_fetched_again(large: MaterialsProjectServer, tmp_path: Path) -> None:
    large.fault = Once(SUMMARY, 7, ("status", (401, b"{}", {})), times=1000)
    with pytest.raises(UserError):
        fetched(large, tmp_path / "s")
    partial = tmp_path / "s.partial"
    for folder in ("batches", "listing"):
        sorted((partial / folder).glob("*.json"))[1].write_bytes(b"")
    large.fault = lambda path: None
    assert fetched(large, tmp_path / "s") == fetched(large, tmp_path / "whole")
    assert not partial.exists()


def test_two_at_once_fetch_once(large: MaterialsProjectServer, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: fetched(large, tmp_path / "s"), range(2))
    assert one == other
    assert [path for path, _ in large.requests].count(SUMMARY) == 3 + 9
