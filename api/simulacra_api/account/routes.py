"""Routes of a tenant's quotas, audit events and support access."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from simulacra_api.account.schemas import (
    AuditEventList,
    AuditQuery,
    SupportAccessList,
    UsageBody,
)
from simulacra_api.account.service import audit_page, support_list, usage_of
from simulacra_api.dependencies import CurrentTenant, TenantRoute, problems
from simulacra_api.http.pagination import link_next

router = APIRouter(prefix="/v1", tags=["account"], route_class=TenantRoute)


@router.get(
    "/usage", operation_id="getUsage", summary="Get the use of the quotas", responses=problems()
)
async def get_usage(repository: CurrentTenant) -> UsageBody:
    """Use and limits of requests per minute, rows per day, stored bytes and jobs."""
    return await usage_of(repository)


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
    return support_list(repository)
