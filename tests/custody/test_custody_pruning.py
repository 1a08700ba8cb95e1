"""Pruning: what is left of the log verifies, and a cut that was not declared is found."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymerkle
import pytest
from cryptography.exceptions import InvalidSignature

import independent_log
from merkle_proofs import verify_consistency
from simulacra_custody import verify
from simulacra_custody.audit import pruning
from simulacra_custody.audit.check import CheckState, LogCheck
from simulacra_custody.audit.checkpoints import (
    Checkpoint,
    CheckpointSigner,
    checkpoint_key,
    verify_checkpoints,
)
from simulacra_custody.audit.cuts import Cut, begin_of, cut_key, newest_cut
from simulacra_custody.audit.event import AuditData, AuditEvent, Component, EventType
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.log import SegmentedAuditLog, segment_key, verify_segments
from simulacra_custody.audit.merkle import Tree, leaf_hash
from simulacra_custody.audit.pruning import Pruner
from simulacra_custody.audit.reader import AuditReader
from simulacra_custody.audit.signed_note import note_text, sign_note
from simulacra_custody.errors import AuditCorrupt, SettingsError, StoreUnavailable
from simulacra_custody.stores.base import ObjectStore, read_object
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.wiring import audit_days

KEYS = InstallationKeys.generate()
DAYS = 400
EVERY = 5
"""Records between two checkpoints."""
AGES = range(595, 0, -10)
"""Days since each record: 20 are older than DAYS, and the log is cut at 15 of them."""
CUT = 15


def grow(store: ObjectStore, ages: Iterable[float], every: int = EVERY) -> None:
    log, clock = SegmentedAuditLog(store), itertools.count(0, 60)
    signer = CheckpointSigner(store, KEYS.log_name, KEYS.checkpoint, lambda: next(clock))
    signer.step()
    for count, age in enumerate(ages, start=1):
        data = AuditData(tenant="acme" if count % 2 else "globex", uid=f"u{count}")
        time = datetime.now(UTC) - timedelta(days=age)
        log.append(
            AuditEvent(type=EventType.ARTEFACT_READ, source=Component.API, time=time, data=data)
        )
        if count % every == 0:
            assert signer.step() is not None


def pruner(store: ObjectStore, days: int = DAYS) -> Pruner:
    return Pruner(SegmentedAuditLog(store), KEYS.log_name, KEYS.checkpoint, days)


def prune(store: ObjectStore) -> Cut:
    cut = pruner(store).step()
    assert cut is not None
    return cut


@pytest.fixture
def full(store: LocalStore) -> LocalStore:
    grow(store, AGES)
    return store


@pytest.fixture
def pruned(full: LocalStore) -> LocalStore:
    prune(full)
    return full


def objects(store: ObjectStore) -> dict[str, bytes]:
    return {info.key: read_object(store, info.key) for info in store.list("")}


def segments(store: ObjectStore) -> list[str]:
    return [info.key for info in store.list("segments/")]


def whole_check(store: ObjectStore) -> LogCheck:
    check = LogCheck(store, KEYS.log_key, CheckState())
    check.step(10_000)
    return check


CHECKS: list[Callable[[ObjectStore], object]] = [
    lambda store: verify_checkpoints(store, KEYS.log_key),
    whole_check,
    lambda store: independent_log.check(objects(store), str(KEYS.log_key)),
]


def roots(store: ObjectStore) -> Iterator[tuple[int, bytes]]:
    for info in store.list("checkpoints/"):
        one = Checkpoint.open(read_object(store, info.key), KEYS.log_key)
        yield one.size, bytes.fromhex(one.root)


@pytest.mark.parametrize("any_store_url", ["local", "s3", "s3-versioned"], indirect=True)
def test_pruned_log_verifies_and_an_independent_checker_agrees(any_store: ObjectStore) -> None:
    stores = any_store
    grow(stores, AGES)
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for _, lines in verify_segments(stores):
        for line in lines:
            tree.append_entry(line)
    cut = prune(stores)
    assert (cut.size, cut.segment, cut.checkpoint, cut.days) == (CUT, CUT, CUT // EVERY, DAYS)
    assert segments(stores) == [segment_key(number) for number in range(CUT + 1, len(AGES) + 2)]
    found = verify_checkpoints(stores, KEYS.log_key)
    assert (found.cut, found.head.size, found.uncovered) == (cut, len(AGES) + 1, 1)
    assert whole_check(stores).state.events == len(AGES) + 1 - CUT
    assert independent_log.check(objects(stores), str(KEYS.log_key)) == CUT
    for size, root in roots(stores):
        assert root == tree.get_root(size)
    # The log goes on as ever, and is cut once more.
    grow(stores, (0, 0, 0, 0, 0))
    assert pruner(stores).step() is None
    again = pruner(stores, 300).step()
    assert again is not None
    assert (again.number, again.size) == (2, CUT + 10)
    assert verify_checkpoints(stores, KEYS.log_key).cut == again
    assert independent_log.check(objects(stores), str(KEYS.log_key)) == again.size


def test_a_segment_with_one_young_record_is_kept(store: LocalStore) -> None:
    grow(store, AGES[:10])
    mixed = [
        AuditEvent(
            type=EventType.ARTEFACT_READ,
            source=Component.API,
            time=datetime.now(UTC) - timedelta(days=age),
            data=AuditData(tenant="acme", uid="u"),
        )
        for age in (495, 10)
    ]
    SegmentedAuditLog(store).append(*mixed)
    grow(store, AGES[10:])
    cut = prune(store)
    assert (cut.size, segments(store)[0]) == (5, segment_key(6))  # a kept record is old, too


def declare(store: ObjectStore, keys: InstallationKeys = KEYS, **change: Any) -> None:
    """Replace the newest cut by another one that these keys sign."""
    cut = newest_cut(store, None)
    assert cut is not None
    stated = cut.model_copy(update=change)
    note = sign_note(stated.model_dump_json() + "\n", KEYS.log_name, keys.checkpoint)
    store.put(cut_key(stated.number), [note])


def cut_again(store: ObjectStore, checkpoints: int, keys: InstallationKeys) -> None:
    """Cut further checkpoints as the product does, whatever their age, and declare it."""
    size = CUT + checkpoints * EVERY
    heads = (head for head, _ in verify_segments(store, cut_of(store).head))
    head = next(head for head in heads if head.size == size)
    at = datetime.now(UTC)
    event = AuditEvent(
        type=EventType.AUDIT_PRUNED,
        source=Component.OPERATOR,
        time=at,
        data=AuditData(sha256=head.root),
    )
    position = SegmentedAuditLog(store).append(event)
    declare(
        store,
        keys,
        number=2,
        checkpoint=CUT // EVERY + checkpoints,
        segment=head.segment,
        digest=head.digest,
        size=head.size,
        peaks=tuple(peak.hex() for peak in head.peaks),
        at=at,
        record=position.index,
    )
    for number in range(CUT + 1, size + 1):
        store.delete(segment_key(number))


def cut_of(store: ObjectStore) -> Cut:
    cut = newest_cut(store, KEYS.log_key)
    assert cut is not None
    return cut


def delete_the_record_of_the_cut(store: ObjectStore) -> None:
    """It is the newest segment, and no checkpoint covers it yet."""
    store.delete(segment_key(len(AGES) + 1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda store: store.delete(segment_key(CUT + 1)), "segment 16 is missing|checkpoint 4"),
        (lambda store: store.delete(cut_key(1)), "segment 1 is missing|checkpoint 1"),
        (
            lambda store: cut_again(store, 1, InstallationKeys.generate()),
            "cut 2 is invalid: the note has no signature",
        ),
        (lambda store: declare(store, days=29), "cut 1 is invalid"),
        (lambda store: declare(store, days=500), "younger than its 500 days"),
        (lambda store: declare(store, peaks=("a" * 64,) * 4), "cut 1 is not at checkpoint 3"),
        (lambda store: declare(store, peaks=("a" * 64,)), "contradict each other"),
        (lambda store: declare(store, checkpoint=2), "cut 1 is not at checkpoint 2"),
        (lambda store: declare(store, digest="a" * 64), "segment 16 does not follow segment 15"),
        (
            lambda store: declare(store, until=datetime.now(UTC) - timedelta(days=500)),
            "another time of record 15",
        ),
        (
            lambda store: declare(store, at=datetime.now(UTC) + timedelta(days=1)),
            "cut 1 is invalid: it is in the future",
        ),
        (lambda store: declare(store, at=datetime.now(UTC)), "is not what record 60 states"),
        (lambda store: declare(store, record=59), "is not what record 59 states"),
        (lambda store: cut_again(store, 3, KEYS), "another time of record 30"),
        (delete_the_record_of_the_cut, "record 60, which is missing"),
    ],
)
def test_a_cut_that_was_not_declared_or_is_false_is_found(
    pruned: LocalStore, change: Callable[[LocalStore], object], sentence: str
) -> None:
    change(pruned)
    for check in CHECKS[:2]:
        with pytest.raises(AuditCorrupt, match=sentence):
            check(pruned)
    with pytest.raises((AssertionError, InvalidSignature, KeyError)):
        independent_log.check(objects(pruned), str(KEYS.log_key))


def test_cut_of_young_records_is_found_even_if_the_installation_signs_it(
    full: LocalStore,
) -> None:
    """A taken-over operator, or one whose clock is wrong: the log's own times show it."""
    days = timedelta(days=200)
    log = SegmentedAuditLog(full)
    young = Pruner(log, KEYS.log_name, KEYS.checkpoint, DAYS, lambda: datetime.now(UTC) + days)
    young.step()
    for check in CHECKS[:2]:
        with pytest.raises(AuditCorrupt, match="cut 1 is invalid: it is in the future"):
            check(full)
    # The same cut with a false time: the record of the cut says when it was.
    note = read_object(full, cut_key(1))
    cut = Cut.model_validate_json(note_text(note))
    assert cut.until > datetime.now(UTC) - timedelta(days=DAYS)
    stated = cut.model_copy(update={"at": cut.at - days, "days": 30})
    full.put(
        cut_key(1), [sign_note(stated.model_dump_json() + "\n", KEYS.log_name, KEYS.checkpoint)]
    )
    for check in CHECKS:
        with pytest.raises((AuditCorrupt, AssertionError)):
            check(full)


