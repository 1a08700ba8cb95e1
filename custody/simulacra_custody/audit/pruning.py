"""Pruning of the audit log: records older than the retention are deleted, and the cut is declared.

Each step can be interrupted anywhere and is repeated whole: what a cut declares is deleted at the
next step at the latest, and a cut that was recorded in the log but not declared deletes nothing.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulacra_custody.audit.checkpoints import checkpoint_key, read_checkpoint, verified_cut
from simulacra_custody.audit.cuts import Cut, Head, begin_of, cut_key
from simulacra_custody.audit.event import (
    AuditData,
    AuditEvent,
    Component,
    Counts,
    EventType,
    read_event,
)
from simulacra_custody.audit.log import SegmentedAuditLog, follow_log, segment_key
from simulacra_custody.audit.signed_note import sign_note, verifier_key
from simulacra_custody.errors import AuditCorrupt, ObjectExists
from simulacra_custody.stores.base import last_present

EVERY = timedelta(days=1)
"""The log is cut once its oldest record is overdue by this, so about once a day."""
SEGMENTS = 500
"""About as many a cut deletes; the next step makes another."""


@dataclass(frozen=True)
class _Due:
    """A place to cut: the head and number of a checkpoint, and the time of the next record."""

    head: Head
    checkpoint: int
    until: datetime


class Pruner:
    """The pruning of one log; several processes may share a store."""

    def __init__(
        self,
        log: SegmentedAuditLog,
        origin: str,
        key: Ed25519PrivateKey,
        days: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._log = log
        self._store = log.store
        self._origin = origin
        self._key = key
        self._days = days
        self._now = now

    def step(self) -> Cut | None:
        """Delete what a cut has declared; if another one is due, make it and return it.

        Raises:
            AuditCorrupt: what is due does not verify, so it is not deleted.
            AuditUnavailable, StoreUnavailable: retry.
        """
        cut = verified_cut(self._store, verifier_key(self._origin, self._key))
        self._erase(cut)
        due = self._due(cut)
        if due is None:
            return None
        declared = self._declare(due, cut)
        self._erase(declared)
        return declared

    def _erase(self, cut: Cut | None) -> None:
        """Delete the segments before the cut, as far as they are still there."""
        if cut is None:
            return
        last = segment_key(cut.segment)
        segments = (info.key for info in self._store.list("segments/"))
        for key in list(itertools.takewhile(lambda key: key <= last, segments)):
            self._store.delete(key)

    def _due(self, cut: Cut | None) -> _Due | None:
        """Return the newest checkpoint whose records and the one after it are old, if any is due.

        The newest checkpoint of all never is, since its signer continues from it.
        """
        oldest = self._now() - timedelta(days=self._days)
        newest = last_present(self._store, checkpoint_key)
        key = verifier_key(self._origin, self._key)
        head, number, due = begin_of(cut), cut.checkpoint if cut else 0, None
        following = None
        for read, (after, lines) in enumerate(follow_log(self._store, head)):
            times = [read_event(line).time for line in lines]
            late = EVERY if read == 0 else timedelta(0)
            if max(times) >= oldest - late or (due is not None and read >= SEGMENTS):
                break
            if following is not None and head.segment == following.segment:
                if (head.size, head.root) != (following.size, following.root):
                    raise AuditCorrupt(f"checkpoint {number + 1} has another root than the log")
                number += 1
                due, following = _Due(head, number, times[0]), None
            if following is None:
                if number + 1 >= newest:
                    break
                following = read_checkpoint(self._store, number + 1, key)
            head = after
        return due

    def _declare(self, due: _Due, before: Cut | None) -> Cut | None:
        """Record a cut and declare it; None if another process was first."""
        at = self._now()
        root, records = due.head.root, due.head.size - begin_of(before).size
        data = AuditData(sha256=root, counts=Counts(objects=records))
        event = AuditEvent(
            type=EventType.AUDIT_PRUNED, source=Component.OPERATOR, time=at, data=data
        )
        cut = Cut(
            origin=self._origin,
            number=before.number + 1 if before else 1,
            checkpoint=due.checkpoint,
            segment=due.head.segment,
            digest=due.head.digest,
            size=due.head.size,
            peaks=tuple(peak.hex() for peak in due.head.peaks),
            until=due.until,
            days=self._days,
            at=at,
            record=self._log.append(event).index,
        )
        note = sign_note(cut.model_dump_json() + "\n", self._origin, self._key)
        try:
            self._store.put(cut_key(cut.number), [note], if_absent=True)
        except ObjectExists:
            return None
        return cut
