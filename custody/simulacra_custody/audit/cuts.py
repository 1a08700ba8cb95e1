"""Where an audit log begins: at its first record, or at the newest declared cut.

Pruning deletes the oldest records of the log for good. A cut declares it: a note that the
checkpoint key signed, one object beside the log, created only if absent. It has the head of the log
where it was cut, whose peaks are the hashes that RFC 6962 needs of the deleted records, so that
every later checkpoint, inclusion proof and consistency proof still verifies.

A log is cut at a checkpoint, and its first kept record is older than the retention as well: so the
log itself, and not only its operator, shows that nothing younger was deleted. The cut is also a
record of the log.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, Field, NonNegativeInt, PositiveInt

from simulacra_custody.audit.event import EventType, Sha256
from simulacra_custody.audit.merkle import root_hash
from simulacra_custody.audit.signed_note import VerifierKey, note_text, open_note
from simulacra_custody.errors import AuditCorrupt
from simulacra_custody.stores.base import ObjectStore, last_present, read_object

LEAST_DAYS = 30
DEFAULT_DAYS = 400
MOST_DAYS = 36_500
RetentionDays = Annotated[int, Field(ge=LEAST_DAYS, le=MOST_DAYS)]
_CLOCK = timedelta(minutes=5)
"""How far the clocks of two machines may differ."""


class Head(BaseModel, frozen=True):
    """The end of the log: its last segment's number and SHA-256, the tree's size and peaks."""

    segment: NonNegativeInt = 0
    digest: str = hashlib.sha256(b"").hexdigest()
    size: NonNegativeInt = 0
    peaks: tuple[bytes, ...] = ()

    @property
    def root(self) -> str:
        """The RFC 6962 tree hash over every event of the log, hex."""
        return root_hash(self.peaks).hex()


class Cut(BaseModel, extra="forbid", frozen=True):
    """A declared cut.

    Attributes:
        origin: name of the log.
        number: number of the cut, from 1.
        checkpoint: number of the checkpoint at which the log was cut.
        segment: number of the last deleted segment.
        digest: its SHA-256.
        size: number of deleted records, from the first one of the log.
        peaks: peaks of the RFC 6962 tree over them.
        until: time of the first kept record; the deleted ones were written before it.
        days: for how long records are kept.
        at: when the log was cut.
        record: index of the record of this cut in the log.
    """

    version: Literal[1] = 1
    origin: str
    number: PositiveInt
    checkpoint: PositiveInt
    segment: PositiveInt
    digest: Sha256
    size: PositiveInt
    peaks: tuple[Sha256, ...]
    until: AwareDatetime
    days: RetentionDays
    at: AwareDatetime
    record: NonNegativeInt

    @property
    def head(self) -> Head:
        """The head of the log where it was cut."""
        peaks = tuple(bytes.fromhex(peak) for peak in self.peaks)
        return Head(segment=self.segment, digest=self.digest, size=self.size, peaks=peaks)

    @classmethod
    def open(cls, note: bytes, key: VerifierKey | None) -> Self:
        """Read a signed note, without checking its signature if key is None. Raises ValueError."""
        cut = cls.model_validate_json(note_text(note) if key is None else open_note(note, key))
        if cut.until > cut.at - timedelta(days=cut.days):
            raise ValueError(f"it deletes records that are younger than its {cut.days} days")
        if cut.at > datetime.now(UTC) + _CLOCK:
            raise ValueError("it is in the future")
        if cut.record < cut.size or len(cut.peaks) != cut.size.bit_count():
            raise ValueError("its size, tree and record contradict each other")
        return cut

    def check(self, first: int, lines: Sequence[bytes]) -> None:
        """Check what the log says of this cut: its first kept record, and the record of the cut.

        Args:
            first: index of the first of the records.
            lines: records of the log that follow each other.

        Raises:
            AuditCorrupt: a record contradicts the cut.
        """
        for index in {self.size, self.record} & set(range(first, first + len(lines))):
            event = json.loads(lines[index - first])
            time = datetime.fromisoformat(event["time"])
            if index == self.size and time != self.until:
                raise AuditCorrupt(f"cut {self.number} states another time of record {index}")
            stated = (event["type"], event["data"].get("sha256"), time)
            if index == self.record and stated != (EventType.AUDIT_PRUNED, self.head.root, self.at):
                raise AuditCorrupt(f"cut {self.number} is not what record {index} states")

    def check_end(self, size: int) -> None:
        """Check that a log of this size has the record of the cut. Raises `AuditCorrupt`."""
        if size <= self.record:
            raise AuditCorrupt(f"cut {self.number} is record {self.record}, which is missing")


def cut_key(number: int) -> str:
    """Return the object key of a cut, sorted by number."""
    return f"cuts/{number:09d}"


def newest_cut(store: ObjectStore, key: VerifierKey | None, known: Cut | None = None) -> Cut | None:
    """Return the newest cut, None for a log that begins with its first record.

    Args:
        store: the log's store.
        key: verifier key of the signature; None to leave it unchecked.
        known: a cut from an earlier call: without a newer one it is returned, for one request.

    Raises:
        AuditCorrupt: the cut is not valid.
    """
    begin = known.number if known else 0
    number = begin + last_present(store, lambda step: cut_key(begin + step))
    if number == begin:
        return known
    try:
        cut = Cut.open(read_object(store, cut_key(number)), key)
        if cut.number != number:
            raise ValueError(f"it is cut {cut.number}")
    except ValueError as error:
        raise AuditCorrupt(f"cut {number} is invalid: {error}") from None
    return cut


def begin_of(cut: Cut | None) -> Head:
    """Return the head at which a log with this newest cut begins."""
    return cut.head if cut else Head()
