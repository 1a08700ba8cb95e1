"""The controller: takes a key from the queue, plans a pass (`planner`) and runs its actions.

A pass with actions is followed by another, until one has none. A pass that fails is retried with
backoff. Events only say that a key may need a pass; the sweep finds what a missed event concerned.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from simulacra_crds.auth0 import Auth0, Auth0Error
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster, Object
from simulacra_custody.errors import (
    AuditCorrupt,
    AuditUnavailable,
    CustodyError,
    KeyCheckError,
    KeyMissing,
    KeyUnavailable,
)
from simulacra_operator import metrics
from simulacra_operator.kinds.tenant.observe import KeyCheck
from simulacra_operator.observed.custom_resource import Key
from simulacra_operator.observed.ended_jobs import EndedJobs
from simulacra_operator.observed.observe import Fault, WorkObserver
from simulacra_operator.observed.read_cache import ReadCache
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.runtime.executor import Executor
from simulacra_operator.runtime.job_event_filter import JobEventFilter, last_deletion
from simulacra_operator.runtime.job_slots import JobSlots
from simulacra_operator.runtime.planner import RECONCILERS, Planner, Seen
from simulacra_operator.runtime.queue import WorkQueue
from simulacra_operator.runtime.resource_state import ResourceStates, sources_of
from simulacra_operator.runtime.signing_keys import SigningKeys
from simulacra_operator.settings import Settings
from simulacra_operator.work.actions import Action, CreateJob, DeleteJob

log = logging.getLogger(__name__)

WORKERS = 24
"""Concurrent passes. A pass waits for the API server and the store nearly all of its time."""
DELETION_POLL_S = 2.0
"""How often a deletion is polled when no event says that its dependants are gone."""
FORGET_S = 60.0


@dataclass
class Erasure:
    """The erasure of a resource, by its uid; awaited: kopf knows its deletion."""

    released: asyncio.Event = field(default_factory=asyncio.Event)
    awaited: bool = False


class Controller:
    """Runs the reconcilers. Create it inside its event loop."""

    def __init__(
        self,
        cluster: Cluster,
        custody: CustodyClient,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self.cluster = cluster
        self.custody = custody
        self.now = now
        self.scope = settings.scope
        self.auth0 = Auth0(settings.auth0) if settings.auth0 else None
        self.checks: dict[str, KeyCheck] = {}
        self.listeners: list[Callable[[Object], None]] = []
        self.signing_keys = SigningKeys(cluster)
        self._cache = ReadCache(cluster)
        self._queue = WorkQueue()
        self._states = ResourceStates()
        self._erasures: dict[str, Erasure] = {}
        self.job_events = JobEventFilter()
        self.slots = JobSlots(cluster, self._queue.add)
        self.ended_jobs = EndedJobs()
        works = WorkObserver(cluster, settings, self._cache, self.ended_jobs, custody)
        self._planner = Planner(cluster, settings, works, self.slots, self.checks)

    async def run(self) -> None:
        """Run passes until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work())

    async def changed(self, key: Key) -> None:
        """Queue a resource that somebody else changed, and those that wait for it."""
        self._cache.drop(key)
        await self.wake(key)

    async def wake(self, key: Key) -> None:
        """Queue a resource whose Job changed, and those that wait for it."""
        if not self.scope.serves(key):
            return
        if key.kind in RECONCILERS or key.kind in ("Tenant", "AccessRequest"):
            await self._queue.add(key)
        await self.wake_waiting(key)

    def notify(self, key: Key, body: Object) -> None:
        """Pass a resource that is new or whose spec changed to the listeners."""
        if key.kind in RECONCILERS and self.scope.serves(key):
            for listener in self.listeners:
                listener(body)

    async def wake_waiting(self, key: Key) -> None:
        """Queue the resources that wait for a change of this key."""
        self._cache.invalidate(key)
        for one in tuple(self._states.get(key).waiting):
            await self._queue.add(one)

    async def wait_until_erased(self, key: Key, uid: str) -> None:
        """Return once a resource that is being deleted is erased."""
        erasure = self._erasures.setdefault(uid, Erasure())
        erasure.awaited = True
        await self._queue.add(key)
        await erasure.released.wait()

    def release(self, uid: str) -> None:
        """Let `wait_until_erased` return for a resource."""
        self._erasures.setdefault(uid, Erasure()).released.set()

    def is_erasing(self, uid: str) -> bool:
        """Return whether `wait_until_erased` was called for a resource.

        A pass may erase a resource whose deletion event was missed. Its finalizer stays then.
        """
        return uid in self._erasures and self._erasures[uid].awaited

    def written(self, key: Key, body: Object) -> None:
        """Note a resource after our own write, whose event needs no pass."""
        self._states.set(key, written=body["metadata"]["resourceVersion"])
        if key.kind in RECONCILERS:
            self._cache.keep(key, body)

    def is_own(self, key: Key, version: str) -> bool:
        """Return whether a version of a resource is that of our last write."""
        return self._states.get(key).written == version

    def rest(self, key: Key) -> None:
        """Drop the state of a resource whose work ended; its ancestors no longer concern it."""
        self._states.set(key, written="", actions=None)
        self._cache.drop(key)
        self._states.wait(key)

    async def forget(self, key: Key, uid: str) -> None:
        """Drop the state of a resource that is gone.

        Its release is dropped later: a pass that read it before must not erase it twice.
        """
        asyncio.get_running_loop().call_later(FORGET_S, self._erasures.pop, uid, None)
        self.checks.pop(uid, None)
        self._states.set(key, fault=None)
        self._queue.forgive(key)
        self.rest(key)
        await self.slots.release(key)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                with metrics.PASS_SECONDS.labels(key.kind).time():
                    result = await self._pass(key)
                metrics.PASSES.labels(key.kind, result).inc()
            finally:
                await self._queue.done(key)

    async def _pass(self, key: Key) -> str:
        """Run a pass; an error becomes a fault that the next attempt shows."""
        try:
            return await self._attempt(key)
        except (kube.Conflict, kube.NotFound):
            await self._queue.retry(key, last=1.0)  # a stale read
            return "conflict"
        except (CustodyError, kube.ClusterError, Auth0Error) as error:
            fault, status = _fault(error), getattr(error, "status", type(error).__name__)
        except Exception as error:
            fault, status = Fault.INTERNAL, type(error).__name__
            log.error("pass failed", extra={**key.fields(), "trace": _trace(error)})
        if fault is not None:
            self._states.set(key, fault=fault)
        await self.slots.release(key)  # a resource that cannot start must not block others
        delay = await self._queue.retry(key)
        dependency = fault.name if fault else "CLUSTER"
        fields = {**key.fields(), "dependency": dependency, "status": status, "retry_in_s": delay}
        log.warning("dependency call failed", extra=fields)
        # SimulacraCustodyErrors says these already: one cause has one alert
        return "unavailable" if fault and fault.of_custody else "failed"

    async def _attempt(self, key: Key) -> str:
        plan = await self._planner.plan(key, self.now(), self._states.get(key).fault)
        if plan is None:
            return self._gone(key)
        return await self._act(key, *plan)

    def _gone(self, key: Key) -> str:
        self._states.set(key, fault=None, actions=None)
        self._queue.forgive(key)
        return "gone"

    async def _act(self, key: Key, seen: Seen, actions: list[Action]) -> str:
        resource = seen.resource
        erasure = self._erasures.get(resource.meta.uid)
        if resource.deleting and erasure is not None and erasure.released.is_set():
            return "released"
        self._states.wait(key, sources_of(seen))
        if (job := last_deletion(resource, actions)) is not None:
            self.job_events.ignore_deletion(job)
        executor = Executor(self.cluster, self.custody, self, resource)
        for action in actions:
            await executor.run(action)
        self._states.set(key, fault=None)
        if actions and (resource.deleting or not isinstance(actions[-1], CreateJob | DeleteJob)):
            await self._requeue(key, actions)
            return "acted"
        self._states.set(key, actions=None)
        self._queue.forgive(key)
        if actions:
            return "acted"  # the Job's event starts the next pass
        if resource.deleting and resource.guarded:  # else another finalizer keeps it
            await self._queue.add(key, DELETION_POLL_S)
            return "draining"
        return "settled"

    async def _requeue(self, key: Key, actions: list[Action]) -> None:
        """Queue a pass at once, or with backoff when the last pass had the same actions."""
        current = hash(repr(actions))
        if self._states.get(key).actions == current:
            await self._queue.retry(key)
            return
        self._states.set(key, actions=current)
        self._queue.forgive(key)
        await self._queue.add(key)


def _fault(error: Exception) -> Fault | None:
    if isinstance(error, AuditUnavailable | AuditCorrupt):
        return Fault.AUDIT
    if isinstance(error, KeyMissing):
        return Fault.MISSING_KEY
    if isinstance(error, KeyUnavailable | KeyCheckError):
        return Fault.KEYS
    if isinstance(error, CustodyError):
        return Fault.STORE
    return None if isinstance(error, kube.Unavailable | Auth0Error) else Fault.CLUSTER


def _trace(error: BaseException) -> list[str]:
    """Return where an exception was raised; never its text, which may quote customer data."""
    frames = traceback.extract_tb(error.__traceback__)
    return [type(error).__name__, *(f"{frame.name}:{frame.lineno}" for frame in frames[-6:])]
