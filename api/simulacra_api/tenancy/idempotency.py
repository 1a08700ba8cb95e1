"""Idempotency-Key: the key names the resource, an annotation remembers the request, a lease guards
its upload.

Keys are scoped by tenant and operation (`simulacra_crds.contract.names`), so Kubernetes is the
store: creating the resource answers AlreadyExists exactly when the key was used.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any

from fastapi import Header

from simulacra_api.http.problems import Problem
from simulacra_crds.contract.tombstone import REQUEST_DIGEST as REQUEST_DIGEST
from simulacra_crds.kube.client import Object

KEY = re.compile(r"[!-~]{1,255}")
"""What a key looks like."""


async def idempotency_key(
    value: Annotated[
        str | None,
        Header(alias="Idempotency-Key", description="1 to 255 visible ASCII characters; required."),
    ] = None,
) -> str:
    """FastAPI dependency: the key, or 400."""
    if value is None or not KEY.fullmatch(value):
        raise Problem("simio_invalid_idempotency_key")
    return value


def fingerprint(request: Any) -> str:
    """Return the SHA-256 (hex) of a request's canonical JSON."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def check_same_request(existing: Object, digest: str) -> None:
    """Refuse a used key whose first request was another (409 conflict) or is being deleted (409 in flight)."""
    metadata = existing["metadata"]
    if metadata.get("deletionTimestamp"):
        raise in_flight("what this key made is still being erased")
    if metadata.get("annotations", {}).get(REQUEST_DIGEST) != digest:
        raise Problem("simio_idempotency_conflict")


def in_flight(why: str) -> Problem:
    """Return the 409 that asks to wait and repeat."""
    detail = f"Idempotency-Key: {why}; wait and repeat the same request"
    return Problem("simio_idempotency_in_flight", detail, headers={"Retry-After": "2"})
