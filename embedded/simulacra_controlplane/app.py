"""The ASGI application: authentication, error bodies, and the routes that are not resources."""

import asyncio
import contextlib
import hmac
import logging
import traceback
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulacra_controlplane import errors
from simulacra_controlplane.background.controllers import Controllers
from simulacra_controlplane.documents import discovery, openapi
from simulacra_controlplane.errors import ApiError
from simulacra_controlplane.objects import new_uid, now
from simulacra_controlplane.state import ControlPlane
from simulacra_controlplane.store import Key, Store
from simulacra_controlplane.verbs import handlers
from simulacra_controlplane.verbs.handlers import answer

_log = logging.getLogger(__name__)
_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_OPEN_PATHS = ("/healthz", "/livez", "/readyz")
_FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class Authentication:
    """Answers 401 without one of the bearer tokens; the health paths are open."""

    def __init__(self, app: ASGIApp, tokens: Sequence[str]) -> None:
        self._app = app
        self._expected = [f"Bearer {token}".encode() for token in tokens]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] == "http" and scope["path"] not in _OPEN_PATHS:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not any(hmac.compare_digest(given, expected) for expected in self._expected):
                refused = ApiError(401, "Unauthorized", "Unauthorized")
                await answer(refused.body(), 401)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class LastResort:
    """Answers unexpected errors with 500; logs type and place, never text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; once an answer has begun, an error breaks the connection."""
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            places = [
                f"{frame.name}:{frame.lineno}"
                for frame in traceback.extract_tb(error.__traceback__)[-5:]
            ]
            _log.error("internal error: %s at %s", type(error).__name__, " > ".join(places))
            if begun:
                raise ConnectionAbortedError("an internal error ended this answer") from None
            failure = ApiError(
                500, "InternalError", f"Internal error occurred: {type(error).__name__}"
            )
            await answer(failure.body(), 500)(scope, receive, send)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    if error.message == errors.no_such_path().message:
        return PlainTextResponse(error.message, error.code)
    response = answer(error.body(), error.code)
    response.headers.update(error.headers)
    return response


def create_app(store: Store, tokens: Sequence[str], logs: Path) -> Starlette:
    """Return the control plane as an ASGI application."""
    plane = ControlPlane(store, logs)
    controllers = Controllers(plane)
    _first_namespaces(plane)
    store.compact()  # no client holds a revision of this start yet

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(controllers.run())
        yield
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    app = Starlette(
        routes=_routes(plane),
        middleware=[Middleware(LastResort), Middleware(Authentication, tokens=tokens)],
        exception_handlers={ApiError: _api_error, 404: _not_found, 405: _no_method},
        lifespan=lifespan,
    )
    app.state.plane = plane
    return app


def _first_namespaces(plane: ControlPlane) -> None:
    for name in _FIRST_NAMESPACES:
        key = Key("namespaces", "", name)
        if plane.store.get(key) is None:
            metadata = {"name": name, "uid": new_uid(), "creationTimestamp": now(),
                        "labels": {"kubernetes.io/metadata.name": name}}  # fmt: skip
            plane.store.put(key, {
                "apiVersion": "v1", "kind": "Namespace", "metadata": metadata,
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
            })  # fmt: skip


async def _not_found(request: Request, error: Exception) -> Response:
    return await _api_error(request, errors.no_such_path())


async def _no_method(request: Request, error: Exception) -> Response:
    return await _api_error(request, errors.method_not_allowed())


def _routes(plane: ControlPlane) -> list[Route]:
    async def resources(request: Request) -> Response:
        return await handlers.handle(plane, request)

    async def core(request: Request) -> Response:
        return answer(discovery.core_versions())

    async def groups(request: Request) -> Response:
        return answer(discovery.group_list(plane.registry))

    async def group(request: Request) -> Response:
        return answer(discovery.group(plane.registry, request.path_params["group"]))

    async def version(request: Request) -> Response:
        name = request.path_params.get("group", "")
        return answer(discovery.resource_list(plane.registry, name, request.path_params["version"]))

    async def schemas(request: Request) -> Response:
        return answer(openapi.index(plane.registry))

    async def schema(request: Request) -> Response:
        name = request.path_params.get("group", "")
        return answer(openapi.document(plane.registry, name, request.path_params["version"]))

    return [
        *(Route(path, _healthy) for path in _OPEN_PATHS),
        Route("/version", _version),
        Route("/api", core),
        Route("/apis", groups),
        Route("/apis/{group}", group),
        Route("/api/{version}", version),
        Route("/apis/{group}/{version}", version),
        Route("/openapi/v3", schemas),
        Route("/openapi/v3/api/{version}", schema),
        Route("/openapi/v3/apis/{group}/{version}", schema),
        Route("/openapi/v2", _no_v2),
        Route("/api/v1/{path:path}", resources, methods=_ANY),
        Route("/apis/{group}/{version}/{path:path}", resources, methods=_ANY),
    ]


async def _healthy(request: Request) -> Response:
    return PlainTextResponse("ok")


async def _version(request: Request) -> Response:
    return answer(discovery.VERSION)


async def _no_v2(request: Request) -> Response:
    raise errors.not_implemented("OpenAPI v2 (v3 is at /openapi/v3)")
