"""Runs the passes: takes a key from the queue, looks at the world, asks the reconciler, does what it says.

A pass that did something is followed by another, until one finds nothing to do. One that fails is tried again by the
queue's clock. Events only say that a key may have something to do; that a missed one costs nothing but time is the
sweep's business, which calls `changed` for everything that is not settled.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from simulacra_crds.auth0 import Auth0, Auth0Error
from simulacra_crds.kube.client import (
    Cluster,
    ClusterError,
    Conflict,
    NotFound,
    Object,
    Unavailable,
)
from simulacra_custody.errors import AuditUnavailable, CustodyError
from simulacra_operator import metrics
from simulacra_operator.kinds.access_request import reconcile as accessrequest
from simulacra_operator.kinds.access_request.observe import AccessObserved
from simulacra_operator.kinds.access_request.observe import observe as observe_access
from simulacra_operator.kinds.dataset import reconcile as dataset
from simulacra_operator.kinds.effect_estimate import reconcile as effectestimate
from simulacra_operator.kinds.generation_job import reconcile as generationjob
from simulacra_operator.kinds.model import reconcile as model
from simulacra_operator.kinds.tenant import reconcile as tenant
from simulacra_operator.kinds.tenant.observe import TenantObserver
from simulacra_operator.kinds.tenant.observed import KeyCheck, TenantObserved
from simulacra_operator.runtime.actions import Action, CreateJob, DeleteJob, MakeKey, PatchStatus
from simulacra_operator.runtime.custody_client import Custodian
from simulacra_operator.runtime.executor import Executor
from simulacra_operator.runtime.job_event_filter import JobsSeen
from simulacra_operator.runtime.job_slots import Places
from simulacra_operator.runtime.queue import WorkQueue
from simulacra_operator.runtime.read_cache import SharedReads
from simulacra_operator.runtime.signing_keys import Installation
from simulacra_operator.settings import Settings
from simulacra_operator.work.custom_resource import Key, Subject
from simulacra_operator.work.observe import WorkObserver
from simulacra_operator.work.observed import Fault, Observed

log = logging.getLogger(__name__)

RECONCILERS: dict[str, Callable[[Observed], list[Action]]] = {
    "Dataset": dataset.reconcile,
    "Model": model.reconcile,
    "GenerationJob": generationjob.reconcile,
    "EffectEstimate": effectestimate.reconcile,
}
_Seen = Observed | TenantObserved | AccessObserved
WORKERS = 24
"""Passes at once. A pass waits for answers nearly all of its time, of the API server and of the store."""
DELETION_POLL_S = 2.0
"""How often a deletion looks again when no event says that what it waits for is gone."""

FORGET_S = 60.0


class Engine:
    """The reconcilers at work. Create it inside the event loop that it runs in."""

    def __init__(
        self,
        cluster: Cluster,
        custodian: Custodian,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self.cluster, self.custodian, self.now, self.scope = cluster, custodian, now, settings.scope
        self.auth0 = Auth0(settings.auth0) if settings.auth0 else None
        self.checks: dict[str, KeyCheck] = {}
        self.listeners: list[Callable[[Object], None]] = []
        self.installation = Installation(cluster)
        self._shared = SharedReads(cluster)
        self._works = WorkObserver(cluster, settings, self._shared)
        self._tenants = TenantObserver(
            cluster, settings.pod_access, prepared=not settings.scope.everywhere
        )
        self._queue = WorkQueue()
        self._faults: dict[Key, Fault] = {}
        self._waiting: dict[Key, set[Key]] = {}
        self._waits_for: dict[Key, frozenset[Key]] = {}
        self._released: dict[str, asyncio.Event] = {}
        self._heard: set[str] = set()
        self._written: dict[Key, str] = {}
        self._did: dict[Key, int] = {}
        self.jobs = JobsSeen()
        self.places = Places(cluster, self._queue.add)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work())

    async def changed(self, key: Key) -> None:
        """Take note that a resource may have something to do; those that wait for it may as well."""
        if not self.scope.serves(key):
            return
        if key.kind in RECONCILERS or key.kind in ("Tenant", "AccessRequest"):
            await self._queue.add(key)
        await self.awaited(key)

    def tell(self, key: Key, body: Object) -> None:
        """Show those who listen a resource that was made, or whose spec is another."""
        if key.kind in RECONCILERS and self.scope.serves(key):
            for listener in self.listeners:
                listener(body)

    async def awaited(self, key: Key) -> None:
        """Wake those that wait for a change of this key."""
        self._shared.forget(key)
        for one in tuple(self._waiting.get(key, ())):
            await self._queue.add(one)

    async def erased_for_good(self, key: Key, uid: str) -> None:
        """Return once everything of a resource that is being deleted is gone."""
        released = self._released.setdefault(uid, asyncio.Event())
        self._heard.add(uid)
        await self._queue.add(key)
        await released.wait()

    def release(self, uid: str) -> None:
        """Let `erased_for_good` return for a resource."""
        self._released.setdefault(uid, asyncio.Event()).set()

    def is_erasing(self, uid: str) -> bool:
        """Return whether `erased_for_good` was called for a resource: its deletion is known, and may be over.

        A resource may be erased without: the pass that something else started saw its deletion. Its finalizer stays.
        """
        return uid in self._heard

    def written(self, key: Key, version: str) -> None:
        """Take note of the version that a resource has by a write of ours: its event tells nothing new."""
        self._written[key] = version

    def is_own(self, key: Key, version: str) -> bool:
        """Return whether a version of a resource is by the last write of ours."""
        return self._written.get(key) == version

    def rest(self, key: Key) -> None:
        """Keep nothing in mind of a resource whose work has ended; nothing that it came from concerns it any more."""
        self._written.pop(key, None)
        self._did.pop(key, None)
        self._wait_for(key, frozenset())

    async def forget(self, key: Key, uid: str) -> None:
        """Drop what is remembered of a resource that is gone.

        That it was released is dropped later: a pass that still saw it must not erase, and record, a second time.
        """
        asyncio.get_running_loop().call_later(FORGET_S, self._released.pop, uid, None)
        asyncio.get_running_loop().call_later(FORGET_S, self._heard.discard, uid)
        self.checks.pop(uid, None)
        self._faults.pop(key, None)
        self._queue.forgive(key)
        self.rest(key)
        await self.places.leave(key)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._pass(key)
            finally:
                await self._queue.done(key)

    async def _pass(self, key: Key) -> None:
        with metrics.PASS_SECONDS.labels(key.kind).time():
            result = await self._guarded(key)
        metrics.PASSES.labels(key.kind, result).inc()

    async def _guarded(self, key: Key) -> str:
        """Run a pass; turn what ports raise into a fault that the next pass shows, and the next try."""
        try:
            return await self._attempt(key)
        except (Conflict, NotFound):
            await self._queue.retry(key, last=1.0)  # a stale view: look again
            return "conflict"
        except (AuditUnavailable, CustodyError, ClusterError, Auth0Error) as error:
            fault = _fault(error)
            status = getattr(error, "status", type(error).__name__)
        except Exception as error:
            fault, status = Fault.INTERNAL, type(error).__name__
            log.error("a pass failed", extra={**_names(key), "trace": _trace(error)})
        if fault is not None:
            self._faults[key] = fault
        await self.places.leave(key)  # who cannot start now holds nobody up
        delay = await self._queue.retry(key)
        port = fault.name if fault else "CLUSTER"
        log.warning(
            "a port refused",
            extra={**_names(key), "port": port, "status": status, "retry_in_s": delay},
        )
        return "failed"

    async def _attempt(self, key: Key) -> str:
        """Run a pass. One that would start a Job asks for a place in the tenant's quota first."""
        if key.kind == "AccessRequest":
            facts = {"external": self.auth0 is not None, "prepared": not self.scope.everywhere}
            seen_access = await observe_access(self.cluster, key, self.now(), **facts)
            if seen_access is None:
                return self._gone(key)
            return await self._act(key, seen_access, accessrequest.reconcile(seen_access))
        if key.kind == "Tenant":
            seen_tenant = await self._tenants.observe(
                key, self.now(), self._faults.get(key), self.checks
            )
            if seen_tenant is None:
                return self._gone(key)
            return await self._act(key, seen_tenant, tenant.reconcile(seen_tenant))
        seen = await self._works.observe(key, self.now(), self._faults.get(key))
        if seen is None:
            await self.places.leave(key)
            return self._gone(key)
        actions = RECONCILERS[key.kind](seen)
        if any(isinstance(action, CreateJob | MakeKey) for action in actions):
            limit = seen.tenant_spec.quotas.concurrent_jobs
            if not await self.places.ask(key, seen.subject.created, limit):
                seen = replace(seen, place=False)
                actions = RECONCILERS[key.kind](seen)
        elif seen.job is not None:
            await self.places.job(seen.job)
        else:
            await self.places.leave(key)
        return await self._act(key, seen, actions)

    def _gone(self, key: Key) -> str:
        self._faults.pop(key, None)
        self._did.pop(key, None)
        self._queue.forgive(key)
        return "gone"

    async def _act(self, key: Key, seen: _Seen, actions: list[Action]) -> str:
        subject = seen.subject
        if subject.deleting and self._is_released(subject.meta.uid):
            return "released"
        self._wait_for(key, _sources(seen))
        if (job := _last_job(subject, actions)) is not None:
            self.jobs.over(job)
        executor = Executor(self.cluster, self.custodian, self, subject)
        for action in actions:
            await executor.run(action)
        self._faults.pop(key, None)
        if actions and (subject.deleting or not isinstance(actions[-1], CreateJob | DeleteJob)):
            await self._look_again(key, actions)
            return "acted"
        self._did.pop(key, None)
        self._queue.forgive(key)
        if actions:
            return "acted"  # it ends in a Job's event
        if subject.deleting and subject.guarded:  # else somebody else's finalizer keeps it
            await self._queue.add(key, DELETION_POLL_S)
            return "draining"
        return "settled"

    async def _look_again(self, key: Key, actions: list[Action]) -> None:
        """Look at once whether that was all; what was done before, and did not take hold, waits as a failure does."""
        did = hash(repr(actions))
        if self._did.get(key) == did:
            await self._queue.retry(key)
            return
        self._did[key] = did
        self._queue.forgive(key)
        await self._queue.add(key)

    def _is_released(self, uid: str) -> bool:
        released = self._released.get(uid)
        return released is not None and released.is_set()

    def _wait_for(self, key: Key, sources: frozenset[Key]) -> None:
        """Remember whose changes concern a resource, so that their events wake it."""
        before = self._waits_for.pop(key, frozenset())
        for gone in before - sources:
            waiting = self._waiting.get(gone, set())
            waiting.discard(key)
            if not waiting:
                self._waiting.pop(gone, None)
        for source in sources:
            self._waiting.setdefault(source, set()).add(key)
        if sources:
            self._waits_for[key] = sources


