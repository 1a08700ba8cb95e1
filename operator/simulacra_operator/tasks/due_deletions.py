"""Deletes resources when they are due by the last snapshot; no expiry waits for a sweep.

A deletion applies to the version in the snapshot only, so of an extension and an expiry the first
one wins. A tenant's limit, which changes no version, is read again before it deletes anything.
"""

import asyncio
import logging
from contextlib import suppress

from simulacra_crds.kube.client import CUSTOM, TENANTS
from simulacra_operator import metrics
from simulacra_operator.observed.custom_resource import parse, tenant_of
from simulacra_operator.runtime.controller import Controller
from simulacra_operator.tasks.periodic import logged
from simulacra_operator.tasks.sweep_snapshot import ResourceSnapshot, SweepSnapshot

log = logging.getLogger(__name__)

RETRY_S = 0.3
"""When to read a resource again that changed before its deletion."""
DELETIONS = 8
"""Concurrent deletions: a thousand resources may be due in the same second."""


class DueDeletions:
    """Deletes what is due in its snapshot. Create it inside its event loop."""

    def __init__(self, controller: Controller) -> None:
        self._cluster = controller.cluster
        self._now = controller.now
        self.snapshot = SweepSnapshot()
        self._gone: set[str] = set()
        self._changed = asyncio.Event()
        self._deleting = asyncio.Semaphore(DELETIONS)

    def use(self, snapshot: SweepSnapshot) -> None:
        """Replace the snapshot by that of a new sweep."""
        self._gone &= snapshot.seen.keys()
        self.snapshot = snapshot
        self.wake()

    def wake(self) -> None:
        """Look again when the next resource is due."""
        self._changed.set()

    async def run(self) -> None:
        """Delete resources when they are due, until cancelled."""
        while True:
            next_due, wait = self.snapshot.next_due(), None
            if next_due is not None:
                wait = max((next_due - self._now()).total_seconds(), 0.0)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            self._changed.clear()
            with logged("expiry", survive=True):
                await self.delete_due()

    async def delete_due(self) -> None:
        """Delete what is due, oldest first; wait for the answers."""
        snapshot = self.snapshot
        due = [one for one in snapshot.take_due(self._now()) if one.uid not in self._gone]
        await self._read_limits(snapshot, {one.key.namespace for one in due if one.limited})
        deletions = (self._delete(one, snapshot) for one in due)
        for result in await asyncio.gather(*deletions, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result  # the next sweep finds the resource again

    async def _read_limits(self, snapshot: SweepSnapshot, namespaces: set[str | None]) -> None:
        """Read the limits of tenants again, which are about to delete something."""
        for tenant in {name for namespace in namespaces if (name := tenant_of(namespace))}:
            found = await self._cluster.find(TENANTS, tenant)
            snapshot.limits.pop(tenant, None)
            spec = parse({"kind": TENANTS.kind, **found}).spec if found is not None else None
            if spec is not None:
                snapshot.limits[tenant] = spec.max_retention_seconds

    async def _delete(self, one: ResourceSnapshot, snapshot: SweepSnapshot) -> None:
        """Delete the version in the snapshot; add the resource again if it has changed."""
        api, (_, namespace, name), gone = CUSTOM[one.key.kind], one.key, False
        if not one.limited or one.limit == snapshot.limit(namespace):
            async with self._deleting:
                gone = await self._cluster.delete(
                    api, name, namespace, uid=one.uid, version=one.version
                )
        if gone:
            self._gone.add(one.uid)
            lag = self._now() - one.due.at
            metrics.EXPIRED.labels(one.key.kind, one.due.reason).inc()
            metrics.EXPIRY_LAG.observe(lag.total_seconds())
            fields = {"kind": one.key.kind, "resource": name, "uid": one.uid}
            log.info("resource deleted", extra={**fields, "reason": str(one.due.reason)})
            return
        await asyncio.sleep(RETRY_S)
        async with self._deleting:
            found = await self._cluster.find(api, name, namespace)
        if found is not None and found["metadata"]["uid"] == one.uid:
            snapshot.add({"apiVersion": api.api_version, "kind": api.kind, **found})
