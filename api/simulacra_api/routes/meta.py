"""Health, the error catalogue and the pages that need no token."""

from __future__ import annotations

import html
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from simulacra_api.auth.caller import Rooms
from simulacra_api.catalogue import CATALOGUE, ErrorCode
from simulacra_api.problems import Problem

router = APIRouter(tags=["meta"])
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:1rem/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
td,th{{text-align:left;padding:.3rem .8rem .3rem 0;vertical-align:top}}</style>
<h1>{title}</h1>{body}</html>"""


def _page(title: str, head: list[str], rows: list[list[str]]) -> HTMLResponse:
    def row(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    table = row(head, "th") + "".join(row(cells, "td") for cells in rows)
    return HTMLResponse(_PAGE.format(title=html.escape(title), body=f"<table>{table}</table>"))


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _catalogue(request: Request, title: str, entries: list[ErrorCode], content: Any) -> Response:
    if not _wants_html(request):
        return JSONResponse(content)
    rows = [[entry.code, str(entry.status), entry.title, entry.remedy] for entry in entries]
    return _page(title, ["Code", "HTTP status", "Meaning", "What to do"], rows)


@router.get("/healthz", operation_id="getHealth", summary="Is the process up")
async def health() -> dict[str, str]:
    """Answers as long as the process can."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="getReadiness", summary="Can the process work")
async def readiness(rooms: Rooms) -> dict[str, str]:
    """Answers 503 when the control plane cannot be reached."""
    await rooms.signing.current(max_age=0.0)
    return {"status": "ready"}


@router.get("/errors", operation_id="listErrors", summary="The error catalogue", response_class=JSONResponse)
async def errors(request: Request) -> Response:
    """Every code, as JSON or, for browsers, HTML."""
    entries = list(CATALOGUE.values())
    return _catalogue(request, "Errors", entries, {"items": [asdict(entry) for entry in entries]})


@router.get("/errors/{code}", operation_id="getError", summary="One error code", response_class=JSONResponse)
async def error(code: str, request: Request) -> Response:
    """What a code means and what to do about it."""
    entry = CATALOGUE.get(code)
    if entry is None:
        raise Problem("simio_error_code_not_found")
    return _catalogue(request, entry.code, [entry], asdict(entry))


@router.get("/__docs__/", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The routes on one page, without anything from another host."""
    rows = [
        [method.upper(), path, operation.get("summary", ""), operation.get("description", "")]
        for path, operations in request.app.openapi()["paths"].items()
        for method, operation in operations.items()
    ]
    return _page("Simulacra REST API", ["Method", "Path", "What", "Details"], rows)
