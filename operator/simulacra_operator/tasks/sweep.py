"""The sweep lists everything again and again, and depends on no event and no memory.

It gives a snapshot to the deletions (`due_deletions`), copies coarse progress of running work,
queues what is not settled (an event may have been missed), and knows when it last completed or made
progress: the liveness of the operator.

Sweeps take a quarter of the time at most. A resource that is created or gets another retention
between two of them is known by its event, and by the next sweep if that is missed.
"""

import asyncio
import itertools
import logging
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta

from simulacra_crds.kinds.base import GROUP, Phase
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Object
from simulacra_crds.kube.transport import CONNECT_SECONDS
from simulacra_custody.audit.live_keys import LiveKey
from simulacra_operator import metrics
from simulacra_operator.observed.custom_resource import Key, parse
from simulacra_operator.runtime.controller import Controller
from simulacra_operator.tasks.due_deletions import DueDeletions
from simulacra_operator.tasks.periodic import Periodic, logged
from simulacra_operator.tasks.progress_copy import copy_progress
from simulacra_operator.tasks.sweep_snapshot import ResourceSnapshot, SweepSnapshot

log = logging.getLogger(__name__)

PAUSE_S = (5.0, 30.0)
"""Shortest and longest pause between two sweeps. Retention is 10 s at least, so after the shortest
pause nothing has expired unseen, even if every event is lost."""
PAUSE_SHARE = 3.0
"""Pause after a sweep, as a multiple of its duration."""
STALLED_S = PAUSE_S[1] + CONNECT_SECONDS + kube.REQUEST_SECONDS
"""A sweep without progress for longer has stalled: a pause, and one request to a slow server. The
duration of a whole sweep says nothing: it depends on the number of resources."""
RESYNC_S = 30.0
MISSED = timedelta(seconds=30)
"""Age of a deletion after which its event counts as missed."""
TOUCHED = f"operator.{GROUP}/touched"
STUCK = timedelta(minutes=10)


