"""Routes of the pages and their assets.

None needs a token: a page holds no data, its script gets the data from the API.
"""

from functools import cache
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import HTMLResponse

from simulacra_api.html import render
from simulacra_api.http.problems import Problem
from simulacra_api.pages.assets import HEADERS, PATH, assets
from simulacra_api.pages.custody_steps import CUSTODY_MAP
from simulacra_api.services import ServicesDep

router = APIRouter(include_in_schema=False)


@cache
def _custody(audit_days: int) -> str:
    return render("custody.html.j2", audit_days=audit_days, **vars(CUSTODY_MAP))


@router.get("/custody")
async def custody(services: ServicesDep) -> Response:
    """Return the custody map: where customer data goes, what is stored and for how long."""
    return HTMLResponse(_custody(services.settings.audit_days), headers=HEADERS)


@cache
def _console() -> str:
    return render("console.html.j2")


@router.get("/console")
async def console() -> Response:
    """Return the console, a client of the public API."""
    return HTMLResponse(_console(), headers=HEADERS)


@router.get(PATH + "/{name:path}")
async def asset(
    name: str,
    if_none_match: Annotated[str, Header()] = "",
    accept_encoding: Annotated[str, Header()] = "",
) -> Response:
    """Return an asset; browsers revalidate it at each use, so a new version shows at once."""
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
