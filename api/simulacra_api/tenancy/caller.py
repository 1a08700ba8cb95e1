"""The authenticated caller of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request

from simulacra_api.auth.sessions import session_of
from simulacra_api.auth.tokens import unauthenticated
from simulacra_api.services import Services
from simulacra_crds.kinds.tenant import Tenant
from simulacra_crds.names import tenant_namespace
from simulacra_custody.audit.event import AuditData


@dataclass(frozen=True)
class Caller:
    """A client of a tenant, in one request."""

    tenant: Tenant
    client_id: str
    request_id: str

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
        client_id = await services.verifier.client_of(bearer_token(request))
    else:
        client_id = (await session_of(request, services.settings, services.verifier)).client
    tenant = await services.tenants.of_client(client_id)
    request.state.tenant, request.state.client = tenant.metadata.name, client_id
    rate = services.rates.take(tenant.metadata.name, tenant.spec.quotas.requests_per_minute)
    request.state.headers = rate.headers()
    rate.check()
    return Caller(tenant, client_id, request.state.request_id)
