"""Erasure certificates of the caller's tenant, and the keys and checkpoints that anybody may check them with."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from simulacra_api.http.pagination import ListQuery, Page, Place, cursor_of
from simulacra_api.http.problems import Problem
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.contract.names import INSTALLATION_KEYS, system_namespace
from simulacra_crds.kube.client import CONFIGMAPS, Cluster
from simulacra_custody.audit.certificates import CertificateEntry


class CertificateItem(BaseModel):
    """A certificate in a list; GET it for what it states."""

    resource_id: str
    uid: str = Field(description="Which life of the resource: an id can be used again.")
    issued_at: datetime


class CertificateList(Page):
    """The tenant's certificates, newest first."""

    items: list[CertificateItem]


class CertificateBody(CertificateItem):
    """A certificate."""

    statement: dict[str, Any] = Field(
        description="What is stated: the payload of `signature`, to be read by people."
    )
    signature: str = Field(
        description="The statement as JSON Web Signature (RFC 7515, compact, Ed25519)."
    )


async def certificate_page(repository: TenantRepository, query: ListQuery) -> CertificateList:
    """Return a page of the tenant's certificates."""
    found = await asyncio.to_thread(
        repository.services.certificates.entries, repository.caller.tenant.metadata.uid
    )
    rest = found if query.after is None else [one for one in found if _place(one) < query.after]
    page = rest[: query.limit]
    items = [CertificateItem(**_shown(one)) for one in page]
    return CertificateList(
        items=items, next_cursor=cursor_of(_place(page[-1])) if len(rest) > query.limit else None
    )


async def certificate_of(repository: TenantRepository, name: str) -> CertificateBody:
    """Return the newest certificate of a resource, by its id or its uid; 404 if there is none."""
    services, tenant_uid = repository.services, repository.caller.tenant.metadata.uid
    entry = await asyncio.to_thread(services.certificates.find, tenant_uid, name)
    if entry is None:
        raise Problem("simio_certificate_not_found")
    signed = await asyncio.to_thread(services.certificates.read, tenant_uid, entry)
    payload = signed.split(".")[1]
    statement = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return CertificateBody(**_shown(entry), statement=statement, signature=signed)


async def published_keys(cluster: Cluster) -> dict[str, Any]:
    """Return what the operator has published; 503 before it has."""
    found = await cluster.find(CONFIGMAPS, INSTALLATION_KEYS, system_namespace())
    if found is None:
        raise Problem(
            "simio_unavailable",
            "The operator has not published its keys yet",
            headers={"Retry-After": "5"},
        )
    return dict(json.loads(found["data"]["keys.json"]))


def _shown(entry: CertificateEntry) -> dict[str, Any]:
    issued = datetime.fromtimestamp(entry.issued, UTC).replace(microsecond=0)
    return {"resource_id": entry.id, "uid": entry.uid, "issued_at": issued}


def _place(entry: CertificateEntry) -> Place:
    return int(entry.issued * 1e6), entry.id, entry.uid