def _last_job(subject: Subject, actions: list[Action]) -> str | None:
    """Return the uid of the Job whose deletion is the last thing to do for a resource; None if more is to come."""
    last = actions[-1] if actions else None
    if not isinstance(last, DeleteJob) or subject.deleting:
        return None
    ends = any(isinstance(one, PatchStatus) and one.patch.get("finishedAt") for one in actions)
    return last.uid if ends or subject.finished else None


def _sources(seen: _Seen) -> frozenset[Key]:
    if isinstance(seen, AccessObserved):
        return frozenset({Key("Tenant", None, seen.tenant_name)})
    subject = seen.subject
    keys = {one.key for one in seen.dependants}
    if isinstance(seen, TenantObserved) or (subject.finished and not subject.deleting):
        return frozenset(keys)
    keys.add(Key("Tenant", None, seen.tenant_name or ""))
    spec, namespace = subject.spec, subject.meta.namespace
    if subject.kind == "Model" and spec is not None:
        keys.add(Key("Dataset", namespace, spec.dataset_ref.name))
    elif subject.kind != "Dataset" and spec is not None:
        keys.add(Key("Model", namespace, spec.model_ref.name))
    return frozenset(keys)


def _fault(error: Exception) -> Fault | None:
    if isinstance(error, AuditUnavailable):
        return Fault.AUDIT
    if isinstance(error, CustodyError):
        return Fault.CUSTODY
    return None if isinstance(error, Unavailable | Auth0Error) else Fault.CLUSTER


def _names(key: Key) -> dict[str, str | None]:
    return {"kind": key.kind, "namespace": key.namespace, "resource": key.name}


def _trace(error: BaseException) -> list[str]:
    """Return where an exception was raised; never its text, which may quote what it stumbled over."""
    frames = traceback.extract_tb(error.__traceback__)
    return [type(error).__name__, *(f"{frame.name}:{frame.lineno}" for frame in frames[-6:])]
