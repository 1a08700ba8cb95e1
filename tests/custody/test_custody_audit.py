"""Audit log: closed records, a chain that reveals every change, concurrent writers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from simulacra_custody.audit.event import (
    AuditData,
    AuditEvent,
    Component,
    Counts,
    EventType,
    Outcome,
)
from simulacra_custody.audit.log import SegmentedAuditLog, segment_key, verify_log
from simulacra_custody.audit.reader import AuditReader
from simulacra_custody.errors import AuditCorrupt, AuditUnavailable
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.verify import main
from simulacra_custody.wiring import open_audit


def event(uid: str = "u1") -> AuditEvent:
    data = AuditData(tenant="acme", kind="datasets", uid=uid, counts=Counts(objects=3, bytes=4711))
    return AuditEvent(type=EventType.RESOURCE_ERASED, source=Component.OPERATOR, data=data)


@pytest.fixture
def filled(store: LocalStore) -> LocalStore:
    log = SegmentedAuditLog(store)
    for number in range(7):
        log.append(event(f"u{number}"))
    return store


def test_record_is_a_cloudevent() -> None:
    record = json.loads(event().line())
    assert record.keys() == {
        "specversion",
        "id",
        "type",
        "source",
        "time",
        "datacontenttype",
        "data",
    }
    assert (record["specversion"], record["type"]) == ("1.0", "dev.simulacra.resource.erased")
    assert record["data"] == {
        "outcome": "success",
        "tenant": "acme",
        "kind": "datasets",
        "uid": "u1",
        "counts": {"objects": 3, "bytes": 4711},
    }
    assert b"\n" not in event().line()
    assert AuditEvent.model_validate_json(event().line()).data.outcome is Outcome.SUCCESS


@pytest.mark.parametrize(
    "data",
    [
        {"conditions": "age<25"},
        {"columns": ["age"]},
        {"counts": {"levels": 3}},
        {"counts": {"rows": -1}},
        {"tenant": "has a space"},
        {"client": "line\nbreak"},
        {"uid": "x" * 254},
        {"sha256": "abc"},
        {"outcome": "maybe"},
        {"expires_at": "2026-01-01T00:00:00"},
    ],
)
def test_field_outside_the_allow_list_is_rejected(data: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AuditData.model_validate(data)


def test_validation_error_does_not_repeat_the_value() -> None:
    with pytest.raises(ValidationError) as refusal:
        AuditData.model_validate({"uid": "age under 25", "note": "brand loyalty"})
    assert "uid" in str(refusal.value)
    assert "age under 25" not in str(refusal.value)
    assert "brand loyalty" not in str(refusal.value)


def test_unknown_event_types_and_envelope_fields_are_rejected() -> None:
    good = json.loads(event().line())
    for change in (
        {"type": "dev.simulacra.made.up"},
        {"source": "/elsewhere"},
        {"subject": "x"},
        {"specversion": "2"},
    ):
        with pytest.raises(ValidationError):
            AuditEvent.model_validate({**good, **change})


def test_appended_events_verify_in_order(filled: LocalStore) -> None:
    head = verify_log(filled)
    assert (head.segment, head.size, len(head.peaks)) == (7, 7, 3)
    uids = [
        json.loads(b"".join(filled.open_range(segment_key(number))).splitlines()[1])["data"]["uid"]
        for number in range(1, 8)
    ]
    assert uids == [f"u{number}" for number in range(7)]


def test_empty_log_verifies(store: LocalStore) -> None:
    assert verify_log(store).size == 0


def test_new_process_appends_to_the_existing_chain(filled: LocalStore) -> None:
    before = verify_log(filled)
    SegmentedAuditLog(filled).append(event())
    assert verify_log(filled).size == before.size + 1
    assert verify_log(filled).root != before.root


def test_writer_with_an_old_head_appends_at_the_end(store: LocalStore) -> None:
    one, two = SegmentedAuditLog(store), SegmentedAuditLog(store)
    for count in (1, 2, 9, 1):
        for log in (one, two):
            for _ in range(count):
                log.append(event())
    assert verify_log(store).size == 26


def edit(store: LocalStore, number: int, change: Callable[[bytes], bytes]) -> None:
    key = segment_key(number)
    store.put(key, [change(b"".join(store.open_range(key)))])


@pytest.mark.parametrize("number", [1, 4, 7])
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b'"tenant":"acme"', b'"tenant":"evil"'),
        lambda content: content.replace(b'"size":', b'"size":1'),
        lambda content: content.replace(b'"previous":"', b'"previous":"0')[:-1],
        lambda content: content + content.splitlines()[1] + b"\n",
        lambda content: content.splitlines()[0] + b"\n",
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content.replace(b"\n", b"\nrubbish\n", 1),
        lambda content: b"",
    ],
)
def test_verification_names_the_changed_segment(
    filled: LocalStore, number: int, change: Callable[[bytes], bytes]
) -> None:
    edit(filled, number, change)
    with pytest.raises(AuditCorrupt, match=f"segment {number} "):
        verify_log(filled)


class OfLaterRelease:
    """A record with a type and a field that this release does not know."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def line(self) -> bytes:
        known = json.loads(event().line())
        data = known["data"] | {"of_later": 1}
        return json.dumps(known | {"type": self.kind, "data": data}).encode()


