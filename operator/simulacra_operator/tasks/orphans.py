"""Erases stored objects that no resource owns: what a crash between a write and its record may leave behind."""

from __future__ import annotations

import asyncio
import logging

from simulacra_crds.kube.client import Cluster, ClusterError
from simulacra_custody.audit.event import Counts, EventType
from simulacra_custody.errors import CustodyError
from simulacra_operator import metrics
from simulacra_operator.kinds.tenant.observe import WORK_RESOURCES
from simulacra_operator.runtime.custody_client import Custodian
from simulacra_operator.runtime.scope import Scope
from simulacra_operator.work.custom_resource import tenant_of

log = logging.getLogger(__name__)
INTERVAL_S = 600.0


async def run(cluster: Cluster, custodian: Custodian, scope: Scope) -> None:
    """Erase orphans at once and then every ten minutes, until cancelled."""
    while True:
        try:
            await erase_orphans(cluster, custodian, scope)
        except (ClusterError, CustodyError) as error:
            log.warning("orphans were not looked for", extra={"error": type(error).__name__})
        await asyncio.sleep(INTERVAL_S)


async def erase_orphans(cluster: Cluster, custodian: Custodian, scope: Scope) -> None:
    """Look at every resource, then erase what is stored for none of them and was not written lately.

    A resource made after the look is safe: its objects are younger than custody's grace period. A look that fails
    half-way raises, and nothing is erased. Of tenants out of scope nothing is known, so nothing of theirs is an orphan.
    """
    live = set()
    for resource in WORK_RESOURCES:
        async for body in cluster.list(resource):
            live.add(
                (
                    tenant_of(body["metadata"]["namespace"]) or "",
                    resource.plural,
                    body["metadata"]["uid"],
                )
            )
    report = await custodian.sweep_orphans(frozenset(live), scope.tenants)
    metrics.FOREIGN.set(report.foreign)
    if report.foreign:
        log.warning(
            "objects in the store are no artefacts; look at them", extra={"objects": report.foreign}
        )
    if report.resources:
        metrics.ORPHANS.inc(report.erased.objects)
        log.warning(
            "erased objects of resources that are gone", extra={"objects": report.erased.objects}
        )
        counts = Counts(objects=report.erased.objects, bytes=report.erased.bytes)
        await custodian.record(EventType.ORPHANS_SWEPT, counts=counts)
