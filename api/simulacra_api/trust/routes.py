"""The trust page for everybody; the package and the last checks for signed-in clients."""

import asyncio
import json
import os
from functools import cache
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from simulacra_api.dependencies import CurrentTenant, TenantRoute
from simulacra_api.html import render
from simulacra_api.pages.assets import HEADERS
from simulacra_api.trust.claims import stored_signature
from simulacra_api.trust.package import Trust, zipped
from simulacra_crds.kube.client import CONFIGMAPS, Cluster
from simulacra_crds.names import CANARY, system_namespace
from simulacra_custody.audit.signed_note import note_text

router = APIRouter(include_in_schema=False, route_class=TenantRoute)


@cache
def _trust() -> Trust:
    """Return what the package says of this installation: neither changes while a process runs."""
    return Trust.read(os.environ)


@cache
def _page() -> str:
    trust = _trust()
    return render(
        "trust.html.j2",
        claims=trust.claims,
        documents=trust.documents,
        figures=trust.figures(),
        results=trust.results(),
        signed=stored_signature() is not None,
    )


@router.get("/trust")
async def page() -> Response:
    """Return the claims, what holds them and what the documents of the package answer."""
    return HTMLResponse(await asyncio.to_thread(_page), headers=HEADERS)


@router.get("/trust/package.zip")
async def package(repository: CurrentTenant) -> Response:
    """Return the package of this installation to one of its clients."""
    archive = await asyncio.to_thread(lambda: zipped(_trust().files()))
    headers = {
        "Content-Disposition": 'attachment; filename="simulacra-trust.zip"',
        "Cache-Control": "private, no-store",
    }
    return Response(archive, media_type="application/zip", headers=headers)


@router.get("/trust/held")
async def held(repository: CurrentTenant) -> dict[str, Any]:
    """Return the last key check of the caller's tenant and the last run of the canary."""
    conditions = repository.caller.tenant.status.conditions
    key = next((one for one in conditions if one.type == "KeyReady"), None)
    return {
        "key": key and {"status": key.status, "since": key.last_transition_time},
        "canary": await _last_canary(repository.cluster),
    }


async def _last_canary(cluster: Cluster) -> dict[str, Any] | None:
    """Return verdict and end of the canary's last run; None if there was none."""
    found = await cluster.find(CONFIGMAPS, CANARY, system_namespace())
    try:
        note = (found or {}).get("data", {}).get("results", "")
        results = json.loads(note_text(note.encode()))["results"]
    except ValueError:
        return None
    return {name: results[0][name] for name in ("verdict", "ended")} if results else None
