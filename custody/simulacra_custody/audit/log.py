"""The audit log: append-only segments in an object store, chained by hash.

Segment n is one object, created only if absent: a header line, then one event a line. The header
has the SHA-256 of the whole previous segment, and the size and peaks of the RFC 6962 tree over all
events so far, so that every change, gap and reordering shows (`verify_log`). Several processes may
append: one whose conditional create fails reads the new end of the log and appends there. The
chain alone cannot show that the newest segments were cut off; the signed checkpoints do
(`checkpoints`). The oldest ones are deleted after their retention, which a signed cut declares
(`cuts`): the log begins there.
"""

import functools
import hashlib
import itertools
import time
from collections.abc import Iterator

from pydantic import BaseModel, NonNegativeInt, PositiveInt, ValidationError

from simulacra_custody.audit.cuts import Head, begin_of, newest_cut
from simulacra_custody.audit.event import AuditEvent, Sha256, read_event
from simulacra_custody.audit.merkle import append_leaf, leaf_hash
from simulacra_custody.errors import (
    ArtifactMissing,
    AuditCorrupt,
    AuditUnavailable,
    CustodyError,
    ObjectExists,
)
from simulacra_custody.stores.base import ObjectStore, last_present, read_object

FOLDER_SEGMENTS = 1000
# Each conflict means that another writer succeeded.
_CONFLICTS = 1000
_KNOWN_S = 86_400.0
"""How long a head is appended to: the segment after it is kept for 30 days at least."""


class AuditPosition(BaseModel, extra="forbid", frozen=True):
    """A record's index in the log, from 0, and the log's RFC 6962 root (hex) up to it."""

    index: NonNegativeInt
    root: Sha256


class SegmentHeader(BaseModel, extra="forbid", frozen=True):
    """The first line of a segment.

    Attributes:
        segment: number of the segment, from 1.
        previous: SHA-256 (hex) of the previous segment, of no bytes for the first.
        size: number of events in the log, with this segment.
        peaks: peaks (hex) of the RFC 6962 tree over those events, see `merkle`.
    """

    segment: PositiveInt
    previous: Sha256
    size: NonNegativeInt
    peaks: tuple[Sha256, ...]


