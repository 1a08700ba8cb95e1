"""The SDK's one core: what is asked of the service and when it is asked again, without any I/O of its own.

Each step of the main job is a generator in `operations` that yields what it wants done (an Ask, a Pause, a Fetch) and
is sent the answer. `Client` and `AsyncClient` only do what is yielded, each in its own way.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from simulacra.errors import ApiError
from simulacra.sending import OnBytes, Piece
from simulacra.transfers import Partial

RETRIED = frozenset({429, 500, 502, 503, 504})
"""Statuses that the contract says to try again, with the same Idempotency-Key."""
NOT_DONE = frozenset({429, 503})
"""Of these, the ones that say that nothing was done: safe to repeat for every request."""
IN_FLIGHT = "simio_idempotency_in_flight"
"""Code of the 409 that says that a request with this key is still at work."""
MAX_ATTEMPTS = 5
MAX_WAITS = 45
"""How often a request waits for its own attempt before, 2 s each as Retry-After says: a service that crashed counts as
being at work for a minute."""
LONGEST_PAUSE = 30.0
_DOUBLINGS = 5
"""After so many attempts the pauses grow no more: 4 to 12 seconds."""


@dataclass(frozen=True)
class Ask:
    """One request.

    Attributes:
        method, path, params, json, headers: as HTTP has them.
        form: fields of a form, before its file.
        file: the form's file.
        piece: the body, instead of all that.
        repeatable: it has the same effect twice, because of its method, its key, or what it asks.
        on_bytes: told how much of the file has gone.
    """

    method: str
    path: str
    params: dict[str, str] | None = None
    json: Any = None
    form: dict[str, str] | None = None
    file: Path | None = None
    piece: Piece | None = None
    headers: dict[str, str] = field(default_factory=dict)
    repeatable: bool = True
    on_bytes: OnBytes | None = None


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Fetch:
    """Stream the answer of a GET to a file; only a link to the API itself is followed with the token."""

    url: str
    params: dict[str, str]
    headers: dict[str, str]
    into: Partial


T = TypeVar("T")
Steps = Generator[Ask | Pause | Fetch, Any, T]


def describe(method: Callable[..., Any], operation: Callable[..., Steps[Any]]) -> None:
    """Give a client's method the signature of its operation, for `help` and notebooks: with self, without Steps."""
    asked = inspect.signature(operation)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    returns = str(asked.return_annotation).removeprefix("Steps[").removesuffix("]")
    shown = asked.replace(parameters=[own, *asked.parameters.values()], return_annotation=returns)
    method.__signature__ = shown  # type: ignore[attr-defined]


def ask(request: Ask) -> Steps[httpx.Response]:
    """Ask until there is an answer that is none of `RETRIED`, and none that says that the same is still at work.

    Raises:
        ApiError: the service refused.
        httpx.TransportError: it did not answer, also when asked again where that is safe.
    """
    attempts, waits = 0, 0
    while True:
        response: httpx.Response | None = None
        attempts += 1
        try:
            response = yield request
        except httpx.TransportError as error:
            # A connection that was never made carried nothing: every request may be sent again.
            safe = request.repeatable or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            if attempts == MAX_ATTEMPTS or not safe:
                raise
        if response is not None and waits < MAX_WAITS and _is_at_work(response):
            attempts, waits = attempts - 1, waits + 1
        elif response is not None and (attempts == MAX_ATTEMPTS or not _try_again(request, response)):
            return checked(response)
        yield Pause(pause_before(response, max(attempts - 1, 0)))


def _is_at_work(response: httpx.Response) -> bool:
    """Whether our own attempt before, whose connection broke, still counts as being at work."""
    return response.status_code == 409 and ApiError.from_response(response).code == IN_FLIGHT


def _try_again(request: Ask, response: httpx.Response) -> bool:
    if response.status_code == 409:
        return "Idempotency-Key" in request.headers and "Retry-After" in response.headers
    return response.status_code in (RETRIED if request.repeatable else NOT_DONE)


def checked(response: httpx.Response) -> httpx.Response:
    """Return a response that is no error; raise ApiError else."""
    if response.is_error:
        raise ApiError.from_response(response)
    return response


def may_pass(error: ApiError) -> bool:
    """Return whether the same request, under the same key, may be answered otherwise later."""
    return error.status in RETRIED | {408} or error.code == IN_FLIGHT


def pause_before(response: httpx.Response | None, attempt: int) -> float:
    """Return how long to wait: Retry-After (seconds or a date, RFC 9110), else exponential back-off with jitter."""
    said = response.headers.get("Retry-After", "") if response is not None else ""
    if said.isdigit():
        return min(float(said), LONGEST_PAUSE)
    try:
        left = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
        return min(max(left, 0.0), LONGEST_PAUSE)
    except (TypeError, ValueError):
        return float(0.25 * 2 ** min(attempt, _DOUBLINGS) * random.uniform(0.5, 1.5))
