"""Cleanup of stored objects without a resource, of expired tombstones and of old notices."""

import logging
from collections.abc import Callable
from datetime import datetime

from simulacra_crds import rotation_notice
from simulacra_crds.kube.client import CONFIGMAPS, WORK_RESOURCES, Cluster
from simulacra_crds.tombstone import SELECTOR, read_tombstone
from simulacra_custody.audit.event import Counts, EventType
from simulacra_operator import metrics
from simulacra_operator.observed.custom_resource import tenant_of
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.scope import Scope

log = logging.getLogger(__name__)


async def erase_orphans(cluster: Cluster, custody: CustodyClient, scope: Scope) -> None:
    """Erase old objects whose resource is gone: a crash between a write and its record leaves them.

    Objects of a resource that is created after the listing are younger than custody's grace
    period. A listing that fails raises, and nothing is erased. Tenants outside the scope are not
    listed, so none of their objects is an orphan.
    """
    live = set()
    for api in WORK_RESOURCES:
        async for body in cluster.list(api):
            meta = body["metadata"]
            live.add((tenant_of(meta["namespace"]) or "", api.plural, meta["uid"]))
    sweep, owner = custody.service.sweep_orphans, custody.owner
    report = await custody.run("sweepOrphans", sweep, frozenset(live), owner, tenants=scope.tenants)
    metrics.FOREIGN.set(report.foreign)
    if report.foreign:
        log.warning("unknown objects found in the store", extra={"objects": report.foreign})
    if report.resources:
        metrics.ORPHANS.inc(report.erased.objects)
        log.warning("orphaned objects erased", extra={"objects": report.erased.objects})
        counts = Counts(objects=report.erased.objects, bytes=report.erased.bytes)
        await custody.record(EventType.ORPHANS_SWEPT, counts=counts)


async def delete_notices(cluster: Cluster, now: Callable[[], datetime]) -> None:
    """Delete the notices of rotations whose messages were delivered or given up long ago."""
    before = now() - rotation_notice.LIFETIME
    async for found in cluster.list(CONFIGMAPS, labels=rotation_notice.SELECTOR):
        meta = found["metadata"]
        if datetime.fromisoformat(meta["creationTimestamp"]) < before:
            await cluster.delete(CONFIGMAPS, meta["name"], meta["namespace"], uid=meta["uid"])


async def delete_tombstones(cluster: Cluster, now: Callable[[], datetime]) -> None:
    """Delete the tombstones that expired or cannot be read."""
    time = now()
    async for found in cluster.list(CONFIGMAPS, labels=SELECTOR):
        try:
            expired = time >= read_tombstone(found).expires_at
        except ValueError:
            expired = True
        if expired:
            meta = found["metadata"]
            await cluster.delete(CONFIGMAPS, meta["name"], meta["namespace"], uid=meta["uid"])


async def sweep_certificates(custody: CustodyClient) -> None:
    """Erase the erasure certificates whose retention ended."""
    await custody.run("sweepCertificates", custody.certificates.sweep)