class SegmentedAuditLog:
    """The audit log over an object store, safe for several threads and processes."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._head = Head()
        self._read_at = float("-inf")

    def append(self, *events: AuditEvent) -> AuditPosition:
        """Append events, durably, as one segment; return the position of the last.

        Raises:
            AuditUnavailable: it was not written; the caller must stop a destructive action.
        """
        lines = [event.line() for event in events]
        try:
            head = self._known()
            for _ in range(_CONFLICTS):
                content, following = _chain(head, *lines)
                try:
                    self.store.put(segment_key(following.segment), [content], if_absent=True)
                except ObjectExists:
                    head = self._end_after(head)
                else:
                    self._head = following
                    return AuditPosition(index=following.size - 1, root=following.root)
        except CustodyError as error:
            raise AuditUnavailable(f"the audit record was not written: {error}") from error
        raise AuditUnavailable(
            f"the audit record was not written: other writers were first {_CONFLICTS} times; retry"
        )

    def _known(self) -> Head:
        """Return a head after which no segment was ever pruned: one there would be free to put."""
        now = time.time()
        if not self._read_at <= now < self._read_at + _KNOWN_S:
            begin = begin_of(newest_cut(self.store, None))
            self._head = self._end_after(max(begin, self._head, key=lambda head: head.segment))
            self._read_at = now
        return self._head

    def _end_after(self, head: Head) -> Head:
        further = last_present(self.store, lambda step: segment_key(head.segment + step))
        return read_segment(self.store, head.segment + further) if further else head


def segment_folder(number: int) -> str:
    """Return the prefix of the folder of a segment: a thousand segments each."""
    return f"segments/{number // FOLDER_SEGMENTS:09d}/"


def segment_key(number: int) -> str:
    """Return the object key of a segment, sorted by number."""
    return f"{segment_folder(number)}{number:012d}.jsonl"


def read_segment(store: ObjectStore, number: int) -> Head:
    """Return the head that a segment states, unverified.

    Raises `AuditCorrupt`, `ArtifactMissing`.
    """
    content = read_object(store, segment_key(number))
    header = _header(content, number)
    peaks = tuple(bytes.fromhex(peak) for peak in header.peaks)
    digest = hashlib.sha256(content).hexdigest()
    return Head(segment=number, digest=digest, size=header.size, peaks=peaks)


def verify_log(store: ObjectStore) -> Head:
    """Read the whole log, recompute every hash and return its head. Raises `AuditCorrupt`."""
    heads = (head for head, _ in verify_segments(store))
    return functools.reduce(lambda _, head: head, heads, Head())


def verify_segments(
    store: ObjectStore, begin: Head | None = None
) -> Iterator[tuple[Head, tuple[bytes, ...]]]:
    """Read the log from a head on, recompute every hash; yield each new head and its events.

    Args:
        store: the log's store.
        begin: head at which the log was cut; segments before it wait for their deletion.

    Raises:
        AuditCorrupt: names the first segment that is changed, missing, foreign or out of order.
    """
    head = begin or Head()
    cut = segment_key(head.segment)
    found = (info for info in store.list("segments/") if info.key > cut)
    for number in itertools.count(head.segment + 1):
        info = next(found, None)
        if info is None:
            return
        if info.key != segment_key(number):
            raise AuditCorrupt(f"segment {number} is missing: {info.key} is in its place")
        head, lines = _verify_segment(head, read_object(store, info.key))
        yield head, lines


def follow_log(store: ObjectStore, head: Head) -> Iterator[tuple[Head, tuple[bytes, ...]]]:
    """Verify each segment after a head; yield the new head and its events. Raises `AuditCorrupt`.

    It ends where a segment is absent.
    """
    while True:
        try:
            content = read_object(store, segment_key(head.segment + 1))
        except ArtifactMissing:
            return
        head, lines = _verify_segment(head, content)
        yield head, lines


def _verify_segment(before: Head, content: bytes) -> tuple[Head, tuple[bytes, ...]]:
    number = before.segment + 1
    stated = _header(content, number)
    lines = tuple(content.split(b"\n")[1:-1])
    for line in lines:
        try:
            read_event(line)
        except ValidationError:
            raise AuditCorrupt(f"segment {number} has a line that is no audit event") from None
    expected, head = _chain(before, *lines)
    if stated.previous != before.digest:
        raise AuditCorrupt(f"segment {number} does not follow segment {before.segment}")
    if content != expected:
        raise AuditCorrupt(f"segment {number} has another size or tree than its events")
    return head, lines


def _chain(head: Head, *lines: bytes) -> tuple[bytes, Head]:
    """Return the segment that appends event lines to the log, and the new head."""
    size, peaks = head.size, head.peaks
    for line in lines:
        peaks = append_leaf(size, peaks, leaf_hash(line))
        size += 1
    header = SegmentHeader(
        segment=head.segment + 1,
        previous=head.digest,
        size=size,
        peaks=tuple(peak.hex() for peak in peaks),
    )
    content = b"".join(line + b"\n" for line in (header.model_dump_json().encode(), *lines))
    digest = hashlib.sha256(content).hexdigest()
    return content, Head(segment=header.segment, digest=digest, size=size, peaks=peaks)


def _header(content: bytes, number: int) -> SegmentHeader:
    try:
        header = SegmentHeader.model_validate_json(content.partition(b"\n")[0])
    except ValidationError:
        raise AuditCorrupt(f"segment {number} has no valid header") from None
    if header.segment != number:
        raise AuditCorrupt(f"segment {number} states the number {header.segment}")
    return header
