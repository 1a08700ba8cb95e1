"""Erasure certificates of a tenant, and the public keys that verify what is signed."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Any

from simulacra_api.certificates.schemas import (
    AbsenceProof,
    CertificateBody,
    CertificateItem,
    CertificateList,
    LiveKeysBody,
)
from simulacra_api.http.pagination import ListQuery, SortKey, cursor_of
from simulacra_api.http.problems import Problem
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kube.client import CONFIGMAPS, Cluster
from simulacra_crds.names import INSTALLATION_KEYS, system_namespace
from simulacra_custody.audit.certificates import CertificateEntry, statement_of
from simulacra_custody.audit.live_keys import PublishedLiveKeys, root_document
from simulacra_custody.errors import CustodyError

_LOG = logging.getLogger("simulacra_api")


async def certificate_page(repository: TenantRepository, query: ListQuery) -> CertificateList:
    """Return a page of the tenant's certificates."""
    tenant_uid = repository.caller.tenant.metadata.uid
    rest = await asyncio.to_thread(repository.services.certificates.entries, tenant_uid)
    if query.after is not None:
        rest = [entry for entry in rest if _sort_key(entry) < query.after]
    page = rest[: query.limit]
    cursor = cursor_of(_sort_key(page[-1])) if len(rest) > query.limit else None
    items = [CertificateItem(**_shown(entry)) for entry in page]
    return CertificateList(items=items, next_cursor=cursor)


async def certificate_of(repository: TenantRepository, name: str) -> CertificateBody:
    """Return the newest certificate of a resource, by its id or its uid; 404 if there is none."""
    certificates = repository.services.certificates
    tenant_uid = repository.caller.tenant.metadata.uid
    entry = await asyncio.to_thread(certificates.find, tenant_uid, name)
    if entry is None:
        raise Problem("simio_certificate_not_found")
    signed = await asyncio.to_thread(certificates.read, tenant_uid, entry)
    statement = statement_of(signed)
    proof = await _absence_proof(repository.services.live_keys, statement)
    return CertificateBody(
        **_shown(entry), statement=statement, signature=signed, absence_proof=proof
    )


async def newest_root(live_keys: PublishedLiveKeys) -> LiveKeysBody:
    """Return the newest signed root of the live keys; 503 before the first."""
    newest = await asyncio.to_thread(live_keys.newest)
    if newest is None:
        detail = "No root of the live keys has been signed yet. Try again as Retry-After says."
        raise Problem("simio_unavailable", detail, headers={"Retry-After": "60"})
    signed, live = newest
    return LiveKeysBody(**root_document(live.stated, signed))


async def published_keys(cluster: Cluster) -> dict[str, Any]:
    """Return the keys that the operator has published; 503 before that."""
    found = await cluster.find(CONFIGMAPS, INSTALLATION_KEYS, system_namespace())
    if found is None:
        detail = "The operator has not published its keys yet. Try again as Retry-After says."
        raise Problem("simio_unavailable", detail, headers={"Retry-After": "5"})
    return dict(json.loads(found["data"]["keys.json"]))


async def _absence_proof(
    live_keys: PublishedLiveKeys, statement: dict[str, Any]
) -> AbsenceProof | None:
    """Return the proof; None while there is none, so that the certificate is readable anyhow."""
    try:
        proof = await asyncio.to_thread(live_keys.proof, statement)
    except CustodyError as error:
        _LOG.warning("absence proof failed: %s", type(error).__name__)
        return None
    return None if proof is None else AbsenceProof.model_validate(proof)


def _shown(entry: CertificateEntry) -> dict[str, Any]:
    issued = datetime.fromtimestamp(entry.issued, UTC).replace(microsecond=0)
    return {"resource_id": entry.id, "uid": entry.uid, "issued_at": issued}


def _sort_key(entry: CertificateEntry) -> SortKey:
    return int(entry.issued * 1e6), entry.id, entry.uid
