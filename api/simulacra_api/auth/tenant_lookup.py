"""The tenant behind a client id: the one Tenant whose spec.clients lists it."""

from __future__ import annotations

import asyncio
import time

from pydantic import ValidationError

from simulacra_api.http.problems import Problem
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

    async def listing(self, client_id: str) -> list[Tenant]:
        """Return every Tenant that lists a client and is not being deleted."""
        early = self._listed + UNKNOWN_SECONDS - time.monotonic()
        if client_id not in self._by_client and early > 0:
            await asyncio.sleep(early)  # its Tenant may be newer than the list
        if self._is_stale(client_id):
            async with self._lock:  # one read for all waiters
                if self._is_stale(client_id):
                    await self._refresh()
        return self._by_client.get(client_id, [])

    def _is_stale(self, client_id: str) -> bool:
        limit = CACHE_SECONDS if client_id in self._by_client else UNKNOWN_SECONDS
        return time.monotonic() - self._listed > limit

    async def _refresh(self) -> None:
        by_client: dict[str, list[Tenant]] = {}
        async for item in self._cluster.list(TENANTS):
            try:
                tenant = Tenant.model_validate(item)
            except ValidationError:  # an invalid Tenant must not lock the others out
                continue
            if tenant.metadata.deletion_timestamp is None:
                for client in tenant.spec.clients:
                    by_client.setdefault(client, []).append(tenant)
        self._by_client = by_client
        self._listed = time.monotonic()
