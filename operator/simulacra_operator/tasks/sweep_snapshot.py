"""Snapshot of all resources as a sweep saw them: when each is due, and what is counted.

It keeps a few hundred bytes per resource instead of the resource: ten thousand of these would not
fit into the operator's memory. A resource whose version has not changed is not parsed again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from simulacra_crds.kinds.base import Phase
from simulacra_crds.kinds.tenant import TenantSpec
from simulacra_crds.kube.client import CUSTOM, TENANTS, Object
from simulacra_custody.audit.live_keys import LiveKey
from simulacra_operator.observed.custom_resource import CustomResource, Key, parse, tenant_of
from simulacra_operator.work.expiry import Due, due, expiry

DEFAULT_LIMIT_S = TenantSpec().max_retention_seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """What copying the progress of running work needs: wrapped data key, percentage in status."""

    wrapped_key: str
    percent: int


@dataclass(frozen=True, slots=True)
class ResourceSnapshot:
    """One resource as a sweep saw it.

    Attributes:
        limit: the tenant's maximum retention in seconds.
        due: its next deletion.
        expires: when its bytes expire.
        phase: its phase, Pending when it has none.
        deletion: when its deletion was requested, None if it was not.
        guarded: whether it has our finalizer.
        limited: whether the tenant's maximum retention, not its own, determines `due`.
        finished: whether its work ended.
        stale: whether its work ended and status shows an expiry that is no longer true, or the
            garbage collector would delete it with its Model.
        keyed: whether it has a data key.
        progress: set while one pod works for it.
    """

    key: Key
    uid: str
    version: str
    limit: int
    due: Due
    expires: datetime
    phase: str
    deletion: datetime | None
    guarded: bool
    limited: bool
    finished: bool
    stale: bool
    keyed: bool
    progress: Progress | None

    @classmethod
    def of(cls, resource: CustomResource, limit: int) -> ResourceSnapshot:
        """Return the snapshot of a resource."""
        expires, ends = expiry(resource, limit), due(resource, limit)
        return cls(
            key=resource.key,
            uid=resource.meta.uid,
            version=resource.meta.resource_version,
            limit=limit,
            due=ends,
            expires=expires,
            phase=str(resource.status.phase or Phase.PENDING),
            deletion=resource.meta.deletion_timestamp,
            guarded=resource.guarded,
            limited=ends != due(resource, DEFAULT_LIMIT_S),
            finished=resource.finished,
            stale=resource.finished
            and (resource.status.expires_at != expires or resource.collected),
            keyed=resource.status.wrapped_key is not None,
            progress=_progress(resource),
        )


@dataclass
class SweepSnapshot:
    """All resources as one sweep saw them.

    Attributes:
        began: when its listing began.
        complete: whether every served namespace was listed to its end.
        before: resources of the previous sweep by uid.
        limits: maximum retention in seconds by tenant.
        keyed_tenants: uid of each Tenant whose key is not known to be destroyed.
        tenant_deletions: when the deletion of each Tenant in deletion was requested.
        seen: resources by uid.
    """

    began: datetime | None = None
    complete: bool = False
    before: dict[str, ResourceSnapshot] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    keyed_tenants: set[str] = field(default_factory=set)
    tenant_deletions: list[datetime] = field(default_factory=list)
    seen: dict[str, ResourceSnapshot] = field(default_factory=dict)
    _order: list[tuple[datetime, int, str]] = field(default_factory=list)
    _count: Iterator[int] = field(default_factory=itertools.count)

    def limit(self, namespace: str | None) -> int:
        """Return the maximum retention in a namespace in seconds; the default without a Tenant."""
        return self.limits.get(tenant_of(namespace) or "", DEFAULT_LIMIT_S)

    def live_keys(self) -> frozenset[LiveKey]:
        """Return kind and uid of each resource and Tenant that has a key."""
        keyed = [one for one in self.seen.values() if one.keyed]
        resources = {(CUSTOM[one.key.kind].plural, one.uid) for one in keyed}
        return frozenset(resources | {(TENANTS.plural, uid) for uid in self.keyed_tenants})

    def add(self, body: Object) -> ResourceSnapshot:
        """Add a resource in its current version."""
        meta = body["metadata"]
        uid, limit = meta["uid"], self.limit(meta.get("namespace"))
        known = self.before.get(uid)
        if known is None or (known.version, known.limit) != (meta["resourceVersion"], limit):
            known = ResourceSnapshot.of(parse(body), limit)
        self._keep(known)
        return known

    def _keep(self, one: ResourceSnapshot) -> None:
        self.seen[one.uid] = one
        if one.deletion is None:
            heapq.heappush(self._order, (one.due.at, next(self._count), one.uid))

    def add_event(self, one: ResourceSnapshot) -> None:
        """Add what an event said during the sweep, unless the sweep saw the same or a deletion.

        The list may have passed the resource before the event or after. Of two versions, the one
        that is due first is kept: if it is the older one its deletion is refused, and the resource
        is read again.
        """
        known = self.seen.get(one.uid)
        if known is None or (known.deletion is None and one.due.at < known.due.at):
            self._keep(one)

    def take_due(self, now: datetime) -> list[ResourceSnapshot]:
        """Return the resources that are due, oldest first and each once."""
        found: dict[str, ResourceSnapshot] = {}
        while self._order and self._order[0][0] <= now:
            at, _, uid = heapq.heappop(self._order)
            one = self.seen.get(uid)
            if one is not None and one.deletion is None and one.due.at == at:
                found[uid] = one
        return list(found.values())

    def next_due(self) -> datetime | None:
        """Return when the next resource is due, None when there is none."""
        return self._order[0][0] if self._order else None


def _progress(resource: CustomResource) -> Progress | None:
    """Return None for sharded work: the reconciler reads its finished shards from the Job."""
    spec, status = resource.spec, resource.status
    sharded = resource.kind == "GenerationJob" and spec is not None and spec.shards > 1
    idle = resource.deleting or status.phase != Phase.RUNNING or status.wrapped_key is None
    if sharded or idle:
        return None
    return Progress(status.wrapped_key, status.progress.percent if status.progress else 0)
