"""The audit log changed in the middle while it is in use: found in time, and signed no more.

The attacker writes the log's store as they like, rehashes what they change, and holds no key.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from simulacra_crds.kube.client import NotFound
from simulacra_crds.names import AUDIT_CHECK, system_namespace
from simulacra_custody.audit import check as audit_check
from simulacra_custody.audit import checkpoints as audit_checkpoints
from simulacra_custody.audit.check import PASS_S, CheckState, LogCheck
from simulacra_custody.audit.checkpoints import EVERY_S, CheckpointSigner, checkpoint_key
from simulacra_custody.audit.cuts import Head
from simulacra_custody.audit.event import AuditData, AuditEvent, Component, EventType
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.log import SegmentedAuditLog, _chain, segment_key
from simulacra_custody.audit.reader import AuditReader
from simulacra_custody.errors import AuditCorrupt, StoreUnavailable
from simulacra_custody.stores.local import LocalStore
from simulacra_operator.runtime.audit_guard import (
    ACCEPT,
    PRUNE_S,
    SAVE_S,
    SEGMENTS_A_SECOND,
    AuditGuard,
)
from simulacra_operator.runtime.custody_client import CustodyClient

KEYS = InstallationKeys.generate()
SEGMENTS = 80
RATE = 10
LAST = SEGMENTS // 10
Object = dict[str, Any]
Edit = Callable[["Log", int], object]


def event(number: int, age: float = 0.0) -> AuditEvent:
    data = AuditData(tenant="acme", uid=f"u{number}")
    time = datetime.now(UTC) - timedelta(days=age)
    return AuditEvent(type=EventType.ARTEFACT_READ, source=Component.API, time=time, data=data)


class Log:
    """A log with a checkpoint after every tenth event, and a clock that each step moves."""

    def __init__(self, store: LocalStore) -> None:
        self.store = store
        self.clock = 1000.0
        self.writer = SegmentedAuditLog(store)
        self.signer = CheckpointSigner(store, KEYS.log_name, KEYS.checkpoint, lambda: self.clock)
        self.signer.step()

    def grow(self, events: int, age: float = 0.0) -> None:
        for _ in range(events):
            self.writer.append(event(next(_numbers), age))
        self.clock += EVERY_S
        assert self.signer.step() is not None

    def check(self, state: CheckState | None = None) -> LogCheck:
        return LogCheck(self.store, KEYS.log_key, state or CheckState(), lambda: self.clock)

    def content(self, number: int) -> bytes:
        return b"".join(self.store.open_range(segment_key(number)))

    def put(self, number: int, content: bytes) -> None:
        # Without the fsync of the store, which takes most of the time here.
        (self.store.root / segment_key(number)).write_bytes(content)

    def lines(self, number: int) -> list[bytes]:
        return self.content(number).split(b"\n")[1:-1]

    def rewrite(self, events: list[bytes]) -> None:
        """Replace the whole log by a consistent one of these events."""
        head = Head()
        for number, line in enumerate(events, start=1):
            content, head = _chain(head, line)
            self.put(number, content)

    def events(self) -> list[bytes]:
        count = len(list(self.store.list("segments/")))
        return [line for number in range(1, count + 1) for line in self.lines(number)]


_numbers = itertools.count()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untouched log."""
    folder = tmp_path_factory.mktemp("original")
    log = Log(LocalStore(folder))
    for _ in range(LAST):
        log.grow(10)
    return folder


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Log:
    return copied(original, tmp_path / "audit")


