"""The safety net under missed events of AccessRequests, and the clock by which old ones are forgotten."""

from __future__ import annotations

import asyncio
import logging

from simulacra_crds.kube.client import ACCESS_REQUESTS, ClusterError
from simulacra_operator.runtime.controller import Engine
from simulacra_operator.work.custom_resource import key_of

log = logging.getLogger(__name__)
INTERVAL_S = 300.0


async def run(engine: Engine) -> None:
    """Call the engine on every AccessRequest, every five minutes, until cancelled."""
    while True:
        try:
            async for body in engine.cluster.list(ACCESS_REQUESTS):
                await engine.changed(key_of(body))
        except ClusterError as error:
            log.warning("access requests were not looked at", extra={"error": type(error).__name__})
        await asyncio.sleep(INTERVAL_S)