def test_cut_of_fewer_days_than_asked_is_refused_by_the_verifier(
    full: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pruner(full, 300).step() is not None
    command = [str(full.root), "--key", str(KEYS.log_key)]
    assert verify.main([*command, "--days", "300"]) == 0
    said = capsys.readouterr().out
    assert "pruned: events 0 to 24, from before " in said
    assert "(they are kept for 300 days)" in said
    assert verify.main([*command, "--days", "400"]) == 1
    assert "keeps events for 300 days, fewer than 400" in capsys.readouterr().err


class Crash(Exception):
    """The process ends here."""


class Crashing:
    """A store that a process leaves at its nth change."""

    def __init__(self, store: LocalStore, changes: int) -> None:
        self._store, self._left = store, changes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _change(self) -> None:
        if not self._left:
            raise Crash
        self._left -= 1

    def put(self, *args: Any, **kwargs: Any) -> Any:
        self._change()
        return self._store.put(*args, **kwargs)

    def delete(self, key: str) -> None:
        self._change()
        self._store.delete(key)


def test_pruning_that_crashes_anywhere_is_completed_and_always_verifies(full: LocalStore) -> None:
    crashes = 0
    for changes in itertools.count():
        store: Any = Crashing(full, changes % 4)
        try:
            if pruner(store).step() is None and len(segments(full)) == len(AGES) - CUT + crashes:
                break
        except Crash:
            crashes = len(list(verify_segments(full, begin_of(newest_cut(full, None)))))
            crashes -= len(AGES) - CUT
            for check in CHECKS:
                check(full)
        assert changes < 50
    cut = cut_of(full)
    assert (cut.number, cut.size) == (1, CUT)
    assert segments(full)[0] == segment_key(CUT + 1)
    for check in CHECKS:
        check(full)


def test_object_that_cannot_be_deleted_yet_is_deleted_later(
    full: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object lock that is longer than the retention."""

    def refuse(key: str) -> None:
        raise StoreUnavailable("locked")

    monkeypatch.setattr(full, "delete", refuse)
    with pytest.raises(StoreUnavailable):
        pruner(full).step()
    assert len(segments(full)) == len(AGES) + 1
    for check in CHECKS:
        check(full)
    monkeypatch.undo()
    assert pruner(full).step() is None
    assert len(segments(full)) == len(AGES) + 1 - CUT


@pytest.mark.parametrize("age", [DAYS + 0.5, DAYS - 1, 10])
def test_nothing_is_pruned_before_its_time(store: LocalStore, age: float) -> None:
    grow(store, [age] * 20)
    assert pruner(store).step() is None
    assert len(segments(store)) == 20


def test_a_log_at_rest_keeps_its_newest_checkpoint(store: LocalStore) -> None:
    grow(store, [900.0] * 20)
    cut = prune(store)
    assert cut.checkpoint == 3
    grow(store, [0.0] * 5)
    assert verify_checkpoints(store, KEYS.log_key).uncovered == 0


def test_a_long_log_is_cut_in_parts(full: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "SEGMENTS", 4)
    assert [prune(full).size for _ in range(3)] == [5, 10, 15]
    assert pruner(full).step() is None
    assert independent_log.check(objects(full), str(KEYS.log_key)) == CUT


@pytest.mark.parametrize("number", [3, CUT + 1])
def test_a_changed_log_is_not_pruned(full: LocalStore, number: int) -> None:
    key = segment_key(number)
    full.put(key, [read_object(full, key).replace(b'"uid":"u', b'"uid":"v')])
    with pytest.raises(AuditCorrupt, match=f"segment {number} "):
        pruner(full).step()
    assert len(segments(full)) == len(AGES)


def test_two_pruners_make_one_cut(full: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    other = pruner(full)
    due = other._due(None)
    assert due is not None
    prune(full)
    assert other._declare(due, None) is None, "the other one was first"
    for check in CHECKS:
        check(full)


def test_writers_append_at_the_end_of_a_pruned_log(
    full: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that knows no newer segment than a deleted one could put its record there again."""
    idle = SegmentedAuditLog(full)
    monkeypatch.setattr(
        "simulacra_custody.audit.log.last_present",
        lambda store, key: 2,
    )
    idle._known()
    monkeypatch.undo()
    idle._read_at -= 2 * 86_400
    assert idle._head.segment == 2
    prune(full)
    new = SegmentedAuditLog(full)
    event = AuditEvent(type=EventType.ARTEFACT_READ, source=Component.API, data=AuditData())
    assert [one.append(event).index for one in (idle, new)] == [len(AGES) + 1, len(AGES) + 2]
    assert verify_checkpoints(full, KEYS.log_key).head.size == len(AGES) + 3


def test_kept_checkpoint_from_before_the_cut_still_reveals_another_history(
    full: LocalStore, tmp_path: Path
) -> None:
    old = Checkpoint.open(read_object(full, checkpoint_key(1)), KEYS.log_key)
    prune(full)
    assert verify_checkpoints(full, KEYS.log_key, [old]).head.size == len(AGES) + 1
    other = LocalStore(tmp_path / "other")
    grow(other, AGES)
    prune(other)
    with pytest.raises(AuditCorrupt, match="kept elsewhere, of 5 events"):
        verify_checkpoints(other, KEYS.log_key, [old])


def test_consistency_proofs_after_the_cut_verify(pruned: LocalStore) -> None:
    cut = cut_of(pruned)
    leaves = [leaf_hash(line) for _, lines in verify_segments(pruned, cut.head) for line in lines]
    tree = Tree(leaves, cut.size, cut.head.peaks)
    root = tree.hash(0, tree.size)
    assert root.hex() == verify_checkpoints(pruned, KEYS.log_key).head.root
    for size, old_root in roots(pruned):
        if size < CUT:
            with pytest.raises(ValueError, match="an old size of 15 to 61"):
                tree.consistency_proof(size)
        else:
            proof = tree.consistency_proof(size)
            assert verify_consistency(size, old_root, tree.size, root, proof)


@pytest.mark.parametrize("read", [5, CUT, 40])
@pytest.mark.parametrize("restarted", [False, True])
def test_check_in_progress_goes_on_after_a_cut(
    full: LocalStore, read: int, restarted: bool
) -> None:
    check = LogCheck(full, KEYS.log_key, CheckState())
    check.step(read)
    prune(full)
    if restarted:
        check = LogCheck(full, KEYS.log_key, check.state)
    while check.state.running:
        check.step(7)
    assert (check.state.events, check.state.stored) == (len(AGES) + 1 - CUT, len(AGES) // EVERY)


def test_positions_before_the_cut_go_on_after_it(full: LocalStore) -> None:
    reader = AuditReader(SegmentedAuditLog(full))
    first = reader.page("acme", limit=2, oldest_first=True)
    assert [one.data.uid for one in first.events] == ["u1", "u3"]
    prune(full)
    for one in (reader, AuditReader(SegmentedAuditLog(full))):
        page = one.page("acme", limit=2, position=first.position, oldest_first=True)
        assert [event.data.uid for event in page.events] == ["u17", "u19"]
        assert page.cut is not None
        assert page.cut.size == CUT
        back = one.page("acme", limit=3, position=CUT + 5)
        assert [event.data.uid for event in back.events] == ["u19", "u17"]
        assert not back.more
        assert one.page("acme", limit=3, position=4).events == ()


def test_reader_returns_each_record_once_in_both_orders(pruned: LocalStore) -> None:
    reader = AuditReader(SegmentedAuditLog(pruned))
    found: dict[bool, list[str]] = {}
    for oldest_first in (True, False):
        position, more, ids = None, True, []
        while more:
            page = reader.page(None, limit=7, position=position, oldest_first=oldest_first)
            position, more = page.position, page.more
            ids += [event.id for event in page.events]
        found[oldest_first] = ids
    assert found[True] == found[False][::-1]
    assert len(set(found[True])) == len(AGES) + 1 - CUT
    last = reader.page(None, limit=7, oldest_first=True, position=len(AGES) + 1)
    assert (last.events, last.position, last.more) == ((), len(AGES) + 1, False)


@pytest.mark.parametrize("value", ["29", "0", "-1", "400.5", "forever", "36501"])
def test_a_retention_under_a_month_is_refused(value: str) -> None:
    assert audit_days({}) == DAYS
    assert audit_days({"SIMULACRA_AUDIT_DAYS": "30"}) == 30
    with pytest.raises(SettingsError, match="SIMULACRA_AUDIT_DAYS must be 30 to 36500 days"):
        audit_days({"SIMULACRA_AUDIT_DAYS": value})
