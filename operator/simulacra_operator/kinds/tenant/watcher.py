"""Tenants of an operator that serves listed namespaces: watched here, since kopf would put its finalizer on all.

kopf can be told to leave some Tenants alone, and then takes the finalizer off those that have it: of a Tenant that is
not listed any more the resource would go and the bytes stay. So the reconciler keeps the finalizer here itself.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from simulacra_crds.kube.client import TENANTS, ClusterError
from simulacra_operator.runtime import event_router
from simulacra_operator.runtime.controller import Engine
from simulacra_operator.work.custom_resource import Key

log = logging.getLogger(__name__)
PAUSE_S = 5.0


async def run(engine: Engine) -> None:
    """Pass events of served Tenants on until cancelled; nothing is to be done where kopf watches all."""
    if engine.scope.everywhere:
        await asyncio.Event().wait()
    while True:
        try:
            await _follow(engine)
        except ClusterError as error:  # a refusal; what can pass is waited out by the watch itself
            log.warning("tenants are not watched", extra={"status": error.status})
        await asyncio.sleep(PAUSE_S)


async def _follow(engine: Engine) -> None:
    async with aclosing(engine.cluster.watch(TENANTS)) as changes:
        async for change, body in changes:
            if change != "BOOKMARK" and engine.scope.serves(
                Key("Tenant", None, body["metadata"]["name"])
            ):
                kind = {"apiVersion": TENANTS.api_version, "kind": TENANTS.kind}
                await event_router.changed(engine, {**kind, **body}, change)
