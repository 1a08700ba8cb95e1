"""The ASGI application: routes, errors and middleware around one set of services."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from simulacra_api.access import routes as access
from simulacra_api.account import routes as account
from simulacra_api.auth import routes as oauth
from simulacra_api.auth import session_routes
from simulacra_api.certificates import routes as certificates
from simulacra_api.datasets import routes as datasets
from simulacra_api.docs import routes as docs
from simulacra_api.docs.openapi import document
from simulacra_api.drafts import routes as drafts
from simulacra_api.http import problems
from simulacra_api.http.middleware import LOOPBACK, RequestMiddleware, name_in_url
from simulacra_api.jobs import routes as jobs
from simulacra_api.metrics import Metrics
from simulacra_api.pages import routes as pages
from simulacra_api.services import Stores, open_services
from simulacra_api.settings import Settings
from simulacra_api.trust import routes as trust
from simulacra_api.uploads import routes as uploads
from simulacra_api.webhooks import routes as webhooks
from simulacra_crds.registry import BY_KIND, RESULTS

# Starlette tries routes in this order: what customers poll comes first.
_RESULTS = [import_module(f"simulacra_api.{BY_KIND[kind].collection}.routes") for kind in RESULTS]
# fmt: off
_MODULES = (
    jobs, uploads, datasets, *_RESULTS, drafts, oauth, access, account, webhooks, certificates,
    docs, session_routes, pages, trust,
)
# fmt: on


def create_app(settings: Settings, stores: Callable[[], Stores] = Stores.open) -> FastAPI:
    """Return the application; its lifespan opens the services over the given stores."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, stores()) as opened:
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
    for module in _MODULES:
        app.include_router(module.router)
    problems.install(app, settings.public_url)
    app.state.metrics = Metrics()
    app.add_middleware(
        RequestMiddleware,
        base_url=settings.public_url,
        metrics=app.state.metrics,
        hosts={*LOOPBACK, name_in_url(settings.public_url), *settings.hosts},
    )

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app, settings.public_url, settings.audience)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app
