"""What a tenant may know of itself: its use of the quotas, and who touched its data."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from simulacra_api.http.pagination import ListQuery, Page, cursor_of
from simulacra_api.quotas.quota_usage import QUEUED_JOBS
from simulacra_api.quotas.rate_limit import WINDOW_SECONDS
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.base import utcnow
from simulacra_custody.audit.event import AuditEvent, EventType


class Gauge(BaseModel):
    """One quota."""

    used: int
    limit: int
    window_seconds: int | None = Field(
        default=None, description="Absent where the quota is of what is there now."
    )


class UsageBody(BaseModel):
    """The tenant's quotas and what is used of them."""

    requests: Gauge
    rows: Gauge = Field(description="Rows asked for, those of deleted generations included.")
    stored_bytes: Gauge
    running_jobs: Gauge
    unfinished_jobs: Gauge = Field(description="Running and waiting.")
    datasets: int
    generations: int
    effects: int


class AuditQuery(ListQuery):
    """What a page of audit events takes."""

    type: EventType | None = Field(default=None, description="Only events of this type.")


class AuditEventBody(BaseModel):
    """One record: who did what to which resource, and how it ended. `uid` is one life of a resource."""

    id: str
    time: datetime
    type: EventType
    source: str
    outcome: str
    client: str | None = None
    request_id: str | None = None
    kind: str | None = None
    uid: str | None = None
    artefact: str | None = None
    sha256: str | None = None
    counts: dict[str, int] | None = None


class AuditEventList(Page):
    """A page of audit events, newest first; it may hold fewer than asked for, or none, and still have a next one."""

    items: list[AuditEventBody]


async def usage_of(repository: TenantRepository) -> UsageBody:
    """Return the use of the quotas, read now."""
    tenant, services = repository.caller.tenant, repository.services
    quotas, used = tenant.spec.quotas, await services.quota_ledger.of(tenant, fresh=True)
    requests = services.rates.used(repository.caller.tenant_name)
    return UsageBody(
        requests=Gauge(
            used=requests, limit=quotas.requests_per_minute, window_seconds=WINDOW_SECONDS
        ),
        rows=Gauge(
            used=used.rows_of_day(utcnow()), limit=quotas.rows_per_day, window_seconds=86_400
        ),
        stored_bytes=Gauge(used=used.stored_bytes, limit=quotas.stored_bytes),
        running_jobs=Gauge(used=used.running, limit=quotas.concurrent_jobs),
        unfinished_jobs=Gauge(
            used=used.running + used.waiting, limit=quotas.concurrent_jobs + QUEUED_JOBS
        ),
        datasets=used.resources.get("datasets", 0),
        generations=used.resources.get("generationjobs", 0),
        effects=used.resources.get("effectestimates", 0),
    )


async def audit_page(repository: TenantRepository, query: AuditQuery) -> AuditEventList:
    """Return a page of the tenant's audit events."""
    before = None if query.after is None else query.after[0]
    types = () if query.type is None else (query.type,)
    reader, tenant = repository.services.audit_reader, repository.caller.tenant_name
    page = await asyncio.to_thread(
        reader.page, tenant, before=before, limit=query.limit, types=types
    )
    items = [_body(event) for event in page.events]
    return AuditEventList(
        items=items, next_cursor=None if page.before is None else cursor_of((page.before, "", ""))
    )


def _body(event: AuditEvent) -> AuditEventBody:
    known: dict[str, Any] = event.data.model_dump(
        exclude_none=True, exclude={"tenant", "expires_at", "support"}
    )
    if "request" in known:
        known["request_id"] = known.pop("request")
    return AuditEventBody(
        id=event.id, time=event.time, type=event.type, source=event.source, **known
    )
