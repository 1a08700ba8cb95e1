"""Signed checkpoints of the audit log (C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint).

A checkpoint is a signed note of four lines: the log's origin, its size, its RFC 6962 root in base64
and, as an extension, its last segment. Checkpoint n is one object beside the log, created only if
absent. The signer verifies everything since the last checkpoint before it signs the next one, so
it never signs two histories.

A log that was truncated or rewritten no longer has the size or the root of a checkpoint. An
attacker who also deletes checkpoints is found by anybody who kept a copy of one:
`verify_checkpoints` takes such copies.
"""

import base64
import binascii
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulacra_custody.audit.cuts import Cut, Head, begin_of, newest_cut
from simulacra_custody.audit.log import follow_log, read_segment, verify_segments
from simulacra_custody.audit.signed_note import (
    VerifierKey,
    note_text,
    open_note,
    sign_note,
    verifier_key,
)
from simulacra_custody.errors import ArtifactMissing, AuditCorrupt, ObjectExists
from simulacra_custody.stores.base import ObjectStore, last_present, read_object

EVERY_S = 60.0
EVERY_EVENTS = 1000
"""A checkpoint is due with the first new event after a minute, or after a thousand new events."""
_SEGMENT = "segment "


@dataclass(frozen=True)
class Checkpoint:
    """The log's name, its size in events, its root (hex) and the number of its last segment."""

    origin: str
    size: int
    root: str
    segment: int

    @property
    def text(self) -> str:
        """The text to sign."""
        root = base64.b64encode(bytes.fromhex(self.root)).decode()
        return f"{self.origin}\n{self.size}\n{root}\n{_SEGMENT}{self.segment}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a checkpoint's text. Raises ValueError."""
        lines = text.splitlines()
        if len(lines) != 4 or not lines[3].startswith(_SEGMENT):
            raise ValueError("a checkpoint has four lines: origin, size, root, segment")
        try:
            root = base64.b64decode(lines[2], validate=True).hex()
        except binascii.Error as error:
            raise ValueError("the root of a checkpoint must be base64") from error
        parsed = cls(lines[0], int(lines[1]), root, int(lines[3].removeprefix(_SEGMENT)))
        if parsed.text != text:
            raise ValueError("the checkpoint is not in its canonical form")
        return parsed

    @classmethod
    def open(cls, note: bytes, key: VerifierKey | None) -> Self:
        """Read a signed note, without checking its signature if key is None. Raises ValueError."""
        return cls.parse(note_text(note) if key is None else open_note(note, key))


