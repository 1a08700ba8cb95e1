"""Routes of the pages; none needs a token, since a page holds nothing: what it shows it asks of the API itself."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import HTMLResponse

from simulacra_api.http.problems import Problem
from simulacra_api.pages.custody_page import custody_page
from simulacra_api.pages.shell import CSP, PATH, assets, document

router = APIRouter(include_in_schema=False)


def _page(content: str) -> Response:
    return HTMLResponse(
        content,
        headers={"Content-Security-Policy": CSP, "Cross-Origin-Opener-Policy": "same-origin"},
    )


@cache
def _custody() -> str:
    return document(
        "Custody map", custody_page(), here="/custody", styles=("custody.css",), script="custody.js"
    )


@router.get("/custody")
async def custody() -> Response:
    """Where customer data goes, what is kept and for how long."""
    return _page(_custody())


@cache
def _console() -> str:
    body = '<div id="console"><noscript><p>The console needs JavaScript.</p></noscript></div>'
    return document(
        "Console", body, here="/console", styles=("console.css",), script="console/main.js"
    )


@router.get("/console")
async def console() -> Response:
    """The console; it signs in and works through the same API as everybody."""
    return _page(_console())


@router.get(PATH + "/{name:path}")
async def asset(
    name: str,
    if_none_match: Annotated[str, Header()] = "",
    accept_encoding: Annotated[str, Header()] = "",
) -> Response:
    """A style sheet, a script, a font; revalidated at every use, so that a new version shows at once."""
    found = assets().get(name)
    if found is None:
        raise Problem("simio_not_found")
    headers = {"ETag": found.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if found.etag in if_none_match:
        return Response(status_code=304, headers=headers)
    if found.compressed is not None and "gzip" in accept_encoding:
        headers["Content-Encoding"] = "gzip"
        return Response(found.compressed, media_type=found.media_type, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)
