"""Signed checkpoints of the audit log (C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint).

A checkpoint is a signed note of four lines: the log's origin, its size, its RFC 6962 root in base64, and, as an
extension, the segment it ends in. Checkpoint n is one object beside the log, created only if absent. Each new one is
signed only after everything since the one before was verified, so that the operator never signs two histories.

A log that was cut off, or rewritten from any point, no longer has the size or the root of a checkpoint. Who can also
delete checkpoints is found by anyone who has kept one: `verify_checkpoints` takes such copies.
"""

import base64
import binascii
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulacra_custody.audit.log import Head, follow_log, read_segment, verify_segments
from simulacra_custody.audit.signed_note import VerifierKey, note_text, open_note, sign_note
from simulacra_custody.errors import ArtifactMissing, AuditCorrupt, ObjectExists
from simulacra_custody.stores.base import ObjectStore, last_present

EVERY_S = 60.0
EVERY_EVENTS = 1000
"""A checkpoint is due when it is a minute since the last and there is something new, or a thousand events are new."""
_SEGMENT = "segment "


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint states: the log's name, its size in events, its root (hex) and the segment it ends in."""

    origin: str
    size: int
    root: str
    segment: int

    @property
    def text(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(bytes.fromhex(self.root)).decode()
        return f"{self.origin}\n{self.size}\n{root}\n{_SEGMENT}{self.segment}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a checkpoint's text. Raises ValueError."""
        lines = text.splitlines()
        if len(lines) != 4 or not lines[3].startswith(_SEGMENT):
            raise ValueError("a checkpoint of this log has four lines: origin, size, root, segment")
        try:
            root = base64.b64decode(lines[2], validate=True).hex()
        except binascii.Error as error:
            raise ValueError("the root of a checkpoint is base64") from error
        parsed = cls(lines[0], int(lines[1]), root, int(lines[3].removeprefix(_SEGMENT)))
        if parsed.text != text:
            raise ValueError("a checkpoint is written in one way only")
        return parsed


class CheckpointSigner:
    """Follows one log and signs its end when that is due; one instance a process, one store for several."""

    def __init__(
        self,
        store: ObjectStore,
        origin: str,
        key: Ed25519PrivateKey,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._origin, self._key, self._now = store, origin, key, now
        self._number = 0
        self._signed_size = 0
        self._signed_at = float("-inf")
        self._head = Head()

    def step(self) -> Checkpoint | None:
        """Verify what is new; sign and store a checkpoint if one is due, and return it.

        Raises:
            AuditCorrupt: the log is no continuation of its last checkpoint; nothing is signed any more.
            StoreUnavailable: worth another try.
        """
        self._catch_up()
        for head in follow_log(self._store, self._head):
            self._head = head
        new = self._head.size - self._signed_size
        if new == 0 or (new < EVERY_EVENTS and self._now() - self._signed_at < EVERY_S):
            return None
        checkpoint = Checkpoint(self._origin, self._head.size, self._head.root, self._head.segment)
        note = sign_note(checkpoint.text, self._origin, self._key)
        try:
            self._store.put(checkpoint_key(self._number + 1), [note], if_absent=True)
        except ObjectExists:
            return None  # another process was first; the next step begins at its checkpoint
        self._number, self._signed_size, self._signed_at = (
            self._number + 1,
            checkpoint.size,
            self._now(),
        )
        return checkpoint

    def _catch_up(self) -> None:
        """Go on from the newest checkpoint, at the start and whenever another process signed one."""
        further = last_present(self._store, lambda step: checkpoint_key(self._number + step))
        if not further:
            return
        number = self._number + further
        checkpoint = _read(self._store, number, None)
        head = self._head
        if head.size != checkpoint.size:
            try:
                head = read_segment(self._store, checkpoint.segment)
            except ArtifactMissing:
                raise AuditCorrupt(
                    f"segment {checkpoint.segment} of checkpoint {number} is missing"
                ) from None
        if (head.size, head.root) != (checkpoint.size, checkpoint.root):
            raise AuditCorrupt(
                f"segment {checkpoint.segment} is not what checkpoint {number} says of it"
            )
        self._number, self._signed_size, self._head = number, checkpoint.size, head
        self._signed_at = self._now()


def checkpoint_key(number: int) -> str:
    """Object key of a checkpoint: a thousand a folder, in the order of their numbers."""
    return f"checkpoints/{number // 1000:09d}/{number:012d}"


def newest_checkpoint(store: ObjectStore) -> bytes | None:
    """The newest signed note as it is stored, None before the first."""
    number = last_present(store, checkpoint_key)
    return b"".join(store.open_range(checkpoint_key(number))) if number else None


@dataclass(frozen=True)
class Verified:
    """What was verified: the log's head, how many checkpoints hold, and the events after the last of them."""

    head: Head
    checkpoints: int
    uncovered: int


def verify_checkpoints(
    store: ObjectStore, key: VerifierKey | None, kept: Iterable[Checkpoint] = ()
) -> Verified:
    """Read the whole log and hold it against every checkpoint beside it, and against copies kept elsewhere.

    Args:
        store: the log's store.
        key: who must have signed; None leaves signatures unchecked and compares sizes and roots only.
        kept: checkpoints (already opened) that somebody kept: none of them can be made to fit another log.

    Raises:
        AuditCorrupt: naming the first segment or checkpoint that does not hold.
    """
    stated = _stored(store, key)
    due: dict[int, list[tuple[str, Checkpoint]]] = {}
    for name, one in (
        *stated,
        *((f"a checkpoint kept elsewhere, of {one.size} events,", one) for one in kept),
    ):
        due.setdefault(one.size, []).append((name, one))
    head = Head()
    for head, _ in verify_segments(store):
        for name, one in due.pop(head.size, ()):
            if one.root != head.root:
                raise AuditCorrupt(
                    f"{name} has another root than the log has: the log was rewritten before it"
                )
    if due:
        size, (name, _) = min((size, ones[0]) for size, ones in due.items())
        raise AuditCorrupt(
            f"{name} counts {size} events, which the log of {head.size} events does not have"
        )
    return Verified(head, len(stated), head.size - (stated[-1][1].size if stated else 0))


def _stored(store: ObjectStore, key: VerifierKey | None) -> list[tuple[str, Checkpoint]]:
    """Every checkpoint beside the log, in order and without a gap."""
    found: list[tuple[str, Checkpoint]] = []
    for number, info in enumerate(store.list("checkpoints/"), start=1):
        if info.key != checkpoint_key(number):
            raise AuditCorrupt(f"checkpoint {number} is missing: {info.key} comes in its place")
        one = _read(store, number, key)
        if found and (one.size <= found[-1][1].size or one.origin != found[-1][1].origin):
            raise AuditCorrupt(f"checkpoint {number} does not come after checkpoint {number - 1}")
        found.append((f"checkpoint {number}", one))
    return found


def _read(store: ObjectStore, number: int, key: VerifierKey | None) -> Checkpoint:
    note = b"".join(store.open_range(checkpoint_key(number)))
    try:
        return Checkpoint.parse(note_text(note) if key is None else open_note(note, key))
    except ValueError as error:
        raise AuditCorrupt(f"checkpoint {number} is none: {error}") from None
