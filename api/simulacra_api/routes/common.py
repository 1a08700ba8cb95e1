"""What several routes share: the caller's library and the documented answers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends

from simulacra_api.auth.caller import CurrentCaller, Rooms
from simulacra_api.idempotency import idempotency_key
from simulacra_api.problems import MEDIA_TYPE, ProblemBody
from simulacra_api.resources import Library


def _library(caller: CurrentCaller, rooms: Rooms) -> Library:
    return Library(rooms, caller)


Mine = Annotated[Library, Depends(_library)]
IdempotencyKey = Annotated[str, Depends(idempotency_key)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of the errors that a route answers; 401, 403, 500 and 503 are on each."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}}}
    documented = sorted({401, 403, 500, 503, *statuses})
    return {status: {"description": "Problem", "content": content} for status in documented}


def poll_headers(status: str) -> dict[str, str]:
    """Return the header that tells when to poll again, empty once the work has ended."""
    return {"Retry-After": "2"} if status in ("queued", "running", "uploading", "deleting") else {}
