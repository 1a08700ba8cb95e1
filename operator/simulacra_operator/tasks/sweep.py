"""The sweep: one look at everything, again and again, that owes nothing to events or to memory.

It deletes what is due, copies coarse progress of running work, calls the engine on what is not settled (the safety
net under missed events), and says when it last got through all of it, or on with it: that is the operator's liveness.

Between two looks it deletes by what the last one saw, at the moment that it is due: a look takes longer the more there
is, and no expiry may wait for one. A deletion holds for the version that was seen and no other, so that of an
extension and an expiry the one that came first counts; a tenant's limit, which changes no version, is read anew before
it ends anything. Looks take a quarter of the time at most; what is made, or given
another retention, between two of them is known by its event, and where that got lost by the next look.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from pydantic import ValidationError

from simulacra_crds.kinds.base import GROUP, Phase
from simulacra_crds.kube.client import (
    CUSTOM,
    REQUEST_SECONDS,
    TENANTS,
    Cluster,
    ClusterError,
    Conflict,
    NotFound,
    Object,
)
from simulacra_crds.kube.transport import CONNECT_SECONDS
from simulacra_custody.errors import CustodyError
from simulacra_custody.refs import ResourceRef
from simulacra_operator import metrics
from simulacra_operator.kinds.tenant.observe import WORK_RESOURCES
from simulacra_operator.runtime.controller import Engine
from simulacra_operator.runtime.custody_client import Custodian
from simulacra_operator.tasks.sweep_snapshot import Running, Sight, Sighted
from simulacra_operator.work.custom_resource import Key, parse, tenant_of

log = logging.getLogger(__name__)

PAUSE_S = (5.0, 30.0)
"""Shortest and longest time between two looks. Retention is 10 s at least, so that after the shortest nothing expires
unseen even when every event is lost."""
PAUSE_SHARE = 3.0
"""The pause after a look, in times that it took."""
STALLED_S = PAUSE_S[1] + CONNECT_SECONDS + REQUEST_SECONDS
"""Longest time in which a sweep that works may not get on: a pause, and then one request to a server that is at its
limit. How long a look takes as a whole is no sign: it is longer the more there is and the busier the server."""
RESYNC_S = 30.0
AGAIN_S = 0.3
"""How soon a resource is looked at that changed while it was to be deleted."""
DELETIONS = 8
"""Deletions that are asked for at once: a thousand may be due in the same second."""
UNHEARD = timedelta(seconds=30)
"""How long after it was asked for a deletion is taken for one whose event was lost."""
TOUCHED = f"operator.{GROUP}/touched"
STUCK = timedelta(minutes=10)
PROGRESS_READS = 2
"""Reports that are read at once: the threads of custody are for the work first."""
PROGRESS_STEP = 10
"""Percent: progress is copied to status in steps of this, so that it costs ten writes a Job at most."""


class Sweep:
    """Create it inside the event loop that it runs in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cluster: Cluster = engine.cluster
        self._custodian: Custodian = engine.custodian
        self._resynced = float("-inf")
        self._sight, self._gone = Sight(), set[str]()
        self._looking = False
        self._noted: list[Sighted] = []
        engine.listeners.append(self.note)
        self._news = asyncio.Event()
        self._deleting = asyncio.Semaphore(DELETIONS)
        self.completed = False
        self._fresh = self._moved = asyncio.get_running_loop().time()
        self._since = engine.now()

    @property
    def still_s(self) -> float:
        """Seconds since it last got on: with a look that is under way or was completed; one that failed is none."""
        return asyncio.get_running_loop().time() - self._moved

    @property
    def age_s(self) -> float:
        """Seconds since a sweep was last completed, before the first one since sweeping began."""
        return asyncio.get_running_loop().time() - self._fresh

    async def run(self) -> None:
        """Sweep until cancelled; a sweep that fails is logged, and the next one starts as usual."""
        self._fresh = self._moved = asyncio.get_running_loop().time()
        self._since = self._engine.now()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_again_and_again())
            group.create_task(self._expire())

    async def _look_again_and_again(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            with _logged():
                await self.look()
            end = loop.time() + pause(loop.time() - began)
            with _logged(), suppress(TimeoutError):
                async with asyncio.timeout_at(
                    end
                ):  # a store that hangs must not hold up the next look
                    await self._copy_progress()
            await asyncio.sleep(end - loop.time())

    async def _expire(self) -> None:
        """Delete what the last look saw, when it is due."""
        while True:
            next_due, wait = self._sight.next_due(), None
            if next_due is not None:
                wait = max((next_due - self._engine.now()).total_seconds(), 0.0)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()
            self._news.clear()
            with _logged():
                await self.delete_due()

    def note(self, body: Object) -> None:
        """Take note of a resource that was made, or whose spec was changed, before the next look finds it."""
        noted = self._sight.add(body)
        if self._looking:
            self._noted.append(noted)
        self._news.set()

    async def look(self) -> None:
        """Look at everything, and call the engine on what needs it."""
        try:
            await self._look()
        except BaseException:
            self._moved = self._fresh
            raise
        self.completed, self._fresh = True, asyncio.get_running_loop().time()

    async def _look(self) -> None:
        self._looking = True
        try:
            sight = await self._seen()
            for one in self._noted:
                sight.keep_noted(one)
        finally:
            self._looking = False
            self._noted.clear()
        self._gone &= sight.seen.keys()
        self._sight = sight
        self._news.set()
        await self._resync(sight)
        _count(sight, self._engine.now())

    def _gets_on(self) -> None:
        self._moved = asyncio.get_running_loop().time()

    async def _seen(self) -> Sight:
        sight = Sight(before=self._sight.seen)
        async for body in self._cluster.list(TENANTS):
            self._gets_on()
            tenant = parse(body)
            if tenant.spec is not None:
                sight.limits[tenant.meta.name] = tenant.spec.max_retention_seconds
            if tenant.meta.deletion_timestamp is not None and self._engine.scope.serves(tenant.key):
                sight.leaving.append(tenant.meta.deletion_timestamp)
            if self._time_for(self._resynced, RESYNC_S):
                await self._engine.changed(tenant.key)
                if (
                    self._engine.scope.everywhere
                ):  # else `tenant.duty` needs no event to let a Tenant go
                    asked = tenant.meta.deletion_timestamp if tenant.guarded else None
                    await self._touch(tenant.key, tenant.meta.uid, asked)
        for namespace in self._engine.scope.each():
            await self._look_into(namespace, sight)
        sight.before = {}
        return sight

    async def _look_into(self, namespace: str | None, sight: Sight) -> None:
        """Read what is in a namespace; a listed one that may not be read (any more) must not hold up the others."""
        try:
            for resource in WORK_RESOURCES:
                async for body in self._cluster.list(resource, namespace):
                    self._gets_on()
                    sight.add(body)
                self._gets_on()
        except ClusterError as error:
            if namespace is None or error.status != 403:
                raise
            log.warning("a listed namespace may not be read", extra={"namespace": namespace})

    async def delete_due(self) -> None:
        """Ask for the deletion of what is due, oldest first; wait for the answers."""
        sight = self._sight
        due = [one for one in sight.take_due(self._engine.now()) if one.uid not in self._gone]
        await self._read_limits(sight, {one.key.namespace for one in due if one.limited})
        results = await asyncio.gather(
            *(self._delete(one, sight) for one in due), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result  # the next look finds what was refused

    async def _read_limits(self, sight: Sight, namespaces: set[str | None]) -> None:
        """Read the limits of tenants anew, by which something is to be deleted."""
        for tenant in {name for namespace in namespaces if (name := tenant_of(namespace))}:
            found = await self._cluster.find(TENANTS, tenant)
            sight.limits.pop(tenant, None)
            if (
                found is not None
                and (spec := parse({"kind": TENANTS.kind, **found}).spec) is not None
            ):
                sight.limits[tenant] = spec.max_retention_seconds

    async def _delete(self, one: Sighted, sight: Sight) -> None:
        """Delete what is due as it was seen; what has changed since is looked at, and is due again if it still is."""
        resource, (_, namespace, name), gone = CUSTOM[one.key.kind], one.key, False
        if not one.limited or one.limit == sight.limit(namespace):
            async with self._deleting:
                gone = await self._cluster.delete(
                    resource, name, namespace, uid=one.uid, version=one.version
                )
        if gone:
            self._gone.add(one.uid)
            metrics.EXPIRED.labels(one.key.kind, one.due.reason).inc()
            metrics.EXPIRY_LAG.observe((self._engine.now() - one.due.at).total_seconds())
            fields = {
                "kind": one.key.kind,
                "resource": name,
                "uid": one.uid,
                "reason": str(one.due.reason),
            }
            log.info("deleted", extra=fields)
            return
        await asyncio.sleep(AGAIN_S)
        async with self._deleting:
            found = await self._cluster.find(resource, name, namespace)
        if found is not None and found["metadata"]["uid"] == one.uid:
            sight.add({"apiVersion": resource.api_version, "kind": resource.kind, **found})

    async def _resync(self, sight: Sight) -> None:
        """Call the engine on what is not settled, and on what shows an expiry that is no longer true."""
        everything = self._time_for(self._resynced, RESYNC_S)
        for one in tuple(sight.seen.values()):  # events add to them meanwhile
            self._gets_on()
            if one.asked is None and (one.stale or (everything and not one.finished)):
                await self._engine.changed(one.key)
            if everything and one.guarded:
                await self._touch(one.key, one.uid, one.asked)
        if everything:
            self._resynced = asyncio.get_running_loop().time()

    async def _touch(self, key: Key, uid: str, asked: datetime | None) -> None:
        """Write to a resource whose deletion no event told of: kopf, which has it erased, gets one by that.

        After a start, what is being deleted is listed to kopf first.
        """
        now = self._engine.now()
        if asked is None or now - max(asked, self._since) < UNHEARD or self._engine.is_erasing(uid):
            return
        patch = {"metadata": {"uid": uid, "annotations": {TOUCHED: now.isoformat()}}}
        with suppress(NotFound, Conflict):
            await self._cluster.patch(CUSTOM[key.kind], key.name, patch, key.namespace)
            log.warning(
                "a deletion was not heard of",
                extra={"kind": key.kind, "resource": key.name, "uid": uid},
            )

    async def _copy_progress(self) -> None:
        running = iter(
            [(one, one.running) for one in self._sight.seen.values() if one.running is not None]
        )

        async def read() -> None:
            for one, facts in running:
                await self._copy_one(one, facts)

        await asyncio.gather(*(read() for _ in range(PROGRESS_READS)))

    async def _copy_one(self, one: Sighted, running: Running) -> None:
        tenant, resource = tenant_of(one.key.namespace), CUSTOM[one.key.kind]
        if tenant is None:
            return
        try:
            ref = ResourceRef(tenant, resource.plural, one.uid)
            report = await self._custodian.progress(ref, running.wrapped_key)
        except (CustodyError, ValidationError):
            return  # counted by the port; progress is a courtesy
        if report is None or report.percent // PROGRESS_STEP <= running.percent // PROGRESS_STEP:
            return
        progress = {
            "percent": report.percent // PROGRESS_STEP * PROGRESS_STEP,
            "etaSeconds": report.eta_seconds,
        }
        patch = {"metadata": {"resourceVersion": one.version}, "status": {"progress": progress}}
        try:
            await self._cluster.patch(
                resource, one.key.name, patch, one.key.namespace, subresource="status"
            )
        except (Conflict, ClusterError) as error:
            if error.status not in (404, 409):
                raise

    @staticmethod
    def _time_for(last: float, interval_s: float) -> bool:
        return asyncio.get_running_loop().time() - last >= interval_s


def pause(took_s: float) -> float:
    """Return how long to wait after a look that took so long, in seconds."""
    shortest, longest = PAUSE_S
    return min(max(shortest, PAUSE_SHARE * took_s), longest)


@contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except (ClusterError, CustodyError) as error:
        log.warning("the sweep was cut short", extra={"error": type(error).__name__})
    except (
        Exception
    ):  # one resource that trips it must not stop the others for good; liveness tells
        log.exception("the sweep failed")


def _count(sight: Sight, now: datetime) -> None:
    seen = sight.seen.values()
    phases = Counter((one.key.kind, one.phase) for one in seen)
    for kind, phase in itertools.product((resource.kind for resource in WORK_RESOURCES), Phase):
        metrics.RESOURCES.labels(kind, phase).set(phases[kind, str(phase)])
    asked = itertools.chain(sight.leaving, (one.asked for one in seen if one.asked is not None))
    metrics.STUCK_DELETIONS.set(sum(now - at > STUCK for at in asked))
    metrics.EXPIRED_NOT_ERASED.set(sum(one.expires < now for one in seen))
