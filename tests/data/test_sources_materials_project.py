"""The source of the Materials Project: the real client against a local server that speaks its endpoints."""

from __future__ import annotations

import hashlib
import json
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Structure

from phaselearn.data.materials_project import client as client_module
from phaselearn.data.materials_project import fetch as fetch_module
from phaselearn.data.sources.file import File
from phaselearn.data.sources.materials_project import MaterialsProject
from phaselearn.data.structures import Crystal, LeftOut
from phaselearn.errors import UserError
from tests.data.materials_project_server import (
    KEY,
    VERSION,
    Fault,
    MaterialsProjectServer,
    library,
    rock_salts,
)

pytest.importorskip("mp_api.client", reason="the client is not here: pip install 'phaselearn[materials_project]'")

Make = Callable[..., MaterialsProject]
SUMMARY = "/materials/summary/"


@pytest.fixture(scope="module")
def available_fields() -> list[str]:
    """What the client works out anew for each field of each request, in a tenth of a second."""
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
        return MaterialsProject(**(standard | options))

    return make


def ids(source: MaterialsProject) -> set[str]:
    return {entry.id for entry in source if isinstance(entry, Crystal)}


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a snapshot that depend on the filters and the database alone."""
    assert sorted(path.name for path in folder.iterdir()) == ["fetched.json", "manifest.json", "structures.jsonl.gz"]
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "fetched.json"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"elements": ["Cl"]}, {"mp-22862", "mp-23193"}),
        ({"elements": ["O", "Si"]}, {"mp-7000", "mp-2895"}),
        ({"chemsys": "Si-O"}, {"mp-7000"}),
        ({"chemsys": ["Na-Cl", "O-Mg"]}, {"mp-22862", "mp-1265"}),
        ({"nsites": [3, 4]}, {"mp-7000", "mp-2895"}),
        ({"nsites": [None, 2], "elements": ["Mg"]}, {"mp-1265"}),
        ({"nsites": [4, None]}, {"mp-2895"}),
        ({"energy_above_hull": [0.01, 0.2]}, {"mp-23193", "mp-7000"}),
        ({"theoretical": True}, {"mp-1265"}),
        ({"theoretical": False, "elements": ["O"]}, {"mp-7000", "mp-2895"}),
        ({"ids": ["mp-1265", "mp-22862"]}, {"mp-1265", "mp-22862"}),
        ({"ids": ["mp-1265", "mp-22862"], "theoretical": False}, {"mp-22862"}),
        ({"elements": ["Si", "O"], "nsites": [1, 20], "energy_above_hull": [0, 0.05]}, {"mp-2895"}),
        # Not what is deprecated or under another licence; nor the mixed crystal and the empty entry.
        ({"nsites": [1, 99]}, {"mp-22862", "mp-23193", "mp-1265", "mp-7000", "mp-2895"}),
    ],
)
def test_the_filters_choose(make: Make, options: dict[str, Any], expected: set[str]) -> None:
    assert ids(make(**options)) == expected


def test_the_crystals_are_those_of_the_database(make: Make, server: MaterialsProjectServer) -> None:
    given = {entry["material_id"]: entry for entry in server.documents}
    crystals = [entry for entry in make(nsites=[1, 99]) if isinstance(entry, Crystal)]
    for crystal in crystals:
        structure = Structure.from_dict(given[crystal.id]["structure"])
        assert crystal.formula == given[crystal.id]["formula_pretty"]
        assert np.array_equal(crystal.lattice, structure.lattice.matrix)
        assert np.array_equal(crystal.numbers, structure.atomic_numbers)
        assert np.array_equal(crystal.positions, structure.frac_coords)
    assert {c.id: c.space_group for c in crystals}["mp-22862"] == 225


def test_what_cannot_be_used_is_left_out_and_none_is_lost(make: Make) -> None:
    asked = ["mp-100", "mp-200", "mp-300", "mp-22862", "mp-999999"]
    source = make(ids=asked)
    entries = list(source)
    assert sorted(entry.id for entry in entries) == sorted(asked)
    reasons = {entry.id: entry.reason for entry in entries if isinstance(entry, LeftOut)}
    assert reasons.keys() == set(asked) - {"mp-22862"}
    assert "not returned" in reasons["mp-999999"]
    assert "not returned" in reasons["mp-300"]
    assert "no structure" in reasons["mp-200"]
    assert len(source) == len(asked)


def test_a_snapshot_needs_neither_network_nor_key_nor_client(
    make: Make, server: MaterialsProjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = make(nsites=[1, 99])
    before = [entry.id for entry in first], first.fingerprint(), first.attribution
    asked = len(server.requests)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("mp_api", "requests", "filelock")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("mp_api", "requests", "filelock"):
        monkeypatch.setitem(sys.modules, name, None)
    # The same filters, in another order of words; and the folder alone.
    named = MaterialsProject(snapshot=str(first.folder))
    for again in (make(nsites=[1, 99], api_key=None, endpoint="http://127.0.0.1:1/"), named):
        assert ([entry.id for entry in again], again.fingerprint(), again.attribution) == before
    assert len(server.requests) == asked
    assert VERSION in before[2]


def test_a_snapshot_is_a_file_of_structures(make: Make) -> None:
    source = make(nsites=[1, 99])
    crystals = [entry for entry in source if isinstance(entry, Crystal)]
    read = [
        entry for entry in File(str(source.snapshot.structures), None, "CC BY 4.0", "x") if isinstance(entry, Crystal)
    ]
    assert [crystal.id for crystal in read] == [crystal.id for crystal in crystals]
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(read, crystals, strict=True))


def test_the_manifest_says_what_it_is(make: Make) -> None:
    source = make(elements=["O", "Si"], energy_above_hull=[0, 1])
    manifest = json.loads((source.snapshot.folder / "manifest.json").read_text())
    assert manifest["ids"] == ["mp-2895", "mp-7000"]
    assert manifest["database_version"] == VERSION
    assert manifest["licence"] == "CC BY 4.0"
    assert "Jain" in manifest["attribution"]
    assert manifest["filters"]["elements"] == ["O", "Si"]
    assert manifest["sha256"] == hashlib.sha256(source.snapshot.structures.read_bytes()).hexdigest()


def test_smaller_choices_lie_within_larger_ones_and_only_they_are_fetched(
    make: Make, server: MaterialsProjectServer
) -> None:
    everything = {"mp-22862", "mp-23193", "mp-1265", "mp-7000", "mp-2895", "mp-100", "mp-200"}
    expected = sorted(everything, key=lambda name: hashlib.sha256(name.encode()).digest())
    for count in (1, 3, 5):
        server.requests.clear()
        assert {entry.id for entry in make(nsites=[1, 99], count=count)} == set(expected[:count])
        fetched = [asked["material_ids"].split(",") for _, asked in server.requests if "material_ids" in asked]
        assert [sorted(batch) for batch in fetched] == [sorted(expected[:count])]


def test_a_larger_snapshot_answers_a_smaller_count(make: Make) -> None:
    folder = str(make(nsites=[1, 99], count=5).snapshot.folder)
    assert ids(make(snapshot=folder, count=3)) == ids(make(nsites=[1, 99], count=3))
    with pytest.raises(UserError, match="count=5"):
        make(snapshot=folder, count=6)
    with pytest.raises(UserError, match="count=5"):
        make(snapshot=folder, nsites=[1, 99])


@pytest.mark.parametrize(("cell", "atoms"), [("as_given", 2), ("primitive", 2), ("conventional", 8)])
def test_the_cell_is_chosen(make: Make, cell: str, atoms: int) -> None:
    [crystal] = make(ids=["mp-22862"], cell=cell)
    assert len(crystal.numbers) == atoms


def test_the_fingerprint_tells_what_would_be_yielded(make: Make) -> None:
    digests = [
        make(elements=["O"]).fingerprint(),
        make(elements=["Cl"]).fingerprint(),
        make(elements=["Cl"], cell="primitive").fingerprint(),
        make(ids=["mp-22862"]).fingerprint(),
        make(ids=["mp-22862", "mp-999999"]).fingerprint(),
    ]
    assert len(set(digests)) == len(digests)
    assert make(elements=["O"]).fingerprint() == digests[0]


@pytest.fixture
def large() -> Iterator[MaterialsProjectServer]:
    """Three pages of ids, nine batches of structures."""
    with MaterialsProjectServer(rock_salts(42)) as running:
        yield running


def fetched(server: MaterialsProjectServer, folder: Path, key: str = KEY) -> dict[str, bytes]:
    source = MaterialsProject(elements=["Na"], snapshot=str(folder), endpoint=server.endpoint, api_key=key)
    return contents(source.snapshot.folder)


class Once:
    """A fault at the n-th request of a path, so many times."""

    def __init__(self, path: str, number: int, fault: Fault, times: int = 1) -> None:
        self.path, self.number, self.fault, self.times = path, number, fault, times
        self.asked = 0

    def __call__(self, path: str) -> Fault:
        self.asked += path == self.path
        strikes = path == self.path and self.number <= self.asked < self.number + self.times
        return self.fault if strikes else None


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


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("number", [2, 5], ids=["listing", "structures"])
def test_what_passes_is_asked_again(large: MaterialsProjectServer, tmp_path: Path, fault: Fault, number: int) -> None:
    whole = fetched(large, tmp_path / "whole")
    asked = [path for path, _ in large.requests].count(SUMMARY)
    large.fault = Once(SUMMARY, number, fault, times=2)
    assert fetched(large, tmp_path / "troubled") == whole
    assert [path for path, _ in large.requests].count(SUMMARY) == 2 * asked + 2


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("name", ["internal error", "cut", "dropped", "no JSON"])
def test_the_first_contact_is_repeated_too(tmp_path: Path, name: str, number: int) -> None:
    with MaterialsProjectServer(library()) as server:
        server.fault = Once("/heartbeat", number, PASSING[name])
        source = MaterialsProject(elements=["Cl"], snapshot=str(tmp_path / "s"), endpoint=server.endpoint, api_key=KEY)
        assert ids(source) == {"mp-22862", "mp-23193"}


LASTING: dict[str, tuple[Fault, list[str]]] = {
    "slow down": (("status", (429, b"{}", {})), ["429", "fewer requests"]),
    "wait for an hour": (("status", (429, b"{}", {"Retry-After": "3600"})), ["429", "fewer requests"]),
    "internal error": (("status", (500, b"Internal Server Error", {})), ["500", "status.materialsproject.org"]),
    "cut": (("cut", 0.5), ["no connection", "network"]),
    "dropped": (("drop", None), ["no connection", "network"]),
    "no JSON": (("body", b"<html></html>"), ["no JSON"]),
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
        if moment == "under way" and len(asked) == 7:
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


def test_a_damaged_snapshot_is_named(make: Make) -> None:
    folder = make(elements=["Cl"]).snapshot.folder
    structures = folder / "structures.jsonl.gz"
    structures.write_bytes(structures.read_bytes()[:-5])
    with pytest.raises(UserError, match=f"is not what was fetched.*rm -r {folder}"):
        list(make(elements=["Cl"]))
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match=f"cannot be read.*rm -r {folder}"):
        make(elements=["Cl"])


def test_a_folder_of_something_else_is_no_snapshot(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no snapshot .* no manifest.json") as refused:
        make(snapshot=str(tmp_path))
    # Whoever mistook a folder is not told to remove it.
    assert "rm " not in str(refused.value)


def test_two_at_once_fetch_once(large: MaterialsProjectServer, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: fetched(large, tmp_path / "s"), range(2))
    assert one == other
    assert [path for path, _ in large.requests].count(SUMMARY) == 3 + 9


def test_a_snapshot_of_other_filters_is_not_taken_for_what_is_asked(make: Make) -> None:
    folder = str(make(elements=["Cl"]).snapshot.folder)
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
    assert len(files) > 3
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_no_network(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UserError, match=f"no connection to {endpoint}.*network"):
            MaterialsProject(
                elements=["Cl"], snapshot_folder=str(tmp_path), endpoint=endpoint, api_key=KEY
            ).fingerprint()


@pytest.mark.parametrize("endpoint", ["materialsproject", "ftp://127.0.0.1"])
def test_an_address_that_is_none(tmp_path: Path, endpoint: str) -> None:
    with pytest.raises(UserError, match=endpoint):
        MaterialsProject(elements=["Cl"], snapshot_folder=str(tmp_path), endpoint=endpoint, api_key=KEY).fingerprint()


def test_no_client(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mp_api"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mp_api", None)
    with pytest.raises(UserError, match=r"pip install 'phaselearn\[materials_project\]'"):
        make(elements=["Cl"]).fingerprint()


def test_nothing_fulfils_the_filters(make: Make) -> None:
    with pytest.raises(UserError, match=r"no material .* elements=\[Xe\]"):
        make(elements=["Xe"]).fingerprint()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "the whole database"),
        ({"count": 5}, "the whole database"),
        ({"snapshot": "missing"}, "source.snapshot=missing is not there"),
        ({"elements": ["Si", "Qq"]}, "Qq is no element"),
        ({"elements": [False]}, "a list of words"),
        ({"elements": []}, "is empty"),
        ({"chemsys": "Si-Oxygen"}, "Oxygen is no element"),
        ({"nsites": [20, 1]}, "the least and the most"),
        ({"nsites": [20]}, "the least and the most"),
        ({"elements": ["Si"], "count": 0}, "source.count=0"),
        ({"elements": ["Si"], "cell": "large"}, "source.cell=large"),
    ],
)
def test_a_mistake_shows_at_once(make: Make, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        make(**options)


def test_an_identifier_that_is_none(make: Make) -> None:
    with pytest.raises(UserError, match="a/b is no identifier"):
        make(ids=["a/b"]).fingerprint()


def test_the_order_of_words_makes_no_other_snapshot(make: Make) -> None:
    one = make(elements=["O", "Si"], chemsys=["Si-O", "O-Mg"], energy_above_hull=[0, 1])
    other = make(elements=["Si", "O"], chemsys=["Mg-O", "O-Si"], energy_above_hull=[0.0, 1.0])
    assert one.folder == other.folder
    assert make(elements=["O"]).folder != one.folder
