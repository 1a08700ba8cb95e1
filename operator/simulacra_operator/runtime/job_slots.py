"""Quota slots for concurrent Jobs per namespace: exact, and fair between kinds.

Each namespace has queues of resources that would start a Job, one per kind by creation time and
name, and the Jobs that hold a slot. Kinds that wait take turns, so that a hundred cheap questions
do not hold up an upload. Both are in memory, so that a thousand waiting resources need a thousand
passes and no more. They are read from the API once after a start (conditions say which resources
wait), updated by events, and the Jobs are read again when the quota looks full for longer than
`REREAD_S`, in case an event was lost.
"""

import asyncio
import heapq
import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime

from simulacra_crds.kinds.base import LABEL_KIND, Phase
from simulacra_crds.kube.client import JOBS, WORK_RESOURCES, Cluster, Object
from simulacra_crds.reasons import Reason
from simulacra_operator.observed.custom_resource import Key, parse
from simulacra_operator.observed.ended_jobs import job_ended
from simulacra_operator.observed.placement import queued

REREAD_S = 5.0
Rank = tuple[datetime, str, str]
"""Creation time, name and kind: the order of the slots within a kind."""


class _Namespace:
    """Slots and queue of one namespace. All of it can be read from the API again."""

    def __init__(self) -> None:
        self.limit = 1
        self.waiting: dict[Key, Rank] = {}
        self.heaps: dict[str, list[tuple[Rank, Key]]] = defaultdict(list)
        self.granted: set[Key] = set()
        self.turn: dict[str, int] = {}
        """Kind -> number of its newest grant; the kind with the least has the next turn."""
        self.turns = itertools.count(1)
        self.running: dict[str, Key | None] = {}
        self.events: dict[str, Key | None] | None = None
        """Jobs of events that arrive while the Jobs are listed; None for a Job without slot."""
        self.read_at = float("-inf")
        self.lock = asyncio.Lock()

    @property
    def full(self) -> bool:
        return len(self.running) + len(self.granted) >= self.limit

    def enqueue(self, key: Key, rank: Rank) -> None:
        if self.waiting.get(key) != rank:
            self.waiting[key] = rank
            heapq.heappush(self.heaps[key.kind], (rank, key))

    def grant(self, key: Key) -> None:
        del self.waiting[key]
        self.granted.add(key)
        self.turn[key.kind] = next(self.turns)

    def first(self) -> Key | None:
        heads = [head for heap in self.heaps.values() if (head := self._head(heap)) is not None]
        if not heads:
            return None
        return min(heads, key=lambda head: (self.turn.get(head[1].kind, 0), head[0]))[1]

    def _head(self, heap: list[tuple[Rank, Key]]) -> tuple[Rank, Key] | None:
        """Return the oldest that still waits; entries of those that do not are dropped."""
        while heap:
            rank, key = heap[0]
            if self.waiting.get(key) == rank:
                return heap[0]
            heapq.heappop(heap)
        return None


class JobSlots:
    """Grants slots. `wake` is called with the resource that may get the next one."""

    def __init__(self, cluster: Cluster, wake: Callable[[Key], Awaitable[None]]) -> None:
        self._cluster = cluster
        self._wake = wake
        self._namespaces: dict[str, _Namespace] = {}

    async def acquire(self, key: Key, created: datetime, limit: int) -> bool:
        """Return whether a resource has a slot, else enqueue it.

        It keeps the slot until its Job is observed or it releases the slot.
        """
        slots = self._namespaces.setdefault(key.namespace or "", _Namespace())
        slots.limit = limit
        if key in slots.granted:
            return True
        async with slots.lock:
            now = asyncio.get_running_loop().time
            first_time = slots.read_at == float("-inf")
            slots.enqueue(key, (created, key.name, key.kind))
            if first_time or (slots.full and now() - slots.read_at > REREAD_S):
                await self._read(slots, key.namespace or "", with_waiting=first_time)
                slots.read_at = now()
        if slots.full:
            return False
        granted = slots.first() == key
        if granted:
            slots.grant(key)
        await self._wake_next(slots)
        return granted

    async def release(self, key: Key) -> None:
        """Remove a resource that ended, is suspended, could not start or is gone."""
        slots = self._namespaces.get(key.namespace or "")
        if slots is None or (key not in slots.granted and key not in slots.waiting):
            return
        slots.granted.discard(key)
        slots.waiting.pop(key, None)
        await self._wake_next(slots)

    async def observe_job(self, body: Object, *, gone: bool = False) -> None:
        """Note the state of a Job, which holds a slot until it ended."""
        slots = self._namespaces.get(body["metadata"].get("namespace", ""))
        if slots is None:
            return
        uid, owner = body["metadata"]["uid"], _owner(body)
        holds = not gone and holds_slot(body)
        if slots.events is not None:
            slots.events[uid] = owner if holds else None
        if holds:
            slots.running[uid] = owner
            if owner is not None:
                slots.granted.discard(owner)
        elif uid in slots.running:
            del slots.running[uid]
            await self._wake_next(slots)

    async def _wake_next(self, slots: _Namespace) -> None:
        first = slots.first()
        if first is not None and not slots.full:
            await self._wake(first)

    async def _read(self, slots: _Namespace, namespace: str, *, with_waiting: bool) -> None:
        slots.events = {}
        try:
            jobs = [body async for body in self._cluster.list(JOBS, namespace, labels=LABEL_KIND)]
            running = {body["metadata"]["uid"]: _owner(body) for body in jobs if holds_slot(body)}
            for uid, owner in slots.events.items():  # they are newer than the list
                if owner is None:
                    running.pop(uid, None)
                else:
                    running[uid] = owner
            slots.running = running
            slots.granted -= {owner for owner in running.values() if owner is not None}
        finally:
            slots.events = None
        if not with_waiting:
            return
        pending = f"status.phase={Phase.PENDING}"
        for api in WORK_RESOURCES:
            async for body in self._cluster.list(api, namespace, fields=pending):
                _enqueue_waiting(slots, body)


def holds_slot(job: Object) -> bool:
    """Return whether a Job runs or, while it waits in a Kueue queue, may run at any time."""
    return not job_ended(job) and (queued(job) or not job["spec"].get("suspend"))


def _enqueue_waiting(slots: _Namespace, body: Object) -> None:
    one = parse(body)
    reasons = [condition.reason for condition in one.status.conditions]
    if Reason.AWAITING_QUOTA in reasons and not one.deleting and one.key not in slots.granted:
        slots.enqueue(one.key, (one.created, one.meta.name, one.kind))


def _owner(job: Object) -> Key | None:
    namespace = job["metadata"].get("namespace")
    for one in job["metadata"].get("ownerReferences") or ():
        if one.get("controller"):
            return Key(one["kind"], namespace, one["name"])
    return None
