"""The sweep: one look at everything, again and again, that owes nothing to events or to memory.

It deletes what is due, copies coarse progress of running work, calls the engine on what is not settled (the safety
net under missed events), and says when it last got through all of it: that age is the operator's liveness.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import ValidationError

from simulacra_crds.base import Phase
from simulacra_crds.cluster import CUSTOM, TENANTS, Cluster, ClusterError, Conflict
from simulacra_crds.reasons import Reason
from simulacra_crds.tenant import TenantSpec
from simulacra_custody.context import ResourceRef
from simulacra_custody.errors import CustodyError
from simulacra_operator import metrics
from simulacra_operator.custodian import Custodian
from simulacra_operator.engine import Engine
from simulacra_operator.expiry import due, expiry
from simulacra_operator.subject import Subject, parse, tenant_of
from simulacra_operator.tenant.observe import WORK_RESOURCES

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 5.0
"""Between two sweeps. Retention is 10 s at least, so what is created meanwhile cannot expire unseen."""
RESYNC_S = 30.0
AGAIN = timedelta(seconds=0.3)
"""How soon a resource is looked at again that changed while it was to be deleted."""
STUCK = timedelta(minutes=10)
PROGRESS_READS = 2
"""Reports that are read at once: the threads of custody are for the work first."""
PROGRESS_STEP = 10
"""Percent: progress is copied to status in steps of this, so that it costs ten writes a Job at most."""


@dataclass
class _Sight:
    """What one sweep saw."""

    subjects: list[Subject] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)

    def limit(self, subject: Subject) -> int:
        """Return the tenant's longest retention in seconds; one that is gone or unreadable sets no limit."""
        default = TenantSpec().max_retention_seconds
        return self.limits.get(tenant_of(subject.meta.namespace) or "", default)


