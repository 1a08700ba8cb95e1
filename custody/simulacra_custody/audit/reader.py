"""Reader of the log's records, of one tenant or of all, newest or oldest first.

Segments never change, so the reader remembers which tenants have records in each. A page ends when
it is full or its time is over, and says where the next one begins. A position is the number of a
segment. Nothing is verified here; see `audit.log.verify_log`.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from simulacra_custody.audit.cuts import Cut, begin_of, newest_cut
from simulacra_custody.audit.event import AuditEvent, read_event
from simulacra_custody.audit.log import SegmentedAuditLog, segment_key
from simulacra_custody.errors import ArtifactMissing
from simulacra_custody.stores.base import last_present, read_object

REMEMBERED_SEGMENTS = 200_000
PAGE_SECONDS = 1.5
"""Time limit of a page, however few records it has found."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of records.

    Attributes:
        events: the records in their order.
        position: where a page in the same order goes on.
        more: whether there is more now; of the oldest first there may be more later.
        cut: the newest cut of the log, if it was pruned.
        skipped: whether records after the given position were pruned.
    """

    events: tuple[AuditEvent, ...]
    position: int
    more: bool
    cut: Cut | None
    skipped: bool


class AuditReader:
    """Reader of pages, safe for several threads."""

    def __init__(self, log: SegmentedAuditLog) -> None:
        self._store = log.store
        self._end = 0
        self._cut: Cut | None = None
        self._tenants: dict[int, frozenset[str]] = {}

    def page(
        self,
        tenant: str | None,
        *,
        limit: int,
        position: int | None = None,
        oldest_first: bool = False,
        keep: Callable[[AuditEvent], bool] = lambda _: True,
        seconds: float = PAGE_SECONDS,
    ) -> AuditPage:
        """Return about `limit` records of a tenant, of all and of none if None.

        A page ends with a whole segment, so it may exceed `limit`. A position in the part of the
        log that was pruned is where the log begins now.

        `position` is that of the page before, None for the first page.

        Raises:
            StoreUnavailable: the log cannot be read.
        """
        deadline = time.monotonic() + seconds
        self._cut = cut = newest_cut(self._store, None, self._cut)
        begin = begin_of(cut).segment
        if oldest_first:
            at = max(begin, position or 0)
            left = range(at + 1, self._newest(begin) + 1)
        else:
            at = self._newest(begin) + 1 if position is None else position
            left = range(at - 1, begin, -1)
        found: list[AuditEvent] = []
        for at in left:
            those = list(filter(keep, self._of(at, tenant)))
            found += those if oldest_first else reversed(those)
            if len(found) >= limit or time.monotonic() > deadline:
                break
        skipped = oldest_first and position is not None and position < begin
        return AuditPage(tuple(found), at, bool(left) and at != left[-1], cut, skipped)

    def has(self, event_id: str, since: datetime) -> bool:
        """Return whether a record has this id; those of segments older than `since` are not read.

        Raises:
            StoreUnavailable: the log cannot be read.
        """
        begin = begin_of(newest_cut(self._store, None, self._cut)).segment
        for number in range(self._newest(begin), begin, -1):
            events = self._of(number, None)
            if event_id in [one.id for one in events]:
                return True
            if any(one.time < since for one in events):
                return False
        return False

    def _newest(self, begin: int) -> int:
        end = max(begin, self._end)
        self._end = end + last_present(self._store, lambda step: segment_key(end + step))
        return self._end

    def _of(self, number: int, tenant: str | None) -> list[AuditEvent]:
        """Return a tenant's records of one segment."""
        known = self._tenants.get(number)
        if tenant is not None and known is not None and tenant not in known:
            return []
        try:
            lines = read_object(self._store, segment_key(number)).split(b"\n")[1:-1]
        except ArtifactMissing:  # it is being pruned
            return []
        owners = [json.loads(line)["data"].get("tenant") for line in lines]
        if len(self._tenants) < REMEMBERED_SEGMENTS:
            self._tenants[number] = frozenset(owner for owner in owners if owner is not None)
        pairs = zip(lines, owners, strict=True)
        events = (read_event(line) for line, owner in pairs if tenant in (None, owner))
        return [one for one in events if isinstance(one, AuditEvent)]
