"""The steps of an operation, and when a request is repeated; no I/O.

Each operation in `operations` is a generator that yields what to do (a Request, a Pause, a Download
or a LocalWork) and receives the result. `Client` and `AsyncClient` only carry out these steps.
"""

import random
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import httpx2

from simulacra.download_io import Partial
from simulacra.errors import ApiError
from simulacra.upload_io import OnBytes, Piece

RETRIED = frozenset({429, 500, 502, 503, 504})
"""Statuses to repeat a request for, with the same Idempotency-Key."""
UNPROCESSED = frozenset({429, 503})
"""Of these, the ones that guarantee that nothing was done: any request may be repeated."""
IN_FLIGHT = "simio_idempotency_in_flight"
"""Code of the 409 for a key whose first request is still running."""
AWAY = frozenset({502, 503, 504})
"""Statuses of a service, or of a proxy in front of it, that is away."""
AWAY_SECONDS = 120.0
"""How long to wait for a service that is away: an upgrade or the drain of a node takes a minute."""
OnAway = Callable[[str, float], None]
"""Called at each failed try with its failure and for how many more seconds to try."""
MAX_ATTEMPTS = 5
MAX_WAITS = 45
"""How often to wait for the first request of a key, 2 s each as Retry-After says.

A request of a service that crashed counts as running for a minute."""
LONGEST_PAUSE = 30.0
_DOUBLINGS = 5
"""Pauses stop growing after this number of attempts, at 4 to 12 seconds."""


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    Attributes:
        method, path, params, json, headers: as in HTTP.
        form: fields of a form, before its file.
        file: the form's file.
        piece: the body, instead of JSON or a form.
        repeatable: sending it twice has the effect of sending it once.
        on_bytes: called with the bytes of the file that were sent.
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
    """Sleep."""

    seconds: float


@dataclass(frozen=True)
class Download:
    """Stream the response of a GET to a file; only a link to the API itself gets the token."""

    url: str
    params: dict[str, str]
    headers: dict[str, str]
    into: Partial


@dataclass(frozen=True)
class LocalWork:
    """Read, hash or write files on this machine; receives what the function returns."""

    do: Callable[[], Any]


Step = Request | Pause | Download | LocalWork
T = TypeVar("T")
Steps = Generator[Step, Any, T]
Outcome = httpx2.Response | httpx2.TransportError | ApiError
"""A response; a broken connection; or a refused token, so that the request was never sent."""


def send(
    request: Request, *, away: float = 0.0, on_away: OnAway | None = None
) -> Steps[httpx2.Response]:
    """Return the response to a request, repeated as long as that is safe and may help.

    A repeatable request is repeated for `away` seconds while the service is away.

    Raises:
        ApiError: the service refused.
        httpx2.TransportError: the service did not answer.
    """
    attempts = 0
    waits = 0
    patience = Patience()
    limits = {"away": away if request.repeatable else 0.0, "answer": 0.0}
    while True:
        outcome = yield from send_once(request)
        obstacle = "away" if is_away(outcome) else "answer"
        left = max(patience.left(obstacle, limits[obstacle]), 0.0)
        if waits < MAX_WAITS and _is_in_flight(outcome):
            waits += 1
        else:
            attempts += 1
            is_last = attempts >= MAX_ATTEMPTS and not left
            if is_last or not _may_repeat(request, outcome):
                return response_of(outcome)
        if on_away and is_away(outcome):
            on_away(in_words(outcome), left)
        pause = pause_after(outcome, max(attempts - 1, 0))
        yield Pause(min(pause, left) if attempts >= MAX_ATTEMPTS and left else pause)


def send_once(request: Request | Download) -> Steps[Outcome]:
    """Send a request once and return its outcome."""
    try:
        response: httpx2.Response = yield request
    except (httpx2.TransportError, ApiError) as error:
        return error
    return response


def poll(
    look: Callable[[float], Steps[T | None]], timeout: float, gaps: Iterator[float]
) -> Steps[T]:
    """Repeat a look until it returns a value, and return that.

    timeout, gaps: seconds of all looks, and after each. A look gets the seconds that are left;
    without a value, it must raise when none are left.
    """
    deadline = monotonic() + timeout
    while True:
        found = yield from look(deadline - monotonic())
        if found is not None:
            return found
        yield Pause(next(gaps))


class Patience:
    """The time left for one obstacle, counted from its first occurrence in a row."""

    def __init__(self) -> None:
        self._obstacle = ""
        self._since = 0.0

    def left(self, obstacle: str, limit: float) -> float:
        """Return the seconds until `limit`, negative after it; a new obstacle starts over."""
        now = monotonic()
        if obstacle != self._obstacle:
            self._obstacle = obstacle
            self._since = now
        return self._since + limit - now


def response_of(outcome: Outcome) -> httpx2.Response:
    """Return a successful response; raise any other outcome."""
    if not isinstance(outcome, httpx2.Response):
        raise outcome
    if outcome.is_error:
        raise ApiError.from_response(outcome)
    return outcome


def is_away(outcome: Outcome) -> bool:
    """Return whether the service was away. A request that cannot be sent at all is another case."""
    if isinstance(outcome, httpx2.TransportError):
        return not isinstance(outcome, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError)
    return status_of(outcome) in AWAY


def status_of(outcome: httpx2.Response | ApiError) -> int:
    """Return the HTTP status of an outcome."""
    return outcome.status if isinstance(outcome, ApiError) else outcome.status_code


def in_words(outcome: Outcome) -> str:
    """Return a failure in a few words, for a message."""
    if isinstance(outcome, httpx2.TransportError):
        return f"{type(outcome).__name__}: {outcome}" if str(outcome) else type(outcome).__name__
    if isinstance(outcome, ApiError):
        return f"{outcome.status} {outcome.code}"
    return f"{outcome.status_code} {outcome.reason_phrase}"


def may_pass(error: ApiError) -> bool:
    """Return whether the same request, with the same key, may succeed later."""
    return error.status in RETRIED | {408} or error.code == IN_FLIGHT


def pause_after(outcome: Outcome, attempt: int) -> float:
    """Return the seconds to wait after a try: Retry-After (RFC 9110), or else exponential back-off.

    The back-off has jitter, and no pause is longer than LONGEST_PAUSE.
    """
    header = ""
    if isinstance(outcome, httpx2.Response):
        header = outcome.headers.get("Retry-After", "")
    if header.isdigit():
        return min(float(header), LONGEST_PAUSE)
    try:
        left = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        return min(max(left, 0.0), LONGEST_PAUSE)
    except (TypeError, ValueError):
        return float(0.25 * 2 ** min(attempt, _DOUBLINGS) * random.uniform(0.5, 1.5))


def _is_in_flight(outcome: Outcome) -> bool:
    """Whether our own earlier request, whose connection broke, still counts as running."""
    if not isinstance(outcome, httpx2.Response) or outcome.status_code != 409:
        return False
    return ApiError.from_response(outcome).code == IN_FLIGHT


def _may_repeat(request: Request, outcome: Outcome) -> bool:
    if isinstance(outcome, ApiError):  # no token, so nothing was sent
        return outcome.status in RETRIED
    if isinstance(outcome, httpx2.ConnectError | httpx2.ConnectTimeout):  # nothing was sent
        return True
    if isinstance(outcome, httpx2.TransportError):
        return is_away(outcome) and request.repeatable
    if outcome.status_code == 409:
        return "Idempotency-Key" in request.headers and "Retry-After" in outcome.headers
    return outcome.status_code in (RETRIED if request.repeatable else UNPROCESSED)
