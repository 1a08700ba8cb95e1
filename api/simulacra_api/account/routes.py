"""The use of a tenant's quotas, the audit events of its data, and support access to it."""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from simulacra_api.account.audit_cursor import seal, unseal
from simulacra_api.account.schemas import (
    AuditEventBody,
    AuditEventList,
    AuditIntegrity,
    AuditQuery,
    Gauge,
    SupportAccessBody,
    SupportAccessList,
    UsageBody,
)
from simulacra_api.dependencies import CurrentTenant, TenantRoute, problems
from simulacra_api.http.pagination import link_next
from simulacra_api.quotas.quota_usage import QUEUED_JOBS
from simulacra_api.quotas.rate_limit import WINDOW_SECONDS
from simulacra_api.services import Services
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kinds.support_access import KIND
from simulacra_crds.kube.client import CONFIGMAPS
from simulacra_crds.names import AUDIT_CHECK, support_id, system_namespace
from simulacra_crds.registry import WITH_JOB
from simulacra_custody.audit.check import CheckState
from simulacra_custody.audit.cuts import Cut
from simulacra_custody.audit.event import AuditEvent, EventType
from simulacra_custody.audit.ocsf import ocsf_event

_DAY = 86_400


async def audit_page(repository: TenantRepository, query: AuditQuery) -> AuditEventList:
    """Return a page of the tenant's audit events; 400 for another tenant's cursor."""
    key = (await repository.services.signing.current()).link_key
    tenant_uid = repository.caller.tenant.metadata.uid
    page = await asyncio.to_thread(
        repository.services.audit_reader.page,
        repository.caller.tenant_name,
        position=None if query.cursor is None else unseal(key, tenant_uid, query.cursor),
        limit=query.limit,
        keep=partial(_matches, query),
        oldest_first=query.order == "oldest",
    )
    cursor = seal(key, tenant_uid, page.position)
    one = _body if query.format == "simulacra" else ocsf_event
    return AuditEventList(
        items=[one(event) for event in page.events],
        next_cursor=cursor if page.more else None,
        resume_cursor=cursor if query.order == "oldest" else None,
        events_skipped=page.skipped,
        integrity=await _integrity(repository.services, page.cut),
    )


def _matches(query: AuditQuery, event: AuditEvent) -> bool:
    if query.type not in (None, event.type):
        return False
    if not query.reads and event.type is EventType.ARTEFACT_READ:
        return False
    data, wanted = event.data, query.support_id
    if wanted in (None, data.request, data.uid):
        return True
    return data.uid is not None and wanted == support_id(data.uid)


async def _integrity(services: Services, cut: Cut | None) -> AuditIntegrity:
    """Return what the operator's check of the log has found."""
    found = await services.cluster.find(CONFIGMAPS, AUDIT_CHECK, system_namespace())
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
        kept_days=services.settings.audit_days,
        pruned_until=cut.until if cut else None,
    )


def _body(event: AuditEvent) -> AuditEventBody:
    known = event.data.model_dump(exclude_none=True, exclude={"tenant", "support"})
    if event.data.uid is not None and event.data.kind != KIND:
        known["support_id"] = support_id(event.data.uid)
    if "request" in known:
        known["request_id"] = known.pop("request")
    return AuditEventBody(
        id=event.id, time=event.time, type=event.type, source=event.source, **known
    )


router = APIRouter(prefix="/v1", tags=["account"], route_class=TenantRoute)


@router.get(
    "/usage", operation_id="getUsage", summary="Get the use of the quotas", responses=problems()
)
async def get_usage(repository: CurrentTenant) -> UsageBody:
    """Use and limits of requests per minute, rows per day, stored bytes and jobs."""
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


@router.get(
    "/audit-events",
    operation_id="listAuditEvents",
    summary="List audit events",
    responses=problems(400),
)
async def list_audit_events(
    repository: CurrentTenant, response: Response, query: Annotated[AuditQuery, Query()]
) -> AuditEventList:
    """Every access to the tenant's data, newest first. Records hold ids and counts, never data."""
    page = await audit_page(repository, query)
    link_next(response, repository.url("/v1/audit-events"), query, page.next_cursor)
    return page


@router.get(
    "/support-access",
    operation_id="listSupportAccess",
    summary="List support access",
    responses=problems(),
)
async def list_support_access(repository: CurrentTenant) -> SupportAccessList:
    """Who of the operator may read, or might, status and audit events of the tenant, never data.

    Each begin, use and end is an audit event of the kind `support-access`.
    """
    now, found = utcnow(), repository.caller.tenant.status.support_access
    items = [
        SupportAccessBody(
            support_access_id=one.id,
            status="open" if one.ended_at is None and now < one.ends_at else "ended",
            client=one.subject,
            **one.model_dump(include={"person", "reason", "opened_at", "ends_at", "ended_at"}),
        )
        for one in reversed(found)
    ]
    return SupportAccessList(items=items)
