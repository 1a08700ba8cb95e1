"""Check of the whole audit log while it is in use: some segments at a time, again and again.

The signer verifies what is new. This finds changes of what was verified before. A pass reads every
segment from the first to the last, recomputes each hash, and compares the log with every checkpoint
that was stored when the pass began. A pruned log begins after its newest cut, and a cut that is
declared during a pass moves it forward. The next pass begins `PASS_S` after the beginning of this
one, or at once if it took longer.

At a rate of R segments a second, a change in a log of N segments is found within
``max(N / R, PASS_S)``: it is either before the pass, or behind it and before the next one.

The state after each step says how far the pass is, so that a restart continues it, and it keeps the
number of the newest checkpoint and the verdict. It is kept outside of the log's store, signed: who
can write that store cannot move it forward.
"""

import hashlib
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AwareDatetime, BaseModel, NonNegativeInt

from simulacra_custody.audit.checkpoints import (
    Checkpoint,
    checkpoint_key,
    read_checkpoint,
    verified_cut,
)
from simulacra_custody.audit.cuts import Cut, Head, begin_of
from simulacra_custody.audit.event import Sha256
from simulacra_custody.audit.log import (
    FOLDER_SEGMENTS,
    follow_log,
    read_segment,
    segment_folder,
    segment_key,
)
from simulacra_custody.audit.signed_note import VerifierKey, note_text, open_note, sign_note
from simulacra_custody.errors import ArtifactMissing, AuditCorrupt
from simulacra_custody.stores.base import ObjectStore, last_present

PASS_S = 900.0
"""Seconds from the beginning of one pass to that of the next, if it has ended by then."""


class CheckState(BaseModel, extra="forbid", frozen=True):
    """What is known about the log.

    Attributes:
        began: when this pass began, in seconds since the epoch.
        running: whether it has not ended.
        segment: last segment that it verified.
        digest: SHA-256 of that segment.
        compared: checkpoints that it compared.
        stored: checkpoints that were stored when it began.
        signed: number of the newest checkpoint that was ever seen.
        events: events that the last whole pass verified, None before the first.
        ended: when that pass ended.
        corrupt: why the log does not verify; it is not checked and not signed any more.
    """

    began: float = 0.0
    running: bool = False
    segment: NonNegativeInt = 0
    digest: Sha256 = hashlib.sha256(b"").hexdigest()
    compared: NonNegativeInt = 0
    stored: NonNegativeInt = 0
    signed: NonNegativeInt = 0
    events: NonNegativeInt | None = None
    ended: AwareDatetime | None = None
    corrupt: str | None = None

    def seal(self, name: str, key: Ed25519PrivateKey) -> str:
        """Return the state as a signed note."""
        return sign_note(self.model_dump_json() + "\n", name, key).decode()

    @classmethod
    def open(cls, note: str, key: VerifierKey | None) -> Self:
        """Read a signed note, without checking its signature if key is None. Raises ValueError."""
        raw = note.encode()
        return cls.model_validate_json(note_text(raw) if key is None else open_note(raw, key))


