"""The authenticated caller of a request."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request

from simulacra_api.auth.sessions import session_of
from simulacra_api.auth.tokens import unauthenticated
from simulacra_api.http.problems import Problem
from simulacra_api.services import Services
from simulacra_crds.kinds.support_access import KIND, TOKEN_PREFIX, SupportAccess
from simulacra_crds.kinds.tenant import Tenant
from simulacra_crds.names import tenant_namespace
from simulacra_custody.audit.event import AuditData, EventType, Outcome

SUPPORT_OPERATIONS = frozenset(
    {"listJobs", "getJob", "getUsage", "listAuditEvents", "listSupportAccess"}
)
"""What support access reads. A new route is refused until it is named here."""


@dataclass(frozen=True)
class Caller:
    """A client of a tenant, or a person with support access to it, in one request."""

    tenant: Tenant
    client_id: str
    request_id: str
    support: SupportAccess | None = None

    @property
    def tenant_name(self) -> str:
        """Name of the tenant."""
        return self.tenant.metadata.name

    @property
    def namespace(self) -> str:
        """Namespace of the tenant's resources; the caller reaches nothing outside of it."""
        return tenant_namespace(self.tenant_name)

    def audit_data(self, **fields: Any) -> AuditData:
        """Return the data of an audit record with the caller filled in."""
        who = {"tenant": self.tenant_name, "client": self.client_id, "request": self.request_id}
        return AuditData(**who, **fields)


def bearer_token(request: Request) -> str:
    """Return the token in the Authorization header (RFC 6750), or answer 401."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthenticated("a bearer token is required")
    return token


async def authenticated(request: Request, services: Services) -> Caller:
    """Return the caller by its bearer token or by the cookie of our pages; 401, 403 or 429."""
    if "authorization" in request.headers:
        token = bearer_token(request)
        if token.startswith(TOKEN_PREFIX):
            return await _support(request, services, token)
        client_id = await services.verifier.client_of(token)
    else:
        client_id = (await session_of(request, services.settings, services.verifier)).client
    tenant = await services.tenants.of_client(client_id)
    _admit(request, services, tenant, client_id)
    return Caller(tenant, client_id, request.state.request_id)


async def _support(request: Request, services: Services, token: str) -> Caller:
    """Return a person with support access; each request is on record, also a refused one (403)."""
    tenant, access = await services.tenants.of_support(token)
    _admit(request, services, tenant, access.subject)
    caller = Caller(tenant, access.subject, request.state.request_id, access)
    operation = request.scope["route"].operation_id
    granted = operation in SUPPORT_OPERATIONS
    data = caller.audit_data(
        kind=KIND,
        uid=access.id,
        operation=operation,
        outcome=Outcome.SUCCESS if granted else Outcome.REFUSED,
    )
    await services.record(EventType.SUPPORT_USED, data)
    if not granted:
        raise Problem("simio_support_refused")
    return caller


def _admit(request: Request, services: Services, tenant: Tenant, client_id: str) -> None:
    """Name tenant and client in the access log, and check the tenant's rate."""
    request.state.tenant, request.state.client = tenant.metadata.name, client_id
    rate = services.rates.take(tenant.metadata.name, tenant.spec.quotas.requests_per_minute)
    request.state.headers = rate.headers()
    rate.check()