class CheckpointSigner:
    """Signer of one log's checkpoints; several processes may share a store."""

    def __init__(
        self,
        store: ObjectStore,
        origin: str,
        key: Ed25519PrivateKey,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._origin = origin
        self._key = key
        self._now = now
        self._number = 0
        self._signed_size = 0
        self._signed_at = float("-inf")
        self._head = Head()

    @property
    def number(self) -> int:
        """The number of the newest checkpoint."""
        return self._number

    def step(self, seen: int = 0) -> Checkpoint | None:
        """Verify the new events; if a checkpoint is due, sign, store and return it.

        Args:
            seen: number of a checkpoint that was seen before and must still be there.

        Raises:
            AuditCorrupt: the log does not continue its last checkpoint; sign nothing more.
            StoreUnavailable: retry.
        """
        self._catch_up()
        if self._number < seen:
            raise AuditCorrupt(f"checkpoint {self._number + 1} is missing")
        for head, _ in follow_log(self._store, self._head):
            self._head = head
        new = self._head.size - self._signed_size
        if new == 0 or (new < EVERY_EVENTS and self._now() - self._signed_at < EVERY_S):
            return None
        checkpoint = Checkpoint(self._origin, self._head.size, self._head.root, self._head.segment)
        note = sign_note(checkpoint.text, self._origin, self._key)
        try:
            self._store.put(checkpoint_key(self._number + 1), [note], if_absent=True)
        except ObjectExists:
            # Another process was first; the next step begins at its checkpoint.
            return None
        self._signed(self._number + 1, checkpoint.size)
        return checkpoint

    def _catch_up(self) -> None:
        """Continue from the newest checkpoint, after a start or another process's signature."""
        further = last_present(self._store, lambda step: checkpoint_key(self._number + step))
        if not further:
            return
        number = self._number + further
        checkpoint = read_checkpoint(self._store, number, verifier_key(self._origin, self._key))
        segment = f"segment {checkpoint.segment} of checkpoint {number}"
        head = self._head
        if head.size != checkpoint.size:
            try:
                head = read_segment(self._store, checkpoint.segment)
            except ArtifactMissing:
                raise AuditCorrupt(f"{segment} is missing") from None
        if (head.size, head.root) != (checkpoint.size, checkpoint.root):
            raise AuditCorrupt(f"{segment} has another size or root than the checkpoint states")
        self._head = head
        self._signed(number, checkpoint.size)

    def _signed(self, number: int, size: int) -> None:
        self._number = number
        self._signed_size = size
        self._signed_at = self._now()


def checkpoint_key(number: int) -> str:
    """Return the object key of a checkpoint: sorted by number, a thousand in a folder."""
    return f"checkpoints/{number // 1000:09d}/{number:012d}"


def newest_checkpoint(store: ObjectStore) -> bytes | None:
    """Return the newest signed note, None before the first."""
    number = last_present(store, checkpoint_key)
    return read_object(store, checkpoint_key(number)) if number else None


@dataclass(frozen=True)
class Verified:
    """The log's head, the number of valid checkpoints, and of events after the last of them.

    Attributes:
        cut: the newest declared cut, None if the log begins with its first record.
    """

    head: Head
    checkpoints: int
    uncovered: int
    cut: Cut | None = None


def verify_checkpoints(
    store: ObjectStore, key: VerifierKey | None, kept: Iterable[Checkpoint] = ()
) -> Verified:
    """Read the whole log and compare it with every checkpoint, stored or kept elsewhere.

    Of a pruned log, that is what its newest cut has left. A copy of a checkpoint that is older than
    the cut is compared with the stored checkpoint of its size.

    Args:
        store: the log's store.
        key: verifier key of the signatures; None compares sizes and roots only.
        kept: copies of checkpoints that somebody kept.

    Raises:
        AuditCorrupt: names the first segment, checkpoint or cut that does not verify.
    """
    cut = verified_cut(store, key)
    head = begin = begin_of(cut)
    copies = [(f"a checkpoint kept elsewhere, of {one.size} events,", one) for one in kept]
    with_old = any(one.size < begin.size for _, one in copies)
    stated = _stored(store, key, first=cut.checkpoint if cut and not with_old else 1)
    due: dict[int, list[tuple[str, Checkpoint]]] = {}
    for name, one in (*stated, *copies):
        due.setdefault(one.size, []).append((name, one))

    def compare(size: int, root: str | None) -> None:
        for name, one in due.pop(size, ()):
            if one.root != root:
                raise AuditCorrupt(f"{name} has another root: the log was rewritten before it")

    pruned = {one.size: one.root for _, one in stated if one.size < begin.size}
    for size in [size for size in due if size < begin.size]:
        compare(size, pruned.get(size))
    compare(begin.size, begin.root)
    for head, lines in verify_segments(store, begin):
        if cut is not None:
            cut.check(head.size - len(lines), lines)
        compare(head.size, head.root)
    if due:
        size, (name, _) = min((size, ones[0]) for size, ones in due.items())
        raise AuditCorrupt(f"{name} counts {size} events, but the log has {head.size}")
    if cut is not None:
        cut.check_end(head.size)
    covered = stated[-1][1].size if stated else 0
    return Verified(head, len(stated), head.size - covered, cut)


def verified_cut(
    store: ObjectStore, key: VerifierKey | None, known: Cut | None = None
) -> Cut | None:
    """Return the newest cut, which is at a checkpoint; for `known` see `newest_cut`.

    Raises:
        AuditCorrupt: the cut is not valid, or its checkpoint states another tree.
    """
    cut = newest_cut(store, key, known)
    if cut is not None and cut is not known:
        stated = Checkpoint(cut.origin, cut.size, cut.head.root, cut.segment)
        if read_checkpoint(store, cut.checkpoint, key) != stated:
            raise AuditCorrupt(f"cut {cut.number} is not at checkpoint {cut.checkpoint}")
    return cut


def _stored(
    store: ObjectStore, key: VerifierKey | None, first: int
) -> list[tuple[str, Checkpoint]]:
    """Return name and content of each stored checkpoint from `first` on, in order, without gap."""
    found: list[tuple[str, Checkpoint]] = []
    for number, info in enumerate(store.list("checkpoints/"), start=1):
        if info.key != checkpoint_key(number):
            raise AuditCorrupt(f"checkpoint {number} is missing: {info.key} is in its place")
        if number < first:
            continue
        one = read_checkpoint(store, number, key)
        if found and (one.size <= found[-1][1].size or one.origin != found[-1][1].origin):
            raise AuditCorrupt(f"checkpoint {number} does not continue checkpoint {number - 1}")
        found.append((f"checkpoint {number}", one))
    return found


def read_checkpoint(store: ObjectStore, number: int, key: VerifierKey | None) -> Checkpoint:
    """Return a stored checkpoint, its signature unchecked if key is None. Raises `AuditCorrupt`."""
    try:
        return Checkpoint.open(read_object(store, checkpoint_key(number)), key)
    except ArtifactMissing:
        raise AuditCorrupt(f"checkpoint {number} is missing") from None
    except ValueError as error:
        raise AuditCorrupt(f"checkpoint {number} is invalid: {error}") from None
