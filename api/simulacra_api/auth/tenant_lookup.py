"""The tenant behind a client id or a support token: the Tenant whose spec or status lists it."""

import asyncio
import hashlib
import time

from pydantic import ValidationError

from simulacra_api.http.problems import Problem
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kinds.support_access import SupportAccess
from simulacra_crds.kinds.tenant import Tenant
from simulacra_crds.kube.client import TENANTS, Cluster

CACHE_SECONDS = 3.0
"""Maximum age of the list of Tenants, and so the delay of a suspension."""
UNKNOWN_SECONDS = 0.5
"""Maximum age of the list for a client that it lacks, so that a new client works at once."""


class Tenants:
    """Looks clients up in a list of the Tenants that is at most a few seconds old."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._by_client: dict[str, list[Tenant]] = {}
        self._by_token: dict[str, tuple[Tenant, SupportAccess]] = {}
        self._listed = float("-inf")
        self._lock = asyncio.Lock()

    async def of_client(self, client_id: str) -> Tenant:
        """Return the tenant that a client acts for.

        Raises:
            Problem: 403 when there is none or more than one, or it is suspended.
        """
        found = await self.listing(client_id)
        if len(found) != 1:
            raise Problem("simio_forbidden")
        tenant = found[0]
        if tenant.spec.suspend:
            raise Problem("simio_tenant_suspended")
        return tenant

    async def of_support(self, token: str) -> tuple[Tenant, SupportAccess]:
        """Return the tenant and the access of a support token, also of a suspended tenant.

        Raises:
            Problem: 401 for an unknown token, and before its begin is recorded or after its end.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        await self._current(digest)
        found = self._by_token.get(digest)
        if found is None or utcnow() >= found[1].ends_at:
            detail = "The support access has ended or is unknown. Ask for another one."
            raise Problem("simio_unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})
        return found

    async def listing(self, client_id: str) -> list[Tenant]:
        """Return every Tenant that lists a client and is not being deleted."""
        await self._current(client_id)
        return self._by_client.get(client_id, [])

    async def _current(self, key: str) -> None:
        """Read the Tenants again if the list is too old for a client id or a token's digest."""
        early = self._listed + UNKNOWN_SECONDS - time.monotonic()
        if not self._knows(key) and early > 0:
            await asyncio.sleep(early)  # its Tenant may be newer than the list
        if self._is_stale(key):
            async with self._lock:  # one read for all waiters
                if self._is_stale(key):
                    await self._refresh()

    def _knows(self, key: str) -> bool:
        return key in self._by_client or key in self._by_token

    def _is_stale(self, key: str) -> bool:
        limit = CACHE_SECONDS if self._knows(key) else UNKNOWN_SECONDS
        return time.monotonic() - self._listed > limit

    async def _refresh(self) -> None:
        by_client: dict[str, list[Tenant]] = {}
        by_token: dict[str, tuple[Tenant, SupportAccess]] = {}
        async for item in self._cluster.list(TENANTS):
            try:
                tenant = Tenant.model_validate(item)
            except ValidationError:  # an invalid Tenant must not lock the others out
                continue
            if tenant.metadata.deletion_timestamp is None:
                for client in tenant.spec.clients:
                    by_client.setdefault(client, []).append(tenant)
                for access in tenant.status.support_access:
                    if access.recorded and access.ended_at is None:
                        by_token[access.token_sha256] = tenant, access
        self._by_client, self._by_token = by_client, by_token
        self._listed = time.monotonic()
