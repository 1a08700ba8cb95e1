"""Requests a minute of a tenant, counted by all API processes together.

Each process counts what it lets through in the present minute of the clock. One whose count of some
tenant has reached a tenth of the limit writes its counts to a ConfigMap of its own and reads those
of its peers, once a second; below that nothing is written or read. A request is let through while
own and known counts are below the limit. So one process holds the limit exactly, and n of them
exceed it by (n - 1) x (a tenth of the limit + what arrives in a second) at most.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass

from simulacra_api.http.problems import Problem
from simulacra_crds.contract.names import system_namespace
from simulacra_crds.kinds.base import LABEL_KIND
from simulacra_crds.kube.client import CONFIGMAPS, Cluster, ClusterError, NotFound, Object

WINDOW_SECONDS = 60
SYNC_SECONDS = 1.0
PUBLISHED_SHARE = 10
"""Counts are shared from one part in so many of the limit on."""
STALE_WINDOWS = 60
"""Counts of a process that has been gone for so many windows are removed by whoever sees them."""
KIND = "request-counts"
_LOG = logging.getLogger("simulacra_api")


@dataclass(frozen=True)
class Rate:
    """Where a tenant stands in the present window."""

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
        """Refuse (429) what is above the limit."""
        if self.used > self.limit:
            detail = f"{self.limit} requests a minute are the limit of this tenant: go on when the minute is over"
            raise Problem(
                "simio_rate_limited", detail, headers={"Retry-After": str(self.reset_seconds)}
            )


class Rates:
    """The counts of this process, and what it knows of its peers'."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._name = f"api-requests-{secrets.token_hex(6)}"
        self._window = -1
        self._own: dict[str, int] = {}
        self._peers: dict[str, int] = {}
        self._shared: set[str] = set()
        self._published: Object | None = None

    def take(self, tenant: str, limit: int) -> Rate:
        """Count a request and return where the tenant stands; one above the limit is not counted."""
        self._roll_window()
        used = self._own.get(tenant, 0) + self._peers.get(tenant, 0) + 1
        if used <= limit:
            self._own[tenant] = self._own.get(tenant, 0) + 1
        if self._own.get(tenant, 0) * PUBLISHED_SHARE >= limit:
            self._shared.add(tenant)
        return Rate(limit, used, self._reset_seconds())

    def used(self, tenant: str) -> int:
        """Return how many requests of a tenant went through in this window."""
        self._roll_window()
        return self._own.get(tenant, 0) + self._peers.get(tenant, 0)

    async def run(self) -> None:
        """Share counts until cancelled."""
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            try:
                await self.sync()
            except (ClusterError, KeyError, ValueError) as error:
                _LOG.warning("request counts were not shared: %s", type(error).__name__)

    async def sync(self) -> None:
        """Write own counts and read the peers', if a tenant is near enough to its limit."""
        self._roll_window()
        if not self._shared:
            return
        data = {
            "window": str(self._window),
            "counts": json.dumps({name: self._own[name] for name in self._shared}),
        }
        if data != self._published:
            await self._publish(data)
        window, peers = self._window, dict[str, int]()
        async for found in self._cluster.list(
            CONFIGMAPS, system_namespace(), labels=f"{LABEL_KIND}={KIND}"
        ):
            if found["metadata"]["name"] == self._name:
                continue
            then = int(found["data"]["window"])
            if then == window:
                for tenant, count in json.loads(found["data"]["counts"]).items():
                    peers[tenant] = peers.get(tenant, 0) + int(count)
            elif then < window - STALE_WINDOWS:
                await self._cluster.delete(
                    CONFIGMAPS, found["metadata"]["name"], system_namespace()
                )
        if window == self._window:
            self._peers = peers

    async def close(self) -> None:
        """Take own counts away."""
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
        """Begin anew when the window is over."""
        window = int(time.time()) // WINDOW_SECONDS
        if window != self._window:
            self._window, self._own, self._peers, self._shared = window, {}, {}, set()

    @staticmethod
    def _reset_seconds() -> int:
        return WINDOW_SECONDS - int(time.time()) % WINDOW_SECONDS
