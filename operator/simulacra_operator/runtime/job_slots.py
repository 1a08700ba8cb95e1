"""Places in a tenant's quota of concurrent Jobs: exact, and given to the oldest resource that waits.

Each namespace has a line of resources that would start, by creation time and name, and the Jobs that hold a place.
Both are in memory, so that a thousand waiting resources cost a thousand looks and no more: they are read from the API
once after a start (who waits is in the conditions there), kept by events, and read again when the quota looks full for
longer than `DOUBT_S`, in case an event was lost.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.kinds.base import LABEL_KIND, Phase
from simulacra_crds.kube.client import (
    DATASETS,
    EFFECT_ESTIMATES,
    GENERATION_JOBS,
    JOBS,
    MODELS,
    Cluster,
    Object,
)
from simulacra_operator.work.custom_resource import Key, parse
from simulacra_operator.work.placement import queued

DOUBT_S = 5.0
Rank = tuple[datetime, str, str]
"""Creation time, name and kind: the order in which places are given."""


class _Line:
    """One namespace. Holds nothing that cannot be read from the API."""

    def __init__(self) -> None:
        self.limit = 1
        self.waiting: dict[Key, Rank] = {}
        self.heap: list[tuple[Rank, Key]] = []
        self.granted: set[Key] = set()
        self.running: dict[str, Key | None] = {}
        self.news: dict[str, Key | None] | None = None
        self.read_at = float("-inf")
        self.turn = asyncio.Lock()

    @property
    def full(self) -> bool:
        return len(self.running) + len(self.granted) >= self.limit

    def join(self, key: Key, rank: Rank) -> None:
        if self.waiting.get(key) != rank:
            self.waiting[key] = rank
            heapq.heappush(self.heap, (rank, key))

    def first(self) -> Key | None:
        while self.heap:
            rank, key = self.heap[0]
            if self.waiting.get(key) == rank:
                return key
            heapq.heappop(self.heap)
        return None


class Places:
    """Gives places. `wake` is called with the resource whose turn it may be."""

    def __init__(self, cluster: Cluster, wake: Callable[[Key], Awaitable[None]]) -> None:
        self._cluster, self._wake = cluster, wake
        self._lines: dict[str, _Line] = {}

    async def ask(self, key: Key, created: datetime, limit: int) -> bool:
        """Return whether a resource that would start has a place; it keeps it until its Job is seen, or it leaves."""
        line = self._lines.setdefault(key.namespace or "", _Line())
        line.limit = limit
        if key in line.granted:
            return True
        async with line.turn:
            loop = asyncio.get_running_loop()
            first_time = line.read_at == float("-inf")
            line.join(key, (created, key.name, key.kind))
            if first_time or (line.full and loop.time() - line.read_at > DOUBT_S):
                await self._read(line, key.namespace or "", with_waiting=first_time)
                line.read_at = loop.time()
        if line.full:
            return False
        given = line.first() == key
        if given:
            del line.waiting[key]
            line.granted.add(key)
        await self._next(line)
        return given

    async def leave(self, key: Key) -> None:
        """Take a resource out of the line: it has ended, is held back, failed to start, or is gone."""
        line = self._lines.get(key.namespace or "")
        if line is None or (key not in line.granted and key not in line.waiting):
            return
        line.granted.discard(key)
        line.waiting.pop(key, None)
        await self._next(line)

    async def job(self, body: Object, *, gone: bool = False) -> None:
        """Take note of a Job: it holds a place until it ended."""
        line = self._lines.get(body["metadata"].get("namespace", ""))
        if line is None:
            return
        uid, owner = body["metadata"]["uid"], _owner(body)
        holds = not gone and holds_place(body)
        if line.news is not None:
            line.news[uid] = owner if holds else None
        if holds:
            line.running[uid] = owner
            if owner is not None:
                line.granted.discard(owner)
        elif uid in line.running:
            del line.running[uid]
            await self._next(line)

    async def _next(self, line: _Line) -> None:
        first = line.first()
        if first is not None and not line.full:
            await self._wake(first)

    async def _read(self, line: _Line, namespace: str, *, with_waiting: bool) -> None:
        line.news = {}
        try:
            jobs = [body async for body in self._cluster.list(JOBS, namespace, labels=LABEL_KIND)]
            running = {body["metadata"]["uid"]: _owner(body) for body in jobs if holds_place(body)}
            for (
                uid,
                owner,
            ) in line.news.items():  # what events said meanwhile is newer than the list
                if owner is None:
                    running.pop(uid, None)
                else:
                    running[uid] = owner
            line.running = running
            line.granted -= {owner for owner in running.values() if owner is not None}
        finally:
            line.news = None
        for resource in (
            (DATASETS, MODELS, GENERATION_JOBS, EFFECT_ESTIMATES) if with_waiting else ()
        ):
            async for body in self._cluster.list(
                resource, namespace, fields=f"status.phase={Phase.PENDING}"
            ):
                _rejoin(line, body)


def holds_place(job: Object) -> bool:
    """Return whether a Job runs or may run at any moment, as one may that waits in a queue of Kueue's."""
    return not job_ended(job) and (queued(job) or not job["spec"].get("suspend"))


def job_ended(job: Object) -> bool:
    """Return whether a Job is complete or has failed."""
    conditions = job.get("status", {}).get("conditions") or []
    return any(
        one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in conditions
    )


def _rejoin(line: _Line, body: Object) -> None:
    subject = parse(body)
    stated = any(one.reason == Reason.AWAITING_QUOTA for one in subject.status.conditions)
    if stated and not subject.deleting and subject.key not in line.granted:
        line.join(subject.key, (subject.created, subject.meta.name, subject.kind))


def _owner(job: Object) -> Key | None:
    owners = job["metadata"].get("ownerReferences") or ()
    namespace = job["metadata"].get("namespace")
    return next(
        (Key(one["kind"], namespace, one["name"]) for one in owners if one.get("controller")), None
    )
