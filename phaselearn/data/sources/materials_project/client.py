"""Requests to the Materials Project by its official client: one at a time, repeated if that may help."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urljoin

from phaselearn.data.sources.materials_project.filters import Filters
from phaselearn.data.sources.materials_project.problems import CutShortError, problem_of
from phaselearn.errors import UserError

T = TypeVar("T")

IDS_A_PAGE = 1000  # largest number of ids that the service gives in one answer
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # seconds before each repetition of a request that failed
LONGEST_WAIT = 300.0  # seconds; if the service asks for a longer pause, the user decides
PAUSE = 0.1  # seconds between requests, well below the 25 a second that the service allows
_ANSWERS_WITHIN = 20  # seconds
_FIELDS = ["material_id", "formula_pretty", "structure", "symmetry"]


class Client:
    """The requests that a snapshot needs.

    Args:
        api_key: API key of the user's account.
        endpoint: address of the service; None for the client's default.
    """

    def __init__(self, api_key: str, endpoint: str | None) -> None:
        from mp_api.client.core.utils import validate_endpoint

        self.endpoint = validate_endpoint(endpoint)
        self._key = api_key.strip()
        self._rester: Any = None
        self._answer: Any = None
        self._reached = False

    def database_version(self) -> str:
        """Return the present version of the database.

        Raises:
            UserError: the service cannot be reached, refuses, keeps failing, or answers in another form.
        """
        return self._ask(self._heartbeat)

    def list_page(self, wanted: Filters, page: int) -> tuple[list[str], int]:
        """Return the ids on a page (from 1) of the sorted materials that fulfil the filters, and their total number.

        Raises:
            UserError: the service cannot be reached, refuses, keeps failing, or answers in another form.
        """

        def ask() -> tuple[list[str], int]:
            found = self._search(
                wanted, fields=["material_id"], chunk_size=IDS_A_PAGE, _page=page, _sort_fields="material_id"
            )
            total = self._total()
            if len(found) != max(0, min(IDS_A_PAGE, total - (page - 1) * IDS_A_PAGE)):
                raise CutShortError
            return [self.canonical(document["material_id"]) for document in found], total

        return self._ask(ask)

    def documents(self, wanted: Filters, ids: list[str]) -> dict[str, dict[str, Any]]:
        """Return {id: document} of at most 100 materials, without those that the service does not give.

        Raises:
            UserError: the service cannot be reached, refuses, keeps failing, or answers in another form.
        """

        def ask() -> dict[str, dict[str, Any]]:
            found = self._search(wanted, material_ids=ids, fields=_FIELDS, chunk_size=len(ids))
            if len(found) != self._total():
                raise CutShortError
            documents = {self.canonical(document["material_id"]): document for document in found}
            if not documents.keys() <= set(ids):
                raise KeyError(f"{min(documents.keys() - set(ids))} was not asked for")
            return documents

        return self._ask(ask)

    def canonical(self, identifier: str) -> str:
        """Return an identifier in the form that the service uses; a material may have an old and a new one.

        Raises:
            UserError: the text is not an identifier.
        """
        from mp_api.client.core.utils import validate_ids

        try:
            return validate_ids([identifier])[0]
        except ValueError as error:
            raise UserError(
                f"{identifier} is not an identifier of the Materials Project: give e.g. "
                "source.filters.ids=[mp-149,mp-22862]"
            ) from error

    def _heartbeat(self) -> str:
        import requests

        # Not by the client, which caches the answer and has no time limit.
        address = urljoin(self.endpoint, "heartbeat")
        self._answer = requests.get(address, timeout=_ANSWERS_WITHIN)
        self._answer.raise_for_status()
        return str(self._answer.json()["db_version"])

    def _search(self, wanted: Filters, **how: Any) -> list[dict[str, Any]]:
        if self._rester is None:
            self._rester = self._connected()
        return self._rester.materials.summary.search(
            elements=None if wanted.elements is None else list(wanted.elements),
            chemsys=None if wanted.chemsys is None else list(wanted.chemsys),
            num_sites=wanted.nsites,
            energy_above_hull=wanted.energy_above_hull,
            theoretical=wanted.theoretical,
            # Always given: for a query without any condition the client downloads the whole database from elsewhere.
            deprecated=False,
            # GNoME's materials are under another licence, CC BY-NC.
            include_gnome=False,
            num_chunks=1,
            **how,
        )

    def _connected(self) -> Any:
        from mp_api.client import MPRester
        from requests.adapters import HTTPAdapter

        rester = MPRester(self._key, self.endpoint, use_document_model=False, mute_progress_bars=True)
        # `_ask` alone repeats requests: the client's own repetition does not help if an answer breaks off.
        for scheme in ("http://", "https://"):
            rester.session.mount(scheme, HTTPAdapter(max_retries=0))
        rester.session.hooks["response"].append(self._remember)
        return rester

    def _remember(self, answer: Any, *_: Any, **__: Any) -> None:
        self._answer = answer

    def _total(self) -> int:
        return int(self._answer.json()["meta"]["total_doc"])

    def _ask(self, call: Callable[[], T]) -> T:
        """Return the result of a call, which is repeated if that may help."""
        repetitions = 0
        while True:
            self._answer = None
            time.sleep(PAUSE)
            try:
                result = call()
            except UserError:
                raise
            except Exception as error:
                problem = problem_of(error, self._answer, self.endpoint)
                # If nothing has answered yet, there may be no network at all, and the user should know soon.
                waits = WAITS if self._reached or self._answer is not None else WAITS[:2]
                if not problem.may_pass or repetitions == len(waits) or problem.asked_wait > LONGEST_WAIT:
                    # Not `from error`: what `requests` says of a header that it cannot send holds the key.
                    raise UserError(problem.said.replace(self._key, "…")) from None
                time.sleep(max(waits[repetitions], problem.asked_wait))
                repetitions += 1
            else:
                self._reached = True
                return result
