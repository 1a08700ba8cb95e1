"""Erasure certificates of a tenant, and the public keys that verify what is signed."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from simulacra_api.certificates.schemas import CertificateBody, CertificateItem, CertificateList
from simulacra_api.http.pagination import ListQuery, SortKey, cursor_of
from simulacra_api.http.problems import Problem
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.contract.names import INSTALLATION_KEYS, system_namespace
from simulacra_crds.kube.client import CONFIGMAPS, Cluster
from simulacra_custody.audit.certificates import CertificateEntry, statement_of


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
    return CertificateBody(**_shown(entry), statement=statement_of(signed), signature=signed)


async def published_keys(cluster: Cluster) -> dict[str, Any]:
    """Return the keys that the operator has published; 503 before that."""
    found = await cluster.find(CONFIGMAPS, INSTALLATION_KEYS, system_namespace())
    if found is None:
        detail = "The operator has not published its keys yet. Try again as Retry-After says."
        raise Problem("simio_unavailable", detail, headers={"Retry-After": "5"})
    return dict(json.loads(found["data"]["keys.json"]))


def _shown(entry: CertificateEntry) -> dict[str, Any]:
    issued = datetime.fromtimestamp(entry.issued, UTC).replace(microsecond=0)
    return {"resource_id": entry.id, "uid": entry.uid, "issued_at": issued}


def _sort_key(entry: CertificateEntry) -> SortKey:
    return int(entry.issued * 1e6), entry.id, entry.uid
