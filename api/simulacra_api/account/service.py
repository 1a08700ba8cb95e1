"""The use of a tenant's quotas, and the audit events of its data."""

from __future__ import annotations

import asyncio

from simulacra_api.account.audit_cursor import seal, unseal
from simulacra_api.account.schemas import (
    AuditEventBody,
    AuditEventList,
    AuditIntegrity,
    AuditQuery,
    Gauge,
    UsageBody,
)
from simulacra_api.quotas.quota_usage import QUEUED_JOBS
from simulacra_api.quotas.rate_limit import WINDOW_SECONDS
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kube.client import CONFIGMAPS, Cluster
from simulacra_crds.names import AUDIT_CHECK, system_namespace
from simulacra_crds.registry import WITH_JOB
from simulacra_custody.audit.check import CheckState
from simulacra_custody.audit.event import AuditEvent

_DAY = 86_400


async def usage_of(repository: TenantRepository) -> UsageBody:
    """Return the current use of the quotas."""
    tenant = repository.caller.tenant
    services = repository.services
    quotas = tenant.spec.quotas
    used = await services.quota_ledger.of(tenant, fresh=True)
    requests = services.rates.used(repository.caller.tenant_name)
    rows = used.rows_of_day(utcnow())
    jobs = quotas.concurrent_jobs
    return UsageBody(
        requests=Gauge(
            used=requests, limit=quotas.requests_per_minute, window_seconds=WINDOW_SECONDS
        ),
        rows=Gauge(used=rows, limit=quotas.rows_per_day, window_seconds=_DAY),
        stored_bytes=Gauge(used=used.stored_bytes, limit=quotas.stored_bytes),
        running_jobs=Gauge(used=used.running, limit=jobs),
        unfinished_jobs=Gauge(used=used.running + used.waiting, limit=jobs + QUEUED_JOBS),
        **{info.collection: used.resources.get(info.resource.PLURAL, 0) for info in WITH_JOB},
    )


async def audit_page(repository: TenantRepository, query: AuditQuery) -> AuditEventList:
    """Return a page of the tenant's audit events; 400 for another tenant's cursor."""
    key = (await repository.services.signing.current()).link_key
    tenant_uid = repository.caller.tenant.metadata.uid
    page = await asyncio.to_thread(
        repository.services.audit_reader.page,
        repository.caller.tenant_name,
        before=None if query.cursor is None else unseal(key, tenant_uid, query.cursor),
        limit=query.limit,
        types=() if query.type is None else (query.type,),
    )
    cursor = None if page.before is None else seal(key, tenant_uid, page.before)
    return AuditEventList(
        items=[_body(event) for event in page.events],
        next_cursor=cursor,
        integrity=await _integrity(repository.services.cluster),
    )


async def _integrity(cluster: Cluster) -> AuditIntegrity:
    """Return what the operator's check of the log has found."""
    found = await cluster.find(CONFIGMAPS, AUDIT_CHECK, system_namespace())
    try:
        note = (found or {}).get("data", {}).get("check", "")
        state = CheckState.open(note, None)
    except ValueError:
        state = CheckState()
    intact = "unchecked" if state.events is None else "intact"
    return AuditIntegrity(
        status=intact if state.corrupt is None else "corrupt",
        checked_events=state.events,
        checked_at=state.ended,
    )


def _body(event: AuditEvent) -> AuditEventBody:
    known = event.data.model_dump(exclude_none=True, exclude={"tenant", "expires_at", "support"})
    if "request" in known:
        known["request_id"] = known.pop("request")
    return AuditEventBody(
        id=event.id, time=event.time, type=event.type, source=event.source, **known
    )
