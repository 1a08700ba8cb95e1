"""FastAPI dependency: the authenticated caller of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from simulacra_api.auth.tokens import unauthenticated
from simulacra_api.services import Services, services
from simulacra_crds.names import tenant_namespace
from simulacra_crds.tenant import Tenant
from simulacra_custody.audit import AuditData

_BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A token of /oauth/token.")


@dataclass(frozen=True)
class Caller:
    """A client of a tenant, and the request that it makes."""

    tenant: Tenant
    client_id: str
    request_id: str

    @property
    def tenant_name(self) -> str:
        """Name of the tenant."""
        return self.tenant.metadata.name

    @property
    def namespace(self) -> str:
        """Namespace with the tenant's resources; nothing outside of it is ever addressed for this caller."""
        return tenant_namespace(self.tenant_name)

    def audit_data(self, **fields: Any) -> AuditData:
        """Return the audit record's data with who asks filled in."""
        return AuditData(tenant=self.tenant_name, client=self.client_id, request=self.request_id, **fields)


async def authenticated(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    rooms: Annotated[Services, Depends(services)],
) -> Caller:
    """Return the caller, or answer 401 or 403."""
    if credentials is None:
        raise unauthenticated("a bearer token is required")
    client_id = await rooms.verifier.client_of(credentials.credentials)
    tenant = await rooms.tenants.of_client(client_id)
    request.state.tenant, request.state.client = tenant.metadata.name, client_id
    rate = rooms.rates.take(tenant.metadata.name, tenant.spec.quotas.requests_per_minute)
    request.state.headers = rate.headers()
    rate.check()
    return Caller(tenant, client_id, request.state.request_id)


CurrentCaller = Annotated[Caller, Depends(authenticated)]
Rooms = Annotated[Services, Depends(services)]