class Sweep:
    """Create it inside the event loop that it runs in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cluster: Cluster = engine.cluster
        self._custodian: Custodian = engine.custodian
        self._resynced = float("-inf")
        self.completed = False
        self._reading = asyncio.Semaphore(PROGRESS_READS)
        self._fresh = asyncio.get_running_loop().time()

    @property
    def age_s(self) -> float:
        """Seconds since a sweep was last completed, before the first one since sweeping began."""
        return asyncio.get_running_loop().time() - self._fresh

    async def run(self) -> None:
        """Sweep until cancelled; a sweep that fails is logged, and the next one starts as usual."""
        self._fresh = asyncio.get_running_loop().time()
        while True:
            pause = LONGEST_PAUSE_S
            try:
                pause = await self.once()
            except (ClusterError, CustodyError) as error:
                log.warning("the sweep was cut short", extra={"error": type(error).__name__})
            except Exception:  # one resource that trips it must not stop the others for good; liveness tells
                log.exception("the sweep failed")
            await asyncio.sleep(pause)

    async def once(self) -> float:
        """Sweep once; return the seconds until the next sweep must start."""
        sight = await self._look()
        now = self._engine.now()
        next_due = await self._delete_due(sight, now)
        await self._resync(sight)
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_PAUSE_S):  # a store that hangs must not hold up the next expiry
                await asyncio.gather(*(self._copy_progress(one) for one in sight.subjects if _is_running(one)))
        _count(sight, now)
        self.completed, self._fresh = True, asyncio.get_running_loop().time()
        wait = (next_due - self._engine.now()).total_seconds()
        return min(max(wait, 0.05), LONGEST_PAUSE_S)

    async def _look(self) -> _Sight:
        sight = _Sight()
        async for body in self._cluster.list(TENANTS):
            tenant = parse(body)
            if tenant.spec is not None:
                sight.limits[tenant.meta.name] = tenant.spec.max_retention_seconds
            if self._time_for(self._resynced, RESYNC_S):
                await self._engine.changed(tenant.key)
        for namespace in self._engine.scope.each():
            await self._look_into(namespace, sight)
        return sight

    async def _look_into(self, namespace: str | None, sight: _Sight) -> None:
        """Read what is in a namespace; a listed one that may not be read (any more) must not hold up the others."""
        try:
            for resource in WORK_RESOURCES:
                async for body in self._cluster.list(resource, namespace):
                    sight.subjects.append(parse(body))
        except ClusterError as error:
            if namespace is None or error.status != 403:
                raise
            log.warning("a listed namespace may not be read", extra={"namespace": namespace})

    async def _delete_due(self, sight: _Sight, now: datetime) -> datetime:
        """Delete what is due, oldest first; return when the next one is."""
        next_due = now + timedelta(seconds=LONGEST_PAUSE_S)
        pending = [(due(one, sight.limit(one)), one) for one in sight.subjects if not one.deleting]
        for end, subject in sorted(pending, key=lambda pair: pair[0].at):
            if end.at > now:
                return min(next_due, end.at)
            if not await self._delete(subject, end.at, end.reason):
                next_due = min(next_due, now + AGAIN)
        return next_due

    async def _delete(self, subject: Subject, at: datetime, reason: Reason) -> bool:
        """Delete what is due as it was seen: of an expiry and an extension, the one that came first counts."""
        key, uid, version = subject.key, subject.meta.uid, subject.meta.resource_version
        gone = await self._cluster.delete(CUSTOM[key.kind], key.name, key.namespace, uid=uid, version=version)
        if gone:
            metrics.EXPIRED.labels(key.kind, reason).inc()
            metrics.EXPIRY_LAG.observe((self._engine.now() - at).total_seconds())
            log.info("deleted", extra={"kind": key.kind, "resource": key.name, "uid": uid, "reason": str(reason)})
        return gone

    async def _resync(self, sight: _Sight) -> None:
        """Call the engine on what is not settled, and on what shows an expiry that is no longer true."""
        everything = self._time_for(self._resynced, RESYNC_S)
        for one in sight.subjects:
            stale = one.finished and one.status.expires_at != expiry(one, sight.limit(one))
            if not one.deleting and (stale or (everything and not one.finished)):
                await self._engine.changed(one.key)
        if everything:
            self._resynced = asyncio.get_running_loop().time()

    async def _copy_progress(self, subject: Subject) -> None:
        tenant, wrapped_key = tenant_of(subject.meta.namespace), subject.status.wrapped_key
        if tenant is None or wrapped_key is None:
            return
        try:
            async with self._reading:
                resource = ResourceRef(tenant, subject.plural, subject.meta.uid)
                report = await self._custodian.progress(resource, wrapped_key)
        except (CustodyError, ValidationError):
            return  # counted by the port; progress is a courtesy
        shown = subject.status.progress.percent if subject.status.progress else 0
        if report is None or report.percent // PROGRESS_STEP <= shown // PROGRESS_STEP:
            return
        progress = {"percent": report.percent // PROGRESS_STEP * PROGRESS_STEP, "etaSeconds": report.eta_seconds}
        patch = {"metadata": {"resourceVersion": subject.meta.resource_version}, "status": {"progress": progress}}
        key = subject.key
        try:
            await self._cluster.patch(CUSTOM[key.kind], key.name, patch, key.namespace, subresource="status")
        except (Conflict, ClusterError) as error:
            if error.status not in (404, 409):
                raise

    @staticmethod
    def _time_for(last: float, interval_s: float) -> bool:
        return asyncio.get_running_loop().time() - last >= interval_s


def _is_running(subject: Subject) -> bool:
    """Sharded work reports by finished shards, which the reconciler sees on the Job."""
    sharded = subject.kind == "GenerationJob" and subject.spec is not None and subject.spec.shards > 1
    return not sharded and not subject.deleting and subject.status.phase == Phase.RUNNING


def _count(sight: _Sight, now: datetime) -> None:
    phases = Counter((one.kind, str(one.status.phase or Phase.PENDING)) for one in sight.subjects)
    for kind, phase in itertools.product((resource.kind for resource in WORK_RESOURCES), Phase):
        metrics.RESOURCES.labels(kind, phase).set(phases[kind, str(phase)])
    asked = [one.meta.deletion_timestamp for one in sight.subjects if one.meta.deletion_timestamp is not None]
    metrics.STUCK_DELETIONS.set(sum(now - at > STUCK for at in asked))
    metrics.EXPIRED_NOT_ERASED.set(sum(expiry(one, sight.limit(one)) < now for one in sight.subjects))
