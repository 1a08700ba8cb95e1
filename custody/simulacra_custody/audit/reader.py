"""Reads the audit log backwards for one tenant.

Segments never change, so whose records one holds is remembered once it was read; a page ends when it is full or when
its time is up, and says where the next one goes on. Nothing is verified here: `audit.verify_log` does that.
"""

import json
import time
from collections.abc import Collection
from dataclasses import dataclass

from simulacra_custody.audit.event import AuditEvent
from simulacra_custody.audit.log import SegmentedAuditLog, segment_key
from simulacra_custody.errors import ArtifactMissing
from simulacra_custody.stores.base import last_present

REMEMBERED_SEGMENTS = 200_000
PAGE_SECONDS = 1.5
"""A page takes no longer than this, however few records of the tenant it has found by then."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Records of a tenant, newest first; `before` is the segment that the next page ends before, None at the start."""

    events: tuple[AuditEvent, ...]
    before: int | None


class AuditReader:
    """Pages through a log; one instance may be used by several threads."""

    def __init__(self, log: SegmentedAuditLog) -> None:
        self._store = log.store
        self._end = 0
        self._tenants: dict[int, frozenset[str]] = {}

    def page(
        self,
        tenant: str,
        *,
        before: int | None,
        limit: int,
        types: Collection[str] = (),
        seconds: float = PAGE_SECONDS,
    ) -> AuditPage:
        """Return up to about `limit` records (a segment is never cut) from before a segment, None: from the end.

        Raises:
            StoreUnavailable: the log cannot be read.
        """
        deadline, found = time.monotonic() + seconds, list[AuditEvent]()
        number = self._newest() if before is None else before - 1
        while number > 0:
            found += [one for one in self._of(number, tenant) if not types or one.type in types]
            if len(found) >= limit or time.monotonic() > deadline:
                break
            number -= 1
        return AuditPage(tuple(found), number if number > 1 else None)

    def _newest(self) -> int:
        end = self._end
        self._end = end + last_present(self._store, lambda step: segment_key(end + step))
        return self._end

    def _of(self, number: int, tenant: str) -> list[AuditEvent]:
        """Return a tenant's records of one segment, newest first."""
        known = self._tenants.get(number)
        if known is not None and tenant not in known:
            return []
        try:
            lines = b"".join(self._store.open_range(segment_key(number))).split(b"\n")[1:-1]
        except ArtifactMissing:  # past the log's own retention
            return []
        owners = [json.loads(line)["data"].get("tenant") for line in lines]
        if len(self._tenants) < REMEMBERED_SEGMENTS:
            self._tenants[number] = frozenset(owner for owner in owners if owner is not None)
        own = [
            AuditEvent.model_validate_json(line)
            for line, owner in zip(lines, owners, strict=True)
            if owner == tenant
        ]
        return own[::-1]
