"""Around every request: its id, security headers, metrics, one access log line, and a last net for
exceptions.

Written as plain ASGI, so that bodies stream through untouched. Query strings, bodies and raw paths
are never logged (a link's signature, a token or a column name might be in them): the line has the
route's template.
"""

from __future__ import annotations

import json
import logging
import re
import time
import traceback
import uuid
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulacra_api.http.problems import Problem, problem_response
from simulacra_api.metrics import Metrics
from simulacra_api.settings import MAX_JSON_BYTES

UPLOAD_PATH, PIECES_PATH = "/v1/datasets", "/v1/uploads/"
_ACCESS = logging.getLogger("simulacra_api.access")
_LOG = logging.getLogger("simulacra_api")
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
Headers = list[tuple[bytes, bytes]]
"""As ASGI has them: names in lower case."""
_SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"cache-control", b"no-store"),
]


class RequestMiddleware:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp, base_url: str, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._base_url = base_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        started, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(
                    message["headers"], request_id, state.get("headers", {})
                )
            await send(message)

        try:
            with self._metrics.in_progress.track_inprogress():
                await self._app(scope, _limited(scope, receive), send_with_headers)
        except ClientDisconnect:  # nobody is there to be answered
            state["code"] = "client_disconnected"
        except Exception as error:
            _log_exception(error, request_id)
            if not status:  # else: return without an end, so that the server cuts the connection
                answer = problem_response(Problem("simio_internal"), self._base_url, request_id)
                await answer(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.answered(
                scope["method"], getattr(scope.get("route"), "path", "-"), status, seconds
            )
            _log_access(scope, status, seconds)


def _limited(scope: Scope, receive: Receive) -> Receive:
    """Bound the body of every route but the uploads, which have their own limit: FastAPI reads bodies into memory."""
    method, path = scope["method"], scope["path"]
    if (method == "POST" and path == UPLOAD_PATH) or (
        method == "PATCH" and path.startswith(PIECES_PATH)
    ):
        return receive
    taken = 0

    async def receive_limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_JSON_BYTES:
            raise HTTPException(413)
        return message

    return receive_limited


def _completed(headers: Headers, request_id: str, of_state: Mapping[str, str]) -> Headers:
    """Return the answer's headers with its id and, where it has none of the name, those of the request's state."""
    given = {name for name, _ in headers}
    own = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in of_state.items()
    ]
    missing = [header for header in (*own, *_SECURITY_HEADERS) if header[0] not in given]
    return [*headers, (b"x-request-id", request_id.encode("latin-1")), *missing]


def _request_id(scope: Scope) -> str:
    sent = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex


def _log_exception(error: BaseException, request_id: str) -> None:
    """Log the type and the places, not the message: it may quote what a customer sent."""
    places = [
        f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    _LOG.error(
        "unexpected %s request_id=%s at %s", type(error).__name__, request_id, " ".join(places[-8:])
    )


def _log_access(scope: Scope, status: int, seconds: float) -> None:
    route, state = scope.get("route"), scope["state"]
    line = {
        "method": scope["method"],
        "route": getattr(route, "path", "-"),
        "status": status,
        "ms": round(seconds * 1000, 1),
        "request_id": state["request_id"],
        "tenant": state.get("tenant"),
        "client": state.get("client"),
        "code": state.get("code"),
    }
    _ACCESS.info(json.dumps({key: value for key, value in line.items() if value is not None}))
