"""Signed checkpoints: they reveal every change of the log, even a truncation."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pymerkle
import pytest

from merkle_proofs import verify_consistency
from simulacra_custody.audit import checkpoints
from simulacra_custody.audit.checkpoints import (
    EVERY_EVENTS,
    EVERY_S,
    Checkpoint,
    CheckpointSigner,
    checkpoint_key,
    newest_checkpoint,
    verify_checkpoints,
)
from simulacra_custody.audit.event import AuditData, AuditEvent, Component, EventType
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.log import SegmentedAuditLog, segment_key, verify_segments
from simulacra_custody.audit.merkle import Tree, leaf_hash
from simulacra_custody.audit.signed_note import VerifierKey, note_text, open_note, sign_note
from simulacra_custody.errors import AuditCorrupt
from simulacra_custody.stores.local import LocalStore

KEYS = InstallationKeys.generate()
SIZES = (3, 8, 13)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def append(store: LocalStore, count: int) -> None:
    log = SegmentedAuditLog(store)
    for number in range(count):
        data = AuditData(tenant="acme", uid=f"u{number}")
        log.append(AuditEvent(type=EventType.ARTEFACT_READ, source=Component.API, data=data))


def signer(store: LocalStore, clock: Clock | None = None) -> CheckpointSigner:
    return CheckpointSigner(store, KEYS.log_name, KEYS.checkpoint, clock or Clock())


@pytest.fixture
def signed(store: LocalStore) -> LocalStore:
    """Return a log of 15 events with checkpoints at SIZES, each by another signer."""
    for before, size in zip((0, *SIZES), SIZES, strict=False):
        append(store, size - before)
        clock = Clock()
        one = signer(store, clock)
        one.step()
        clock.now = EVERY_S
        one.step()
    append(store, 2)
    return store


def content(store: LocalStore, key: str) -> bytes:
    return b"".join(store.open_range(key))


def test_log_is_verified_against_every_checkpoint(signed: LocalStore) -> None:
    found = verify_checkpoints(signed, KEYS.log_key)
    assert (found.head.size, found.checkpoints, found.uncovered) == (15, 3, 2)


def test_independent_merkle_library_accepts_the_log(signed: LocalStore) -> None:
    lines = [line for _, lines in verify_segments(signed) for line in lines]
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for line in lines:
        tree.append_entry(line)
    leaves = [leaf_hash(line) for line in lines]
    for number, size in enumerate(SIZES, start=1):
        stated = Checkpoint.parse(open_note(content(signed, checkpoint_key(number)), KEYS.log_key))
        assert (stated.size, bytes.fromhex(stated.root)) == (size, tree.get_root(size))
        theirs = tree.prove_consistency(size, 15)
        pymerkle.verify_consistency(tree.get_root(size), tree.get_root(15), theirs)
        ours = Tree(leaves).consistency_proof(size)
        assert verify_consistency(size, tree.get_root(size), 15, tree.get_root(15), ours)


def flip(store: LocalStore, key: str) -> None:
    """Flip the lowest bit of a digit in the middle of the object."""
    raw = bytearray(content(store, key))
    place = next(
        place for place in range(len(raw) // 2, len(raw)) if chr(raw[place]) in "0123456789"
    )
    raw[place] ^= 1
    store.put(key, [bytes(raw)])


def swap(store: LocalStore) -> None:
    one, two = content(store, segment_key(4)), content(store, segment_key(5))
    store.put(segment_key(4), [two])
    store.put(segment_key(5), [one])


def truncate(store: LocalStore) -> None:
    for number in range(12, 16):
        store.delete(segment_key(number))


def rewrite(store: LocalStore) -> None:
    """Replace the log by a consistent one: the strongest forgery without the key."""
    for number in range(1, 16):
        store.delete(segment_key(number))
    append(store, 15)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda store: flip(store, segment_key(7)), "segment 7 "),
        (lambda store: flip(store, segment_key(15)), "segment 15 "),
        (lambda store: store.delete(segment_key(6)), "segment 6 is missing"),
        (swap, "segment 4 states the number 5"),
        (truncate, "checkpoint 3 counts 13 events, but the log has 11"),
        (rewrite, "checkpoint 1 has another root"),
        (lambda store: flip(store, checkpoint_key(2)), "checkpoint 2 is invalid: the "),
        (lambda store: store.delete(checkpoint_key(2)), "checkpoint 2 is missing"),
        (
            lambda store: store.put(checkpoint_key(3), [content(store, checkpoint_key(1))]),
            "checkpoint 3 does not continue",
        ),
        (
            lambda store: store.put(checkpoint_key(4), [content(store, checkpoint_key(3))]),
            "checkpoint 4 does not continue",
        ),
    ],
)
def test_every_kind_of_change_is_detected(
    signed: LocalStore, change: Callable[[LocalStore], object], sentence: str
) -> None:
    change(signed)
    with pytest.raises(AuditCorrupt, match=sentence):
        verify_checkpoints(signed, KEYS.log_key)


def test_kept_copy_reveals_deleted_checkpoints(signed: LocalStore) -> None:
    kept = Checkpoint.parse(open_note(newest_checkpoint(signed) or b"", KEYS.log_key))
    truncate(signed)
    signed.delete(checkpoint_key(3))
    assert verify_checkpoints(signed, KEYS.log_key).head.size == 11, "the store alone shows nothing"
    with pytest.raises(AuditCorrupt, match="kept elsewhere, of 13 events"):
        verify_checkpoints(signed, KEYS.log_key, [kept])


def test_checkpoints_of_another_installation_are_rejected(signed: LocalStore) -> None:
    with pytest.raises(AuditCorrupt, match="has no signature of"):
        verify_checkpoints(signed, InstallationKeys.generate().log_key)


def test_checkpoint_is_due_after_time_with_new_events(store: LocalStore) -> None:
    clock = Clock()
    one = signer(store, clock)
    assert one.step() is None, "nothing to sign"
    append(store, 1)
    first = one.step()
    assert first is not None
    assert first.size == 1
    append(store, 1)
    assert one.step() is None
    clock.now = EVERY_S
    second = one.step()
    assert second is not None
    assert second.size == 2
    clock.now *= 2
    assert one.step() is None, "nothing new"


def test_checkpoint_is_due_at_once_after_many_events(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EVERY_EVENTS == 1000
    monkeypatch.setattr(checkpoints, "EVERY_EVENTS", 20)
    clock = Clock()
    one = signer(store, clock)
    append(store, 1)
    one.step()
    append(store, 19)
    assert one.step() is None
    append(store, 1)
    found = one.step()
    assert found is not None
    assert found.size == 21


def test_two_signers_produce_one_sequence(store: LocalStore) -> None:
    clock = Clock()
    pair = (signer(store, clock), signer(store, clock))
    for _ in range(3):
        append(store, 2)
        clock.now += EVERY_S
        assert [one.step() is None for one in pair] == [False, True]
    assert verify_checkpoints(store, KEYS.log_key).checkpoints == 3


@pytest.mark.parametrize("restarted", [False, True])
def test_signer_stops_after_a_tampered_history(store: LocalStore, restarted: bool) -> None:
    clock = Clock()
    one = signer(store, clock)
    append(store, 5)
    one.step()
    for number in range(1, 6):
        store.delete(segment_key(number))
    append(store, 9)
    clock.now = EVERY_S
    with pytest.raises(AuditCorrupt):
        (signer(store, clock) if restarted else one).step()
    assert newest_checkpoint(store) == content(store, checkpoint_key(1))


def test_note_is_bound_to_its_text_and_key() -> None:
    note = sign_note("one\ntwo\n", KEYS.log_name, KEYS.checkpoint)
    assert open_note(note, VerifierKey.parse(str(KEYS.log_key))) == note_text(note) == "one\ntwo\n"
    for bad in (
        note.replace(b"two", b"owt"),
        note.replace(b"\n\n", b"\n"),
        b"",
        note[: note.index(b"\n\n") + 2],
    ):
        with pytest.raises(ValueError, match=r"note|signature"):
            open_note(bad, KEYS.log_key)
    for key in ("", "a+b", str(KEYS.log_key)[:-4], str(KEYS.log_key).replace("+", "x+", 1)):
        with pytest.raises(ValueError, match="verifier key"):
            VerifierKey.parse(key)


def test_example_note_of_the_specification_verifies() -> None:
    """The example of golang.org/x/mod/sumdb/note, the origin of C2SP's signed-note."""
    key = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "\N{EM DASH} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"  # noqa: E501
    )
    assert open_note(note.encode(), key).startswith("If you think cryptography")


def test_verify_command_accepts_keys_copies_and_proofs(signed: LocalStore, tmp_path: Path) -> None:
    copy = tmp_path / "checkpoint"
    copy.write_bytes(content(signed, checkpoint_key(2)))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "simulacra_custody.verify", str(signed.root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    good = run("--key", str(KEYS.log_key), "--checkpoint", str(copy))
    assert (good.returncode, good.stderr) == (0, "")
    assert "checkpoints: 3, signed by the key; events after the last one: 2" in good.stdout
    proof = json.loads(run("--since", str(copy)).stdout)
    steps = [base64.b64decode(step) for step in proof["proof"]]
    roots = [bytes.fromhex(proof[name]) for name in ("old_root", "root")]
    assert verify_consistency(proof["old_size"], roots[0], proof["size"], roots[1], steps)
    assert proof["old_size"] == 8
    truncate(signed)
    cut = run("--key", str(KEYS.log_key))
    assert cut.returncode == 1
    assert "checkpoint 3 counts 13 events" in cut.stderr
    assert run("--key", "nonsense").returncode == 2
