"""Rate limit: requests per minute of a tenant, counted by all API processes together.

Each process counts the requests it accepts in the current minute of the clock. When its count of a
tenant reaches a tenth of the limit, it writes its counts to its own ConfigMap and reads those of
its peers, once a second; below that it writes and reads nothing. A request is accepted while own
and known counts are below the limit. So one process keeps the limit exactly, and n processes exceed
it by at most (n - 1) x (a tenth of the limit + the requests of a second).
"""

import asyncio
import json
import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass

from simulacra_api.http.problems import Problem
from simulacra_crds.kinds.base import LABEL_KIND
from simulacra_crds.kube.client import CONFIGMAPS, Cluster, ClusterError, NotFound, Object
from simulacra_crds.names import system_namespace

WINDOW_SECONDS = 60
SYNC_SECONDS = 1.0
PUBLISHED_SHARE = 10
"""Counts are shared from this fraction (1/10) of the limit on."""
STALE_WINDOWS = 60
"""Counts of a process that stopped this many windows ago are removed by any other process."""
KIND = "request-counts"
_LOG = logging.getLogger("simulacra_api")


@dataclass(frozen=True)
class Rate:
    """Usage of a tenant in the current window."""

    limit: int
    used: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers-10."""
        left = max(0, self.limit - self.used)
        return {
            "RateLimit-Policy": f'"requests";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"requests";r={left};t={self.reset_seconds}',
        }

    def check(self) -> None:
        """Refuse (429) a request above the limit."""
        if self.used > self.limit:
            detail = (
                f"The tenant's limit is {self.limit} requests per minute. Wait for the next one."
            )
            headers = {"Retry-After": str(self.reset_seconds)}
            raise Problem("simio_rate_limited", detail, headers=headers)


class Rates:
    """Request counts of this process and its peers."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._name = f"api-requests-{secrets.token_hex(6)}"
        self._window = -1
        self._own: dict[str, int] = {}
        self._peers: dict[str, int] = {}
        self._shared: set[str] = set()
        self._published: Object | None = None

    def take(self, tenant: str, limit: int) -> Rate:
        """Count a request and return the usage; a request above the limit is not counted."""
        self._roll_window()
        used = self._own.get(tenant, 0) + self._peers.get(tenant, 0) + 1
        if used <= limit:
            self._own[tenant] = self._own.get(tenant, 0) + 1
        if self._own.get(tenant, 0) * PUBLISHED_SHARE >= limit:
            self._shared.add(tenant)
        return Rate(limit, used, self._reset_seconds())

    def used(self, tenant: str) -> int:
        """Return the accepted requests of a tenant in this window."""
        self._roll_window()
        return self._own.get(tenant, 0) + self._peers.get(tenant, 0)

    async def run(self) -> None:
        """Share counts until cancelled."""
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            try:
                await self.sync()
            except (ClusterError, KeyError, ValueError) as error:
                _LOG.warning("sharing request counts failed cause=%s", type(error).__name__)

    async def sync(self) -> None:
        """Write own counts and read those of the peers, if a tenant is near its limit."""
        self._roll_window()
        if not self._shared:
            return
        counts = json.dumps({name: self._own[name] for name in self._shared})
        data = {"window": str(self._window), "counts": counts}
        if data != self._published:
            await self._publish(data)
        window = self._window
        peers: dict[str, int] = {}
        labels = f"{LABEL_KIND}={KIND}"
        async for found in self._cluster.list(CONFIGMAPS, system_namespace(), labels=labels):
            name = found["metadata"]["name"]
            if name == self._name:
                continue
            then = int(found["data"]["window"])
            if then == window:
                for tenant, count in json.loads(found["data"]["counts"]).items():
                    peers[tenant] = peers.get(tenant, 0) + int(count)
            elif then < window - STALE_WINDOWS:
                await self._cluster.delete(CONFIGMAPS, name, system_namespace())
        if window == self._window:
            self._peers = peers

    async def close(self) -> None:
        """Remove own counts."""
        if self._published is not None:
            with suppress(ClusterError):
                await self._cluster.delete(CONFIGMAPS, self._name, system_namespace())

    async def _publish(self, data: Object) -> None:
        try:
            await self._cluster.patch(CONFIGMAPS, self._name, {"data": data}, system_namespace())
        except NotFound:
            metadata = {"name": self._name, "labels": {LABEL_KIND: KIND}}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            await self._cluster.create(CONFIGMAPS, body, system_namespace())
        self._published = data

    def _roll_window(self) -> None:
        """Reset all counts when the window is over."""
        window = int(time.time()) // WINDOW_SECONDS
        if window != self._window:
            self._window = window
            self._own = {}
            self._peers = {}
            self._shared = set()

    @staticmethod
    def _reset_seconds() -> int:
        return WINDOW_SECONDS - int(time.time()) % WINDOW_SECONDS