def copied(original: Path, folder: Path) -> Log:
    """Return an untouched log in a folder, which replaces what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original, folder)
    return Log(LocalStore(folder))


def edit(log: Log, number: int) -> None:
    """Change one letter of a record."""
    log.put(number, log.content(number).replace(b'"uid":"u', b'"uid":"v'))


def edit_with_its_hashes(log: Log, number: int) -> None:
    """Change a record, and compute its own header as it would be."""
    before = Head()
    for earlier in range(1, number):
        _, before = _chain(before, *log.lines(earlier))
    content, _ = _chain(before, event(-1).line())
    log.put(number, content)


def edit_and_rewrite(log: Log, number: int) -> None:
    """Change a record and rehash the rest of the log: it is consistent in itself."""
    events = log.events()
    log.rewrite([*events[: number - 1], event(-1).line(), *events[number:]])


def delete(log: Log, number: int) -> None:
    log.store.delete(segment_key(number))


def delete_and_rewrite(log: Log, number: int) -> None:
    """Delete a record and close the gap."""
    events = log.events()
    log.rewrite([*events[: number - 1], *events[number:]])
    log.store.delete(segment_key(len(events)))


def insert(log: Log, number: int) -> None:
    """Put a second record into a segment."""
    log.put(number, log.content(number) + event(-1).line() + b"\n")


def insert_beside(log: Log, number: int) -> None:
    """Put another object between two segments."""
    key = segment_key(number).replace(".jsonl", ".a.jsonl")
    log.store.put(key, [log.content(number)])


def reorder(log: Log, number: int) -> None:
    one, two = log.content(number), log.content(number + 1)
    log.put(number, two)
    log.put(number + 1, one)


def replace(log: Log, number: int) -> None:
    """Put an earlier segment in its place."""
    log.put(number, log.content(number - 1))


def drop_a_checkpoint(log: Log, number: int) -> None:
    log.store.delete(checkpoint_key(max(1, number // 10)))


EDITS = [
    edit,
    edit_with_its_hashes,
    edit_and_rewrite,
    delete,
    delete_and_rewrite,
    insert,
    insert_beside,
    reorder,
    replace,
    drop_a_checkpoint,
]


@pytest.mark.parametrize("change", EDITS)
@pytest.mark.parametrize("pass_s", [2.0, PASS_S])
def test_an_edit_at_any_time_is_found_within_the_bound(
    original: Path, tmp_path: Path, change: Edit, pass_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stated bound: the time of a whole pass or the pause, whichever is longer, and a step."""
    monkeypatch.setattr(audit_check, "PASS_S", pass_s)
    chance = random.Random(f"{change.__name__} {pass_s}")
    for _ in range(6):
        log = copied(original, tmp_path / "audit")
        check = log.check()
        for _ in range(chance.randrange(0, 40)):
            check.step(RATE)
            log.clock += 1
        change(log, chance.randrange(2, SEGMENTS - 1))
        changed_at = log.clock
        # A step more for the end of the pass, and one for the beginning of the next.
        bound = max(SEGMENTS / RATE, pass_s) + 2
        with pytest.raises(AuditCorrupt):  # noqa: PT012 - the loop must raise
            while log.clock <= changed_at + bound:
                check.step(RATE)
                log.clock += 1


def test_an_untouched_log_that_grows_is_never_condemned(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_check, "PASS_S", 1.0)
    check, ends = log.check(), set()
    for turn in range(60):
        check.step(RATE)
        log.clock += 1
        log.writer.append(event(turn))
        if turn % 7 == 0:
            log.grow(2)
        ends.add(check.state.events)
    assert len(ends) > 3
    assert log.check().step(10_000) > SEGMENTS


def test_a_crash_in_the_middle_resumes_where_it_was_saved(log: Log) -> None:
    check = log.check()
    assert [check.step(RATE) for _ in range(4)] == [RATE] * 4
    saved = CheckState.open(check.state.seal(KEYS.log_name, KEYS.checkpoint), KEYS.log_key)
    resumed = log.check(saved)
    read = []
    while resumed.state.running:
        read.append(resumed.step(RATE))
    assert sum(read) == SEGMENTS - 4 * RATE
    assert resumed.state.events == SEGMENTS
    assert resumed.step(RATE) == 0, "the next pass is not due yet"


def test_a_resumed_check_finds_its_last_segment_changed(log: Log) -> None:
    check = log.check()
    check.step(RATE)
    edit(log, RATE)
    with pytest.raises(AuditCorrupt, match=f"segment {RATE} was changed"):
        log.check(check.state).step(RATE)


