"""Request middleware: host allow-list, request id, security headers, metrics, access log, last
exception handler.

Plain ASGI, so that bodies stream through untouched. Query strings, bodies and raw paths are never
logged, because they may hold a link's signature, a token or a column name: the line has the route's
template.
"""

import asyncio
import logging
import re
import time
import traceback
import uuid
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulacra_api.http.problems import Problem, invalid_field, problem_response
from simulacra_api.log import REQUEST_ID
from simulacra_api.metrics import Metrics
from simulacra_api.settings import MAX_JSON_BYTES
from simulacra_schema.wave_summary import MAX_SUMMARY_BYTES

_PORT = re.compile(r":[0-9]*$")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
ANY_HOST_PATHS = frozenset({"/healthz", "/readyz"})
"""Paths of probes: kubelet and load balancers call a pod by its address."""


class HostList:
    """Names of hosts without port, `*.example.com` for all below, or `*` for all."""

    def __init__(self, names: Iterable[str]) -> None:
        lower = {name.strip().lower() for name in names if name.strip()}
        self._all = "*" in lower
        self._below = tuple(name[1:] for name in lower if name.startswith("*."))
        self._names = lower

    def allows(self, host: str) -> bool:
        """Return whether this Host header names this API; its port does not matter."""
        name = host_name(host)
        return self._all or name in self._names or name.endswith(self._below)


def host_name(host: str) -> str:
    """Return a Host header in lower case without its port and the dot at its end."""
    return _PORT.sub("", host).rstrip(".").lower()


def name_in_url(url: str) -> str:
    """Return the host name of a URL, an IPv6 address in brackets."""
    return host_name(urlsplit(url).netloc.rpartition("@")[2])


UPLOAD_PATH = "/v1/datasets"
PIECES_PATH = "/v1/uploads/"
MAX_PLAN_BYTES = MAX_JSON_BYTES + 2 * MAX_SUMMARY_BYTES
"""Of a body that begins an upload: a description, and a wave summary as a file is written."""
BODY_SECONDS = 30.0
"""From the head of a request to the end of its body."""
_ACCESS = logging.getLogger("simulacra_api.access")
_LOG = logging.getLogger("simulacra_api")
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
Headers = list[tuple[bytes, bytes]]
"""Headers in ASGI's form: names in lower case."""
_POLICY = b"default-src 'none'; frame-ancestors 'none'"
_SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", _POLICY),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"cache-control", b"no-store"),
]


class RequestMiddleware:
    """ASGI middleware around every request."""

    def __init__(self, app: ASGIApp, base_url: str, metrics: Metrics, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = HostList(hosts)
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
        REQUEST_ID.set(request_id)
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                extra = state.get("headers", {})
                message["headers"] = _completed(message["headers"], request_id, extra)
            await send(message)

        try:
            with self._metrics.in_progress.track_inprogress():
                await self._inner(scope)(scope, _limited(scope, receive), send_with_headers)
        except ClientDisconnect:  # nobody to answer
            state["code"] = "client_disconnected"
        except Exception as error:
            _log_exception(error, request_id)
            if not status:  # else the server cuts the connection, as the answer has no end
                answer = problem_response(Problem("simio_internal"), self._base_url, request_id)
                await answer(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "-")
            self._metrics.answered(scope["method"], route, status, seconds)
            _log_access(scope, route, status, seconds)

    def _inner(self, scope: Scope) -> ASGIApp:
        """Return the application, or a refusal for a host that is not this one."""
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if scope["path"] in ANY_HOST_PATHS or self._hosts.allows(host):
            return self._app
        problem = invalid_field("Host", "Not a name of this API. Use its URL; see SIMULACRA_HOSTS.")
        scope["state"]["code"] = problem.entry.code
        return problem_response(problem, self._base_url, scope["state"]["request_id"])


def _limited(scope: Scope, receive: Receive) -> Receive:
    """Limit size and time of a body that FastAPI reads into memory.

    Uploads stream, of callers who are known, and have their own limits.
    """
    method = scope["method"]
    path = scope["path"]
    is_piece = method == "PATCH" and path.startswith(PIECES_PATH)
    if is_piece or (method == "POST" and path == UPLOAD_PATH):
        return receive
    is_plan = method == "POST" and f"{path}/" == PIECES_PATH
    limit = MAX_PLAN_BYTES if is_plan else MAX_JSON_BYTES
    taken = 0
    deadline: float | None = asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive_limited() -> Message:
        nonlocal taken, deadline
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            detail = f"The body took more than {BODY_SECONDS:.0f} seconds."
            raise HTTPException(408, detail) from None
        taken += len(message.get("body", b""))
        if taken > limit:
            raise HTTPException(413)
        if not message.get("more_body"):  # what follows is the news that the client has left
            deadline = None
        return message

    return receive_limited


def _completed(headers: Headers, request_id: str, extra: Mapping[str, str]) -> Headers:
    """Return the headers with the request id, and the extra and security headers they lack."""
    given = {name for name, _ in headers}
    added = [(name.lower().encode("latin-1"), extra[name].encode("latin-1")) for name in extra]
    missing = [header for header in (*added, *_SECURITY_HEADERS) if header[0] not in given]
    return [*headers, (b"x-request-id", request_id.encode("latin-1")), *missing]


def _request_id(scope: Scope) -> str:
    sent = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex


def _log_exception(error: BaseException, request_id: str) -> None:
    """Log the type and the stack, not the message: it may quote what a customer sent."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    stack = " ".join(f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno}" for frame in frames)
    cause = type(error).__name__
    fields = {"cause": cause, "request_id": request_id, "at": stack}
    _LOG.error("request crashed", extra=fields)


def _log_access(scope: Scope, route: str, status: int, seconds: float) -> None:
    """Log a request, unless it is a probe of health that was answered."""
    if scope["path"] in ANY_HOST_PATHS and status < 400:
        return
    state = scope["state"]
    line = {
        "method": scope["method"],
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "request_id": state["request_id"],
        "tenant": state.get("tenant"),
        "client": state.get("client"),
        "code": state.get("code"),
    }
    fields = {key: value for key, value in line.items() if value is not None}
    _ACCESS.info("request answered", extra=fields)
