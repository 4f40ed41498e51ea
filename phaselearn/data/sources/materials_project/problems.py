"""Diagnosis of failed requests to the Materials Project: what to tell the user, and whether to try again."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

_GO_ON = "what was fetched is kept, and the same command continues"
_STATUS_PAGE = "https://status.materialsproject.org"


class CutShortError(Exception):
    """Raised for an answer with fewer documents than it says."""


class Problem(NamedTuple):
    """A failed request.

    Attributes:
        said: one line for the user.
        may_pass: whether the same request may succeed later.
        asked_wait: seconds that the service asks to wait.
    """

    said: str
    may_pass: bool
    asked_wait: float = 0.0


def problem_of(error: Exception, answer: Any, endpoint: str) -> Problem:
    """Return the diagnosis of an error.

    Args:
        error: the exception of the client, or of reading its result.
        answer: the `requests.Response`; None if nothing has answered.
        endpoint: address of the service.
    """
    from mp_api.client.core import MPRestError
    from requests import exceptions

    # The client raises an error of its own while it handles the error of the connection.
    cause = error if isinstance(error, exceptions.RequestException) else error.__context__
    name = type(cause or error).__name__
    passing = (
        exceptions.ConnectionError,
        exceptions.Timeout,
        exceptions.ChunkedEncodingError,
        exceptions.ContentDecodingError,
    )
    if isinstance(cause, passing):
        return Problem(f"no connection to {endpoint} ({name}): check the network and {_STATUS_PAGE}; {_GO_ON}", True)
    if answer is not None and answer.status_code != 200:
        return _refusal(answer)
    if isinstance(error, CutShortError | json.JSONDecodeError | exceptions.JSONDecodeError):
        return Problem(f"{endpoint} gives answers that break off or are not JSON ({name}); {_GO_ON}", True)
    if isinstance(error, MPRestError) or isinstance(cause, exceptions.RequestException):
        return Problem(f"the client of the Materials Project refuses: {_one_line(str(error))}", False)
    return Problem(
        f"{endpoint} answers in another form than this client reads ({name}: {_one_line(str(error))}): "
        f"`pip install -U mp-api`; {_GO_ON}",
        # Without an answer the client is still connecting, and takes any failure for another form.
        may_pass=answer is None,
    )


def _refusal(answer: Any) -> Problem:
    status, told = answer.status_code, _one_line(answer.text)
    if status in (401, 403):
        return Problem(
            f"the Materials Project refuses the API key ({status}: {told}): take yours from "
            "https://next-gen.materialsproject.org/api and `export MP_API_KEY=…`",
            False,
        )
    if status == 429:
        said = f"the Materials Project asks for fewer requests (429): wait some minutes; {_GO_ON}"
        return Problem(said, True, _retry_after(answer))
    if status >= 500:
        return Problem(
            f"the Materials Project fails ({status}: {told}): see {_STATUS_PAGE}; {_GO_ON}", True, _retry_after(answer)
        )
    return Problem(
        f"the Materials Project does not take the query ({status}: {told}): check the filters, and "
        f"`pip install -U mp-api`; {_GO_ON}",
        False,
    )


def _retry_after(answer: Any) -> float:
    """Return the seconds in the header Retry-After; 0 if there is none, or if it is a date."""
    try:
        return max(0.0, float(answer.headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:200] + "…"