def test_a_gap_after_the_last_checkpoint_is_found(log: Log) -> None:
    """The signer stops at the gap and would take it for the end."""
    log.writer.append(event(1))
    log.writer.append(event(2))
    log.store.delete(segment_key(SEGMENTS + 1))
    with pytest.raises(AuditCorrupt, match=f"segment {SEGMENTS + 1} is missing"):
        log.check().step(1000)


def test_a_store_fault_in_a_step_changes_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    check = log.check()
    check.step(RATE)
    state, read = check.state, log.store.open_range

    def fail(key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        if key == segment_key(15):
            raise StoreUnavailable("away")
        return read(key, start, end)

    monkeypatch.setattr(log.store, "open_range", fail)
    with pytest.raises(StoreUnavailable):
        check.step(RATE)
    assert check.state == state
    monkeypatch.undo()
    assert check.step(1000) == SEGMENTS - RATE


def test_a_forged_checkpoint_does_not_move_the_signer(log: Log) -> None:
    """A rewritten log with an unsigned checkpoint of its own, over a restart of the signer."""
    events = log.events()
    log.rewrite([event(-1).line(), *events[1:]])
    note = b"".join(log.store.open_range(checkpoint_key(LAST)))
    forged = InstallationKeys.generate()
    other = LocalStore(log.store.root.parent / "other")
    for number in range(1, SEGMENTS + 1):
        other.put(segment_key(number), [log.content(number)])
    CheckpointSigner(other, KEYS.log_name, forged.checkpoint).step()
    log.store.delete_prefix("checkpoints/")
    log.store.put(checkpoint_key(1), [b"".join(other.open_range(checkpoint_key(1)))])
    again = CheckpointSigner(log.store, KEYS.log_name, KEYS.checkpoint)
    with pytest.raises(AuditCorrupt, match="checkpoint 1 is invalid"):
        again.step()
    assert note != b"".join(log.store.open_range(checkpoint_key(1)))


class Record:
    """The calls of `Cluster` that the guard makes, over one ConfigMap."""

    def __init__(self) -> None:
        self.body: Object | None = None
        self.writes = 0

    async def find(self, _: Any, name: str, namespace: str) -> Object | None:
        assert (name, namespace) == (AUDIT_CHECK, system_namespace())
        return self.body

    async def patch(self, _: Any, name: str, patch: Object, namespace: str) -> None:
        if self.body is None:
            raise NotFound(404, "NotFound", name)
        self.writes += 1
        self.body["data"] |= patch["data"]

    async def create(self, _: Any, body: Object, namespace: str) -> None:
        self.writes += 1
        self.body = body

    async def delete(self, _: Any, name: str, namespace: str) -> None:
        self.body = None


class Custody:
    """The part of `CustodyClient` that the guard uses."""

    def __init__(self, store: LocalStore) -> None:
        self.audit_store = store
        self.audit = SegmentedAuditLog(store)

    async def run(self, _: str, call: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.to_thread(call, *args)

    record = CustodyClient.record


class Keys:
    async def keys(self) -> InstallationKeys:
        return KEYS


def guard(log: Log, record: Record) -> AuditGuard:
    """Return a guard as after a start of the operator."""
    return AuditGuard(record, Custody(log.store), Keys())  # type: ignore[arg-type]


def metric() -> float | None:
    return REGISTRY.get_sample_value("simulacra_audit_corrupt")


def checkpoints(log: Log) -> int:
    return len(list(log.store.list("checkpoints/")))


async def rounds(one: AuditGuard, count: int) -> None:
    for _ in range(count):
        await one.check()
        await one.sign()


@pytest.mark.parametrize("change", EDITS)
async def test_an_edit_stops_the_signer_and_raises_the_metric(
    log: Log, tmp_path: Path, change: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_check, "PASS_S", 0.0)
    monkeypatch.setattr(audit_checkpoints, "EVERY_S", 0.0)
    record = Record()
    running = guard(log, record)
    log.writer.append(event(0))
    await rounds(running, 4)
    assert (metric(), checkpoints(log)) == (0, LAST + 1)
    untouched = tmp_path / "untouched"
    shutil.copytree(log.store.root, untouched)
    change(log, 57)
    await rounds(running, SEGMENTS // SEGMENTS_A_SECOND + 3)
    assert metric() == 1
    # The attacker undoes it all, and the operator restarts: the verdict stands.
    copied(untouched, log.store.root)
    for one in (running, guard(log, record)):
        log.writer.append(event(0))
        await rounds(one, 6)
        assert metric() == 1
        assert checkpoints(log) == LAST + 1
    state = CheckState.open((record.body or {})["data"]["check"], KEYS.log_key)
    assert state.corrupt


async def test_the_verdict_ends_when_an_administrator_accepts_the_log(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_check, "PASS_S", 0.0)
    monkeypatch.setattr(audit_checkpoints, "EVERY_S", 0.0)
    record = Record()
    running = guard(log, record)
    untouched = log.content(57)
    edit(log, 57)
    await rounds(running, 4)
    assert metric() == 1
    record.body = None
    await rounds(running, 1)
    assert record.body is not None, "a deleted record is written again"
    log.put(57, untouched)
    record.body["metadata"]["annotations"] = {ACCEPT: "restored"}
    log.writer.append(event(0))
    before = checkpoints(log)
    await rounds(running, 4)
    assert metric() == 0
    assert checkpoints(log) == before + 1
    *_, last = AuditReader(SegmentedAuditLog(log.store)).page(None, limit=1).events
    assert last.type == EventType.AUDIT_ACCEPTED


async def test_checkpoints_removed_while_the_operator_is_down_are_missed(log: Log) -> None:
    """Without its record the signer would sign a second history."""
    record = Record()
    await rounds(guard(log, record), 4)
    for number in range(5, LAST + 1):
        log.store.delete(checkpoint_key(number))
    for number in range(41, SEGMENTS + 1):
        log.store.delete(segment_key(number))
    log.writer = SegmentedAuditLog(log.store)
    log.writer.append(event(-1))
    restarted = guard(log, record)
    await restarted.sign()
    assert metric() == 1
    assert checkpoints(log) == 4


async def test_a_record_of_another_key_is_no_progress(log: Log) -> None:
    record = Record()
    await rounds(guard(log, record), 4)
    other = InstallationKeys.generate()
    forged = CheckState(running=True, segment=SEGMENTS, digest="a" * 64, stored=LAST)
    assert record.body is not None
    record.body["data"]["check"] = forged.seal(KEYS.log_name, other.checkpoint)
    edit(log, 3)
    await rounds(guard(log, record), 1)
    assert metric() == 1


async def test_progress_is_saved_once_a_minute_at_most(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra_operator.runtime.audit_guard.SEGMENTS_A_SECOND", 1)
    record = Record()
    running = guard(log, record)
    await running.check()
    writes = record.writes
    for _ in range(30):
        await running.check()
    assert record.writes - writes <= 1
    assert SAVE_S == 60


async def test_a_log_is_pruned_by_its_guard_unless_it_is_condemned(tmp_path: Path) -> None:
    log, record = Log(LocalStore(tmp_path / "audit")), Record()
    for age in (600.0, 500.0, 410.0, 10.0):
        log.grow(10, age)
    edit(log, 25)
    running = guard(log, record)
    assert await running.prune() == PRUNE_S
    assert metric() == 1
    edit_back = log.content(25).replace(b'"uid":"v', b'"uid":"u')
    log.put(25, edit_back)
    assert await running.prune() == PRUNE_S, "the verdict stands"
    assert len(log.events()) == 40
    record.body = None
    running = guard(log, record)
    assert await running.prune() < PRUNE_S
    assert len(list(log.store.list("segments/"))) == 21
    assert await running.prune() == PRUNE_S
    await rounds(running, 2)
    assert metric() == 0
