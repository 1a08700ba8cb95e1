"""What a sweep keeps of the resources that it saw: when each is due, and what its counts need.

A few hundred bytes a resource, not the resource: ten thousand of them would not fit into the operator's memory. What
has the version that it had at the sweep before is not read again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from simulacra_crds.kinds.base import Phase
from simulacra_crds.kinds.tenant import TenantSpec
from simulacra_crds.kube.client import Object
from simulacra_operator.work.custom_resource import Key, Subject, parse, tenant_of
from simulacra_operator.work.expiry import Due, due, expiry

DEFAULT_LIMIT_S = TenantSpec().max_retention_seconds


@dataclass(frozen=True, slots=True)
class Running:
    """What copying the progress of running work needs: the wrapped data key, and the percentage that status shows."""

    wrapped_key: str
    percent: int


@dataclass(frozen=True, slots=True)
class Sighted:
    """One resource as a sweep saw it.

    Attributes:
        key: its name.
        uid: its uid.
        version: its resourceVersion.
        limit: the tenant's longest retention in seconds.
        due: its next deletion.
        expires: when its bytes expire.
        phase: its phase, Pending when it has none.
        asked: when its deletion was asked for, None if it was not.
        guarded: whether our finalizer is on.
        limited: whether the tenant's longest retention, and not its own, says when it is due.
        finished: whether its work ended.
        stale: whether status shows an expiry that is no longer true.
        running: set while one pod works for it.
    """

    key: Key
    uid: str
    version: str
    limit: int
    due: Due
    expires: datetime
    phase: str
    asked: datetime | None
    guarded: bool
    limited: bool
    finished: bool
    stale: bool
    running: Running | None

    @classmethod
    def of(cls, subject: Subject, limit: int) -> Sighted:
        """Keep what is needed of a resource."""
        expires, ends = expiry(subject, limit), due(subject, limit)
        return cls(
            key=subject.key,
            uid=subject.meta.uid,
            version=subject.meta.resource_version,
            limit=limit,
            due=ends,
            expires=expires,
            phase=str(subject.status.phase or Phase.PENDING),
            asked=subject.meta.deletion_timestamp,
            guarded=subject.guarded,
            limited=ends != due(subject, DEFAULT_LIMIT_S),
            finished=subject.finished,
            stale=subject.finished and subject.status.expires_at != expires,
            running=_running(subject),
        )


@dataclass
class Sight:
    """What one sweep saw, by uid.

    `before` is what the sweep before saw, `limits` is by tenant, `leaving` is when the deletion of each Tenant that is
    on its way was asked for.
    """

    before: dict[str, Sighted] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    leaving: list[datetime] = field(default_factory=list)
    seen: dict[str, Sighted] = field(default_factory=dict)
    _order: list[tuple[datetime, int, str]] = field(default_factory=list)
    _count: Iterator[int] = field(default_factory=itertools.count)

    def limit(self, namespace: str | None) -> int:
        """Return the longest retention in a namespace in seconds; a tenant that is gone or unreadable sets no limit."""
        return self.limits.get(tenant_of(namespace) or "", DEFAULT_LIMIT_S)

    def add(self, body: Object) -> Sighted:
        """Take note of a resource as it is now."""
        meta = body["metadata"]
        uid, limit = meta["uid"], self.limit(meta.get("namespace"))
        known = self.before.get(uid)
        if known is None or (known.version, known.limit) != (meta["resourceVersion"], limit):
            known = Sighted.of(parse(body), limit)
        self.keep(known)
        return known

    def keep(self, one: Sighted) -> None:
        """Take note of a resource that was read."""
        self.seen[one.uid] = one
        if one.asked is None:
            heapq.heappush(self._order, (one.due.at, next(self._count), one.uid))

    def keep_noted(self, one: Sighted) -> None:
        """Take note of what an event told of during the look, unless the look saw as much.

        The list may have passed its place before, or after. Of two versions the one that is due first is kept: its
        deletion is refused if it is the older one, and then the resource is read.
        """
        known = self.seen.get(one.uid)
        if known is None or (known.asked is None and one.due.at < known.due.at):
            self.keep(one)

    def take_due(self, now: datetime) -> list[Sighted]:
        """Return what is due and was not returned before, the oldest first and each once."""
        found: dict[str, Sighted] = {}
        while self._order and self._order[0][0] <= now:
            at, _, uid = heapq.heappop(self._order)
            one = self.seen.get(uid)
            if one is not None and one.asked is None and one.due.at == at:
                found[uid] = one
        return list(found.values())

    def next_due(self) -> datetime | None:
        """Return when the next deletion is due; None when nothing is."""
        return self._order[0][0] if self._order else None


def _running(subject: Subject) -> Running | None:
    """Sharded work reports by finished shards, which the reconciler sees on the Job."""
    sharded = (
        subject.kind == "GenerationJob" and subject.spec is not None and subject.spec.shards > 1
    )
    key = subject.status.wrapped_key
    if sharded or subject.deleting or subject.status.phase != Phase.RUNNING or key is None:
        return None
    return Running(key, subject.status.progress.percent if subject.status.progress else 0)
