"""Routes of health, metrics, the error catalog and the documentation; none needs a token."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from simulacra_api.dependencies import problems
from simulacra_api.docs import llms_txt
from simulacra_api.docs.operations import INTRODUCTION, RULES, STEPS, operations
from simulacra_api.html import render
from simulacra_api.http.error_codes import CATALOG, ErrorCode
from simulacra_api.http.problems import Problem
from simulacra_api.metrics import MEDIA_TYPE as METRICS_TYPE
from simulacra_api.metrics import is_loopback
from simulacra_api.pages.assets import HEADERS
from simulacra_api.services import ServicesDep
from simulacra_crds.kinds.base import API_VERSION
from simulacra_crds.kube.client import NotFound
from simulacra_crds.registry import KINDS

router = APIRouter(tags=["meta"])
_VARY = {"Vary": "Accept"}
START = {
    "console": "/console",
    "documentation": "/__docs__/",
    "openapi": "/openapi.json",
    "errors": "/errors",
    "custody": "/custody",
    "health": "/healthz",
}
"""What `/` names, and where it is."""


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _catalog(request: Request, title: str, entries: list[ErrorCode], content: Any) -> Response:
    if not _wants_html(request):
        return JSONResponse(content, headers=_VARY)
    page = render("errors.html.j2", title=title, entries=entries)
    return HTMLResponse(page, headers=_VARY | HEADERS)


@router.get("/", include_in_schema=False)
async def start(request: Request, services: ServicesDep) -> Response:
    """Lead people to the console, and programs to the pages and documents of the service."""
    if _wants_html(request):
        return RedirectResponse("/console", headers=_VARY)
    base = services.settings.public_url
    found = {name: f"{base}{path}" for name, path in START.items()}
    return JSONResponse(
        {"service": "Simulacra", "version": request.app.version} | found, headers=_VARY
    )


@router.get("/docs", include_in_schema=False)
async def docs_address() -> Response:
    """Lead to the documentation from the address that people try."""
    return RedirectResponse(START["documentation"])


@router.get("/healthz", operation_id="getHealth", summary="Check that the process is up")
async def health() -> dict[str, str]:
    """200 as long as the process can answer."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Check that the process can serve requests",
    responses=problems(),
)
async def readiness(services: ServicesDep) -> dict[str, str]:
    """503 when the control plane cannot be reached, or does not serve all kinds of the product."""
    await services.signing.current(max_age=0.0)
    try:
        listed = (await services.cluster.request("GET", f"/apis/{API_VERSION}"))["resources"]
    except NotFound:  # no kind of the group
        listed = []
    served = {one["name"] for one in listed}
    if missing := sorted(one.PLURAL for one in KINDS if one.PLURAL not in served):
        detail = (
            f"The control plane does not serve {', '.join(missing)}. "
            "Install the CustomResourceDefinitions of this release."
        )
        raise Problem("simio_unavailable", detail)
    return {"status": "ready"}


@router.get(
    "/errors", operation_id="listErrors", summary="List error codes", response_class=JSONResponse
)
async def errors(request: Request) -> Response:
    """Every code, as JSON, or as HTML when the request accepts text/html."""
    entries = list(CATALOG.values())
    return _catalog(request, "Errors", entries, {"items": [asdict(entry) for entry in entries]})


@router.get(
    "/errors/{code}",
    operation_id="getError",
    summary="Get an error code",
    response_class=JSONResponse,
    responses=problems(404),
)
async def error(code: str, request: Request) -> Response:
    """Meaning and remedy of a code."""
    entry = CATALOG.get(code)
    if entry is None:
        raise Problem("simio_error_code_not_found")
    return _catalog(request, entry.code, [entry], asdict(entry))


@router.get("/__docs__/", include_in_schema=False)
async def docs(request: Request) -> Response:
    """Return the documentation on one page, which loads nothing from another host."""
    found = list(operations(request.app.openapi()))
    context = {"introduction": INTRODUCTION, "steps": STEPS, "rules": RULES, "operations": found}
    return HTMLResponse(render("docs.html.j2", **context), headers=HEADERS)


@router.get("/llms.txt", include_in_schema=False)
async def llms(request: Request, services: ServicesDep) -> Response:
    """Return the index of the documentation as Markdown."""
    text = llms_txt.index(request.app.openapi(), services.settings.public_url)
    return Response(text, media_type=llms_txt.MEDIA_TYPE)


@router.get("/llms-full.txt", include_in_schema=False)
async def llms_full(request: Request) -> Response:
    """Return the whole documentation as Markdown."""
    return Response(llms_txt.full(request.app.openapi()), media_type=llms_txt.MEDIA_TYPE)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, services: ServicesDep) -> Response:
    """Return Prometheus metrics to this machine, unless they have a port of their own."""
    address = request.client.host if request.client else ""
    if services.settings.metrics_listen or not is_loopback(address):
        raise Problem("simio_not_found")
    return Response(request.app.state.metrics.render(), media_type=METRICS_TYPE)