class Sweep:
    """Sweeps the served tenants. Create it inside its event loop."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._cluster = controller.cluster
        self._custody = controller.custody
        self.deletions = DueDeletions(controller)
        self._sweeping = False
        self._events: list[ResourceSnapshot] = []
        controller.listeners.append(self.note)
        self.completed = False
        self._resynced = float("-inf")
        self._completed_at = self._progressed_at = _clock()
        self._started = controller.now()

    @property
    def idle_s(self) -> float:
        """Seconds without progress; a sweep that failed made none."""
        return _clock() - self._progressed_at

    @property
    def age_s(self) -> float:
        """Seconds since the last completed sweep, or since the start before the first one."""
        return _clock() - self._completed_at

    @property
    def listing(self) -> tuple[datetime, frozenset[LiveKey]] | None:
        """When the last listing began, and the keys it found; None unless it listed everything."""
        snapshot = self.deletions.snapshot
        if snapshot.began is None or not snapshot.complete:
            return None
        return snapshot.began, snapshot.live_keys()

    async def run(self) -> None:
        """Sweep until cancelled; one that fails is logged, and the next one starts as usual."""
        self._completed_at = self._progressed_at = _clock()
        self._started = self._controller.now()
        async with asyncio.TaskGroup() as group:
            group.create_task(Periodic("sweep", PAUSE_S[0], self._round).run())
            group.create_task(self.deletions.run())

    async def _round(self) -> float:
        """Sweep, then copy progress; return the rest of the pause until the next sweep."""
        started = _clock()
        with logged("sweep", survive=True):
            await self.sweep()
        end = _clock() + pause(_clock() - started)
        # a store that hangs must not delay the next sweep
        with logged("progress copy", survive=True), suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                seen = self.deletions.snapshot.seen.values()
                await copy_progress(self._cluster, self._custody, seen)
        return end - _clock()

    def note(self, body: Object) -> None:
        """Add a resource that was created, or whose spec changed, before the next sweep."""
        one = self.deletions.snapshot.add(body)
        if self._sweeping:
            self._events.append(one)
        self.deletions.wake()

    async def sweep(self) -> None:
        """List everything, and queue what needs a pass."""
        try:
            await self._sweep()
        except BaseException:
            self._progressed_at = self._completed_at
            raise
        self.completed = True
        self._completed_at = _clock()

    async def _sweep(self) -> None:
        self._sweeping = True
        try:
            snapshot = await self._list()
            for one in self._events:
                snapshot.add_event(one)
        finally:
            self._sweeping = False
            self._events.clear()
        self.deletions.use(snapshot)
        await self._resync(snapshot)
        _count(snapshot, self._controller.now())

    def _progressed(self) -> None:
        self._progressed_at = _clock()

    async def _list(self) -> SweepSnapshot:
        began, scope = self._controller.now(), self._controller.scope
        snapshot = SweepSnapshot(began=began, complete=True, before=self.deletions.snapshot.seen)
        async for body in self._cluster.list(kube.TENANTS):
            self._progressed()
            tenant = parse(body)
            deletion = tenant.meta.deletion_timestamp
            if tenant.spec is not None:
                snapshot.limits[tenant.meta.name] = tenant.spec.max_retention_seconds
            served = scope.serves(tenant.key)
            if served and tenant.status.erasure is None:
                snapshot.keyed_tenants.add(tenant.meta.uid)
            if served and deletion is not None:
                snapshot.tenant_deletions.append(deletion)
            if self._resync_due():
                await self._controller.changed(tenant.key)
                if scope.everywhere and tenant.guarded:  # else no event of kopf's is needed
                    await self._touch(tenant.key, tenant.meta.uid, deletion)
        for namespace in scope.each():
            await self._list_namespace(namespace, snapshot)
        snapshot.before = {}
        return snapshot

    async def _list_namespace(self, namespace: str | None, snapshot: SweepSnapshot) -> None:
        """List the resources of a namespace; one that is forbidden must not block the others."""
        try:
            for api in kube.WORK_RESOURCES:
                async for body in self._cluster.list(api, namespace):
                    self._progressed()
                    snapshot.add(body)
                self._progressed()
        except kube.ClusterError as error:
            if namespace is None or error.status != 403:
                raise
            snapshot.complete = False
            log.warning("namespace not listed: forbidden", extra={"namespace": namespace})

    async def _resync(self, snapshot: SweepSnapshot) -> None:
        """Queue what is not settled, and what shows an expiry that is no longer true."""
        everything = self._resync_due()
        for one in tuple(snapshot.seen.values()):  # events add to them meanwhile
            self._progressed()
            if one.deletion is None and (one.stale or (everything and not one.finished)):
                await self._controller.changed(one.key)
            if everything and one.guarded:
                await self._touch(one.key, one.uid, one.deletion)
        if everything:
            self._resynced = _clock()

    def _resync_due(self) -> bool:
        return _clock() - self._resynced >= RESYNC_S

    async def _touch(self, key: Key, uid: str, deletion: datetime | None) -> None:
        """Write to a resource whose deletion event was missed, so that kopf gets another one.

        After a start, kopf lists the resources in deletion first.
        """
        now = self._controller.now()
        if deletion is None or self._controller.is_erasing(uid):
            return
        if now - max(deletion, self._started) < MISSED:
            return
        patch = {"metadata": {"uid": uid, "annotations": {TOUCHED: now.isoformat()}}}
        fields = {"kind": key.kind, "resource": key.name, "uid": uid}
        with suppress(kube.NotFound, kube.Conflict):
            await self._cluster.patch(kube.CUSTOM[key.kind], key.name, patch, key.namespace)
            log.warning("missed deletion event, requeued", extra=fields)


def pause(took_s: float) -> float:
    """Return the pause after a sweep of this duration, in seconds."""
    shortest, longest = PAUSE_S
    return min(max(shortest, PAUSE_SHARE * took_s), longest)


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _count(snapshot: SweepSnapshot, now: datetime) -> None:
    seen = snapshot.seen.values()
    phases = Counter((one.key.kind, one.phase) for one in seen)
    for api, phase in itertools.product(kube.WORK_RESOURCES, Phase):
        metrics.RESOURCES.labels(api.kind, phase).set(phases[api.kind, str(phase)])
    deletions = [one.deletion for one in seen if one.deletion is not None]
    deletions += snapshot.tenant_deletions
    metrics.STUCK_DELETIONS.set(sum(now - at > STUCK for at in deletions))
    metrics.EXPIRED_NOT_ERASED.set(sum(one.expires < now for one in seen))