def test_records_of_a_later_release_verify_and_are_left_out(filled: LocalStore) -> None:
    """After a rollback the log has them, and an operator that calls it changed signs no more."""
    log = SegmentedAuditLog(filled)
    before = verify_log(filled).size
    log.append(OfLaterRelease("dev.simulacra.weather.changed"))  # type: ignore[arg-type]
    log.append(event("last"))
    assert verify_log(filled).size == before + 2
    page = AuditReader(log).page(None, limit=100)
    assert len(page.events) == before + 1
    log.append(OfLaterRelease(EventType.RESOURCE_CREATED))  # type: ignore[arg-type]
    with pytest.raises(AuditCorrupt, match="a line that is no audit event"):
        verify_log(filled)


def test_forged_segment_breaks_the_next_one(filled: LocalStore, tmp_path: Path) -> None:
    """Recomputing the hashes of one segment is detected at the next one."""
    forged = LocalStore(tmp_path / "forged")
    log = SegmentedAuditLog(forged)
    for number in range(3):
        log.append(event(f"forged{number}"))
    filled.put(segment_key(1), forged.open_range(segment_key(1)))
    with pytest.raises(AuditCorrupt, match="segment 2 does not follow segment 1"):
        verify_log(filled)


def test_missing_and_foreign_segments_are_found(filled: LocalStore) -> None:
    content = b"".join(filled.open_range(segment_key(3)))
    filled.delete(segment_key(3))
    with pytest.raises(AuditCorrupt, match="segment 3 is missing"):
        verify_log(filled)
    filled.put(segment_key(3), [b"".join(filled.open_range(segment_key(4)))])
    with pytest.raises(AuditCorrupt, match="segment 3 states the number 4"):
        verify_log(filled)
    filled.put(segment_key(3), [content])
    filled.put("segments/zz", [b"x"])
    with pytest.raises(AuditCorrupt, match="segment 8 is missing: segments/zz"):
        verify_log(filled)


def test_segment_keys_sort_and_fill_folders_of_a_thousand() -> None:
    keys = [segment_key(number) for number in (1, 999, 1000, 1001, 10**6, 10**9)]
    assert keys == sorted(keys)
    assert keys[2] == "segments/000000001/000000001000.jsonl"


def test_append_to_a_damaged_log_fails(filled: LocalStore) -> None:
    edit(filled, 7, lambda content: b"rubbish")
    with pytest.raises(AuditUnavailable, match="segment 7"):
        SegmentedAuditLog(filled).append(event())


def test_append_to_an_unwritable_store_fails(store: LocalStore) -> None:
    (store.root / "segments").write_text("not a folder")
    with pytest.raises(AuditUnavailable):
        SegmentedAuditLog(store).append(event())


WRITER = """
import sys
from simulacra_custody.audit.event import AuditData, AuditEvent, Component, EventType
from simulacra_custody.wiring import open_audit
log = open_audit({"SIMULACRA_AUDIT": "file://" + sys.argv[1]})
for number in range(60):
    data = AuditData(uid=f"{sys.argv[2]}-{number}")
    log.append(AuditEvent(type=EventType.ARTEFACT_READ, source=Component.API, data=data))
"""


def test_processes_append_to_one_intact_chain(store: LocalStore) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(store.root), name])
        for name in ("a", "b", "c")
    ]
    assert [writer.wait(timeout=100) for writer in writers] == [0, 0, 0]
    assert verify_log(store).size == 180
    uids = [
        json.loads(b"".join(store.open_range(segment_key(number))).splitlines()[1])["data"]["uid"]
        for number in range(1, 181)
    ]
    for name in ("a", "b", "c"):
        assert [uid for uid in uids if uid.startswith(name)] == [
            f"{name}-{number}" for number in range(60)
        ]


def test_verify_command_reports_root_or_bad_segment(
    filled: LocalStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(filled.root)]) == 0
    assert f"7 events in 7 segments, root {verify_log(filled).root}" in capsys.readouterr().out
    edit(filled, 2, lambda content: content + b"x")
    run = subprocess.run(
        [sys.executable, "-m", "simulacra_custody.verify", str(filled.root)],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert "segment 2" in run.stderr
    with pytest.raises(SystemExit) as refusal:
        main([str(tmp_path / "none")])
    assert refusal.value.code == 2


def test_open_audit_from_the_environment(tmp_path: Path) -> None:
    open_audit({"SIMULACRA_AUDIT": f"file://{tmp_path}/audit"}).append(event())
    assert verify_log(LocalStore(tmp_path / "audit")).size == 1
