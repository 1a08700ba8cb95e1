"""Idempotency keys: a key names its resource, and a tombstone replays the answer after deletion.

Names are scoped by tenant and operation (`simulacra_crds.names`), so Kubernetes is the
store: creating the resource answers AlreadyExists exactly when the key was used. An annotation
holds the digest of the first request. For 24 hours after that request the operator's tombstone of a
deleted resource replaces it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel

from simulacra_api.http.problems import Problem
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kube.client import CONFIGMAPS, Object
from simulacra_crds.tombstone import REQUEST_DIGEST as REQUEST_DIGEST
from simulacra_crds.tombstone import read_tombstone, tombstone_name

KEY = re.compile(r"[!-~]{1,255}")
"""Form of an idempotency key."""
UNUSED = ""
"""Digest of a resource whose request was refused after all; it is about to be deleted."""
_DESCRIPTION = "1 to 255 visible ASCII characters; required."


async def idempotency_key(
    value: Annotated[str | None, Header(alias="Idempotency-Key", description=_DESCRIPTION)] = None,
) -> str:
    """FastAPI dependency: return the key, or answer 400."""
    if value is None or not KEY.fullmatch(value):
        raise Problem("simio_invalid_idempotency_key")
    return value


def fingerprint(request: Any) -> str:
    """Return the SHA-256 (hex) of a request's canonical JSON."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def request_digest(
    dataset: Dataset, request: BaseModel, added_later: Mapping[str, Any] | None = None
) -> str:
    """Return the digest of a question about a dataset.

    `added_later` has the fields that came to the body later, with the values that mean their
    absence: they must not change the digest of earlier requests.
    """
    absent = {name for name, none in (added_later or {}).items() if getattr(request, name) == none}
    return fingerprint([dataset.metadata.uid, request.model_dump(mode="json", exclude=absent)])


def check_same_request(existing: Object, digest: str) -> None:
    """Refuse a used key: 409 conflict for another request, 409 in flight during the erasure."""
    metadata = existing["metadata"]
    used = metadata.get("annotations", {}).get(REQUEST_DIGEST)
    if metadata.get("deletionTimestamp") or used == UNUSED:
        raise in_flight("The resource of this Idempotency-Key is still being erased.")
    if used != digest:
        raise Problem("simio_idempotency_conflict")


def in_flight(reason: str) -> Problem:
    """Return the 409 that asks the customer to wait and repeat the request."""
    detail = f"{reason} Wait, then send the same request again."
    return Problem("simio_idempotency_in_flight", detail, headers={"Retry-After": "2"})


async def find_deleted(repository: TenantRepository, name: str, digest: str) -> Object | None:
    """Return the part of a deleted resource that its first answer had, None without a tombstone.

    Raises:
        Problem: 409 when the key was used for another request.
    """
    found = await repository.cluster.find(CONFIGMAPS, tombstone_name(name), repository.namespace)
    if found is None:
        return None
    tombstone = read_tombstone(found)
    if utcnow() >= tombstone.expires_at:
        return None
    if tombstone.request != digest:
        raise Problem("simio_idempotency_conflict")
    source = {"sha256": tombstone.content, "bytes": tombstone.bytes}
    spec = {"source": source, "rowCount": tombstone.rows, "seed": tombstone.seed}
    return {"metadata": {"name": name}, "spec": spec}
