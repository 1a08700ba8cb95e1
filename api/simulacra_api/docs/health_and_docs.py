"""Health, the error catalog and the pages that need no token."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from simulacra_api.dependencies import problems
from simulacra_api.docs import llms_txt
from simulacra_api.docs.page import documentation, page, table
from simulacra_api.http.error_codes import CATALOG, ErrorCode
from simulacra_api.http.problems import Problem
from simulacra_api.metrics import MEDIA_TYPE as METRICS_TYPE
from simulacra_api.services import ServicesDep

router = APIRouter(tags=["meta"])
_VARY = {"Vary": "Accept"}


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _catalog(request: Request, title: str, entries: list[ErrorCode], content: Any) -> Response:
    if not _wants_html(request):
        return JSONResponse(content, headers=_VARY)
    rows = [[entry.code, str(entry.status), entry.title, entry.remedy] for entry in entries]
    return HTMLResponse(
        page(title, [table(("Code", "HTTP status", "Meaning", "What to do"), rows)]), headers=_VARY
    )


@router.get("/healthz", operation_id="getHealth", summary="Is the process up")
async def health() -> dict[str, str]:
    """Answers as long as the process can."""
    return {"status": "ok"}


@router.get(
    "/readyz", operation_id="getReadiness", summary="Can the process work", responses=problems()
)
async def readiness(services: ServicesDep) -> dict[str, str]:
    """Answers 503 when the control plane cannot be reached."""
    await services.signing.current(max_age=0.0)
    return {"status": "ready"}


@router.get(
    "/errors", operation_id="listErrors", summary="The error catalog", response_class=JSONResponse
)
async def errors(request: Request) -> Response:
    """Every code, as JSON or, for browsers, HTML."""
    entries = list(CATALOG.values())
    return _catalog(request, "Errors", entries, {"items": [asdict(entry) for entry in entries]})


@router.get(
    "/errors/{code}",
    operation_id="getError",
    summary="One error code",
    response_class=JSONResponse,
    responses=problems(404),
)
async def error(code: str, request: Request) -> Response:
    """What a code means and what to do about it."""
    entry = CATALOG.get(code)
    if entry is None:
        raise Problem("simio_error_code_not_found")
    return _catalog(request, entry.code, [entry], asdict(entry))


@router.get("/__docs__/", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The documentation on one page, without anything from another host."""
    return HTMLResponse(documentation(request.app.openapi()))


@router.get("/llms.txt", include_in_schema=False)
async def llms(request: Request, services: ServicesDep) -> Response:
    """The documentation's index for machines that read."""
    return Response(
        llms_txt.index(request.app.openapi(), services.settings.public_url),
        media_type=llms_txt.MEDIA_TYPE,
    )


@router.get("/llms-full.txt", include_in_schema=False)
async def llms_full(request: Request) -> Response:
    """The documentation for machines that read."""
    return Response(llms_txt.full(request.app.openapi()), media_type=llms_txt.MEDIA_TYPE)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """For the monitoring of whoever operates this; an ingress need not route it."""
    return Response(request.app.state.metrics.render(), media_type=METRICS_TYPE)
