"""The SDK's one core: what is asked of the service and when it is asked again, without any I/O of its own.

Each step of the main job is a generator in `operations` that yields what it wants done (an Ask, a Pause, a Fetch, a
Local) and is sent the answer. `Client` and `AsyncClient` only do what is yielded, each in its own way.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import httpx2

from simulacra.errors import ApiError
from simulacra.sending import OnBytes, Piece
from simulacra.transfers import Partial

RETRIED = frozenset({429, 500, 502, 503, 504})
"""Statuses that the contract says to try again, with the same Idempotency-Key."""
NOT_DONE = frozenset({429, 503})
"""Of these, the ones that say that nothing was done: safe to repeat for every request."""
IN_FLIGHT = "simio_idempotency_in_flight"
"""Code of the 409 that says that a request with this key is still at work."""
AWAY = frozenset({502, 503, 504})
"""Statuses of a service, or of what stands before it, that is not there now."""
AWAY_SECONDS = 120.0
"""How long a service that does not answer is waited for: a rolling upgrade, or the drain of a node, takes a minute."""
OnAway = Callable[[str, float], None]
"""Told each time that nobody answers: what came instead, and for how many more seconds that is waited for."""
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


@dataclass(frozen=True)
class Local:
    """Do something on this machine that takes its time: read, hash or write files. Sent what it returns."""

    do: Callable[[], Any]


Step = Ask | Pause | Fetch | Local
T = TypeVar("T")
Steps = Generator[Step, Any, T]


def describe(method: Callable[..., Any], operation: Callable[..., Steps[Any]]) -> None:
    """Give a client's method the signature of its operation, for `help` and notebooks: with self, without Steps."""
    asked = inspect.signature(operation)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    returns = str(asked.return_annotation).removeprefix("Steps[").removesuffix("]")
    shown = asked.replace(parameters=[own, *asked.parameters.values()], return_annotation=returns)
    method.__signature__ = shown  # type: ignore[attr-defined]


def ask(request: Ask, *, away: float = 0.0, on_away: OnAway | None = None) -> Steps[httpx2.Response]:
    """Ask until there is an answer that is none of `RETRIED`, and none that says that the same is still at work.

    Args:
        request: what is asked.
        away: for how many seconds to go on asking, where that is safe, while nobody answers (or one of `AWAY`).
        on_away: told of it.

    Raises:
        ApiError: the service refused.
        httpx2.TransportError: it did not answer, also when asked again where that is safe.
    """
    attempts, waits, patience = 0, 0, Patience(away if request.repeatable else 0.0)
    while True:
        attempts += 1
        came = yield from tried(request)
        left = patience.left(came)
        last = attempts >= MAX_ATTEMPTS and not left
        if isinstance(came, httpx2.Response) and waits < MAX_WAITS and _is_at_work(came):
            attempts, waits = attempts - 1, waits + 1
        elif last or not _try_again(request, came):
            return answered(came)
        if on_away and is_away(came):
            on_away(in_words(came), left)
        pause = pause_before(came if isinstance(came, httpx2.Response) else None, max(attempts - 1, 0))
        yield Pause(min(pause, left) if attempts >= MAX_ATTEMPTS and left else pause)


Tried = httpx2.Response | httpx2.TransportError | ApiError
"""What came of a request: an answer; none; or that the issuer of tokens refused one, so that it was not sent."""


def tried(request: Ask) -> Steps[Tried]:
    """Ask once, and return what came of it."""
    try:
        response: httpx2.Response = yield request
    except (httpx2.TransportError, ApiError) as error:
        return error
    return response


def answered(came: Tried) -> httpx2.Response:
    """Return an answer that is no error; raise what came instead."""
    if isinstance(came, httpx2.Response):
        return checked(came)
    raise came


def is_away(came: Tried) -> bool:
    """Return whether nobody was there to answer. A request that cannot be sent at all is something else."""
    if isinstance(came, httpx2.TransportError):
        return not isinstance(came, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError)
    return _status(came) in AWAY


def in_words(came: Tried) -> str:
    """Return what came in the place of an answer, in a few words."""
    if isinstance(came, httpx2.TransportError):
        return f"{type(came).__name__}: {came}" if str(came) else type(came).__name__
    return f"{came.status} {came.code}" if isinstance(came, ApiError) else f"{came.status_code} {came.reason_phrase}"


class Patience:
    """For how long it is asked again while nobody answers, counted from the first time that nobody did."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def left(self, came: Tried) -> float:
        """Return how many seconds of it are left."""
        if not is_away(came):
            self._since = None
            return 0.0
        now = monotonic()
        self._since = now if self._since is None else self._since
        return max(self._since + self._seconds - now, 0.0)


def _status(came: httpx2.Response | ApiError) -> int:
    return came.status if isinstance(came, ApiError) else came.status_code


def _is_at_work(response: httpx2.Response) -> bool:
    """Whether our own attempt before, whose connection broke, still counts as being at work."""
    return response.status_code == 409 and ApiError.from_response(response).code == IN_FLIGHT


def _try_again(request: Ask, came: Tried) -> bool:
    if isinstance(came, ApiError):  # no token, so nothing was sent
        return came.status in RETRIED
    if isinstance(came, httpx2.TransportError):
        # A connection that was never made carried nothing: every request may be sent again.
        return is_away(came) and (request.repeatable or isinstance(came, httpx2.ConnectError | httpx2.ConnectTimeout))
    if came.status_code == 409:
        return "Idempotency-Key" in request.headers and "Retry-After" in came.headers
    return came.status_code in (RETRIED if request.repeatable else NOT_DONE)


def checked(response: httpx2.Response) -> httpx2.Response:
    """Return a response that is no error; raise ApiError else."""
    if response.is_error:
        raise ApiError.from_response(response)
    return response


def may_pass(error: ApiError) -> bool:
    """Return whether the same request, under the same key, may be answered otherwise later."""
    return error.status in RETRIED | {408} or error.code == IN_FLIGHT


def pause_before(response: httpx2.Response | None, attempt: int) -> float:
    """Return how long to wait: Retry-After (seconds or a date, RFC 9110), else exponential back-off with jitter."""
    said = response.headers.get("Retry-After", "") if response is not None else ""
    if said.isdigit():
        return min(float(said), LONGEST_PAUSE)
    try:
        left = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
        return min(max(left, 0.0), LONGEST_PAUSE)
    except (TypeError, ValueError):
        return float(0.25 * 2 ** min(attempt, _DOUBLINGS) * random.uniform(0.5, 1.5))