class LogCheck:
    """The check of one log; `state` is replaced after each step."""

    def __init__(
        self,
        store: ObjectStore,
        key: VerifierKey,
        state: CheckState,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.state = state
        self._store = store
        self._key = key
        self._now = now
        self._head: Head | None = None
        self._cut: Cut | None = None
        self._next: tuple[int, Checkpoint] | None = None

    def step(self, segments: int) -> int:
        """Verify the next segments; return their number, 0 while no pass is due.

        Raises:
            AuditCorrupt: names the first segment or checkpoint that does not verify.
            StoreUnavailable: retry; the state is as before.
        """
        if not self.state.running:
            if self._now() < self.state.began + PASS_S:
                return 0
            self._begin()
        self._cut = verified_cut(self._store, self._key, self._cut)
        start = head = self._start()
        compared = max(self.state.compared, self._cut.checkpoint if self._cut else 0)
        for following, lines in itertools.islice(follow_log(self._store, start), segments):
            head = following
            if self._cut is not None:
                self._cut.check(head.size - len(lines), lines)
            compared = self._compare(head, compared)
            if (head.segment + 1) % FOLDER_SEGMENTS == 0:
                self._check_folders(head, head.segment)
        read = head.segment - start.segment
        known: dict[str, object] = {
            "segment": head.segment,
            "digest": head.digest,
            "compared": compared,
        }
        if read < segments:
            self._check_end(head, compared)
            ended = datetime.fromtimestamp(self._now(), UTC)
            events = head.size - begin_of(self._cut).size
            known |= {"running": False, "events": events, "ended": ended}
        self._head = head
        self._update(**known)
        return read

    def note_signed(self, number: int) -> None:
        """Remember the newest checkpoint."""
        self._update(signed=max(number, self.state.signed))

    def condemn(self, reason: str) -> None:
        """Remember that the log does not verify."""
        self._update(corrupt=reason)

    def _update(self, **known: object) -> None:
        self.state = self.state.model_copy(update=known)

    def _begin(self) -> None:
        stored = last_present(self._store, checkpoint_key)
        if stored < self.state.signed:
            raise AuditCorrupt(f"checkpoint {stored + 1} is missing")
        self._head = self._cut = None
        fresh = CheckState()
        self._update(
            began=self._now(),
            running=True,
            segment=fresh.segment,
            digest=fresh.digest,
            compared=fresh.compared,
            stored=stored,
            signed=stored,
        )

    def _start(self) -> Head:
        """Return the head that the pass has reached, or that of a cut after it.

        A pass that was interrupted continues with its last segment, which must be unchanged.
        """
        begin = begin_of(self._cut)
        number = self.state.segment
        if number <= begin.segment:
            return begin
        if self._head is not None:
            return self._head
        try:
            head = read_segment(self._store, number)
        except ArtifactMissing:
            raise AuditCorrupt(f"segment {number} is missing") from None
        if head.digest != self.state.digest:
            raise AuditCorrupt(f"segment {number} was changed after it had been verified")
        return head

    def _due(self, compared: int) -> Checkpoint | None:
        """Return the next checkpoint to compare, None after the last one of this pass."""
        number = compared + 1
        if number > self.state.stored:
            return None
        if self._next is None or self._next[0] != number:
            self._next = number, read_checkpoint(self._store, number, self._key)
        return self._next[1]

    def _compare(self, head: Head, compared: int) -> int:
        """Compare the checkpoints up to this head; return the number of compared ones."""
        while (due := self._due(compared)) is not None and due.size <= head.size:
            if (due.size, due.root) != (head.size, head.root):
                raise AuditCorrupt(
                    f"checkpoint {compared + 1} has another root: the log was rewritten before it"
                )
            compared += 1
        return compared

    def _check_end(self, head: Head, compared: int) -> None:
        if (due := self._due(compared)) is not None:
            raise AuditCorrupt(
                f"checkpoint {compared + 1} counts {due.size} events, but the log has {head.size}"
            )
        self._check_folders(head, head.segment, head.segment + 1, head.segment + FOLDER_SEGMENTS)
        if self._cut is not None:
            self._cut.check_end(head.size)

    def _check_folders(self, head: Head, *segments: int) -> None:
        """Check that the folders of these segments hold the segments up to the head, or later ones.

        A later one without its predecessor means that the predecessor was deleted. Those before a
        cut are being deleted.
        """
        begin = begin_of(self._cut).segment
        folders = sorted({segment_folder(number) for number in segments})
        listed = {info.key for folder in folders for info in self._store.list(folder)}
        found = {key for key in listed if key > segment_key(begin)}
        first = max(begin + 1, min(segments) // FOLDER_SEGMENTS * FOLDER_SEGMENTS)
        expected = {segment_key(number) for number in range(first, head.segment + 1)}
        if lost := sorted(expected - found):
            raise AuditCorrupt(f"{lost[0]} is missing")
        following = segment_key(head.segment + 1)
        later = {segment_key(head.segment + step) for step in range(1, 2 * FOLDER_SEGMENTS + 1)}
        beyond = found - expected
        if foreign := sorted(beyond - later):
            raise AuditCorrupt(f"{foreign[0]} is no segment of the log")
        if beyond and self._store.stat(following) is None:
            raise AuditCorrupt(f"segment {head.segment + 1} is missing: {min(beyond)} follows it")
