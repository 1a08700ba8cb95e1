"""Reader of one tenant's records, newest first.

Segments never change, so the reader remembers which tenants have records in each. A page ends when
it is full or its time is over, and says where the next one begins. Nothing is verified here; see
`audit.log.verify_log`.
"""

import json
import time
from collections.abc import Collection
from dataclasses import dataclass

from simulacra_custody.audit.event import AuditEvent
from simulacra_custody.audit.log import SegmentedAuditLog, segment_key
from simulacra_custody.errors import ArtifactMissing
from simulacra_custody.stores.base import last_present, read_object

REMEMBERED_SEGMENTS = 200_000
PAGE_SECONDS = 1.5
"""Time limit of a page, however few records it has found."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A tenant's records, newest first, and the segment before which the next page ends, if any."""

    events: tuple[AuditEvent, ...]
    before: int | None


class AuditReader:
    """Reader of pages, safe for several threads."""

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
        """Return about `limit` records from before a segment, or from the end if None.

        A page ends with a whole segment, so it may exceed `limit`.

        Raises:
            StoreUnavailable: the log cannot be read.
        """
        deadline = time.monotonic() + seconds
        found: list[AuditEvent] = []
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
            lines = read_object(self._store, segment_key(number)).split(b"\n")[1:-1]
        except ArtifactMissing:  # the log's own retention is over
            return []
        owners = [json.loads(line)["data"].get("tenant") for line in lines]
        if len(self._tenants) < REMEMBERED_SEGMENTS:
            self._tenants[number] = frozenset(owner for owner in owners if owner is not None)
        pairs = zip(reversed(lines), reversed(owners), strict=True)
        return [AuditEvent.model_validate_json(line) for line, owner in pairs if owner == tenant]
