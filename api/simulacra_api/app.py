"""The application: routes, errors and middleware around one set of services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from simulacra_api import problems
from simulacra_api.middleware import RequestMiddleware
from simulacra_api.routes import access, account, datasets, effects, generations, jobs, meta, oauth, webhooks
from simulacra_api.services import open_services
from simulacra_api.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Return the ASGI application; services are opened with its lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as opened:
            app.state.services = opened
            yield

    app = FastAPI(
        title="Simulacra",
        version=version("simulacra"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    for module in (oauth, access, account, datasets, jobs, generations, effects, webhooks, meta):
        app.include_router(module.router)
    problems.install(app, settings.public_url)
    app.add_middleware(RequestMiddleware, base_url=settings.public_url)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _openapi(app, settings.public_url)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI, base_url: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document: FastAPI's, with the one error envelope instead of its own 422."""
    document = get_openapi(
        title=app.title, version=app.version, routes=app.routes, servers=[{"url": base_url}], summary=app.summary
    )
    schemas = document["components"]["schemas"]
    schemas |= {"ProblemBody": problems.ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")}
    schemas |= schemas["ProblemBody"].pop("$defs", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    return document
