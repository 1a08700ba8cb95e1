"""Forgets Idempotency-Keys 24 hours after they were used: deletes the tombstones that `work.memory` left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from simulacra_crds.contract.tombstone import SELECTOR, read_tombstone
from simulacra_crds.kube.client import CONFIGMAPS, Cluster, ClusterError

log = logging.getLogger(__name__)
INTERVAL_S = 600.0


async def run(cluster: Cluster, now: Callable[[], datetime]) -> None:
    """Sweep every ten minutes until cancelled."""
    while True:
        try:
            await sweep(cluster, now())
        except ClusterError as error:
            log.warning("tombstones were not swept", extra={"error": type(error).__name__})
        await asyncio.sleep(INTERVAL_S)


async def sweep(cluster: Cluster, now: datetime) -> int:
    """Delete the tombstones whose time is over; return how many. One that cannot be read is of no use and goes too."""
    gone = 0
    async for found in cluster.list(CONFIGMAPS, labels=SELECTOR):
        try:
            over = now >= read_tombstone(found).expires_at
        except ValueError:
            over = True
        if over:
            meta = found["metadata"]
            gone += await cluster.delete(
                CONFIGMAPS, meta["name"], meta["namespace"], uid=meta["uid"]
            )
    return gone
