"""Export of the audit log for a SIEM: valid OCSF, each record once, and no gap unsaid."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from simulacra_custody import export_audit
from simulacra_custody.audit.event import (
    AuditData,
    AuditEvent,
    Component,
    Counts,
    EventType,
    Outcome,
)
from simulacra_custody.audit.log import SegmentedAuditLog
from simulacra_custody.audit.ocsf import VERSION, ocsf_event
from simulacra_custody.audit.reader import AuditPage, AuditReader
from simulacra_custody.stores.local import LocalStore

SCHEMA = json.loads(Path(__file__).with_name("ocsf_api_activity.json").read_text())
FULL = AuditData(
    outcome=Outcome.REFUSED,
    tenant="acme",
    client="client-1",
    request="req-1",
    kind="datasets",
    uid="u1",
    artefact="report.json",
    sha256="a" * 64,
    counts=Counts(bytes=5, rows=2),
    expires_at=datetime.now(UTC),
    support="sup-1",
)


def valid(event: dict[str, Any]) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(event)


@pytest.mark.parametrize("kind", EventType)
@pytest.mark.parametrize("outcome", Outcome)
def test_every_record_is_a_valid_ocsf_event(kind: EventType, outcome: Outcome) -> None:
    for data in (AuditData(outcome=outcome), FULL.model_copy(update={"outcome": outcome})):
        for source in Component:
            event = ocsf_event(AuditEvent(type=kind, source=source, data=data))
            jsonschema.validate(event, SCHEMA)
            assert event["type_uid"] == 600300 + event["activity_id"]
            assert event["status"] == ("Success" if outcome == Outcome.SUCCESS else "Failure")


def test_the_schema_refuses_what_ocsf_refuses() -> None:
    event = ocsf_event(
        AuditEvent(type=EventType.ARTEFACT_READ, source=Component.API, data=AuditData())
    )
    assert valid(event)
    assert SCHEMA["$comment"].find(f"v{VERSION} ") > 0
    assert not valid({**event, "row": 1})
    assert not valid({**event, "activity_id": 7})
    assert not valid({**event, "actor": {}})
    for name in ("actor", "api", "src_endpoint", "metadata", "time", "severity_id"):
        assert not valid({key: value for key, value in event.items() if key != name})


def test_nothing_of_a_record_is_lost() -> None:
    record = AuditEvent(type=EventType.ARTEFACT_READ, source=Component.API, data=FULL)
    event = ocsf_event(record)
    assert event["actor"] == {"user": {"uid": "client-1"}}
    assert event["api"]["request"] == {"uid": "req-1"}
    assert event["resources"] == [{"type": "datasets", "uid": "u1", "name": "report.json"}]
    assert (event["activity_name"], event["status_code"]) == ("Read", "refused")
    assert event["metadata"]["tenant_uid"] == "acme"
    assert event["metadata"]["uid"] == record.id
    assert event["unmapped"]["counts"] == {"bytes": 5, "rows": 2}
    assert set(event["unmapped"]) == {"sha256", "counts", "expires_at", "support"}


def exported(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert export_audit.main(list(arguments)) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_operator_exports_each_record_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = LocalStore(tmp_path / "audit")
    monkeypatch.setenv("SIMULACRA_AUDIT", f"file://{store.root}")
    monkeypatch.setattr(export_audit, "PAGE", 2)
    log, ids = SegmentedAuditLog(store), []

    def append(count: int) -> None:
        for number in range(count):
            data = AuditData(tenant="acme" if number % 2 else None)
            one = AuditEvent(type=EventType.KEY_CHECKED, source=Component.OPERATOR, data=data)
            log.append(one)
            ids.append(one.id)

    append(5)
    cursor = ("--cursor-file", str(tmp_path / "cursor"))
    first = exported(capsys, *cursor)
    assert [one["metadata"]["uid"] for one in first] == ids
    assert exported(capsys, *cursor) == []
    append(2)
    assert [one["metadata"]["uid"] for one in exported(capsys, *cursor)] == ids[5:]
    assert len(exported(capsys, "--tenant", "acme")) == 3
    assert exported(capsys, "--format", "cloudevents")[0]["specversion"] == "1.0"
    (tmp_path / "cursor").write_text("nonsense")
    with pytest.raises(SystemExit, match="2"):
        export_audit.main(list(cursor))


def test_cursor_is_kept_only_after_its_records_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path / "audit")
    monkeypatch.setenv("SIMULACRA_AUDIT", f"file://{store.root}")
    event = AuditEvent(type=EventType.KEY_CHECKED, source=Component.OPERATOR, data=AuditData())
    SegmentedAuditLog(store).append(event)

    class Full:
        def write(self, text: str) -> None:
            raise OSError("no space left")

    monkeypatch.setattr("sys.stdout", Full())
    with pytest.raises(SystemExit):
        export_audit.main(["--cursor-file", str(tmp_path / "cursor")])
    assert not (tmp_path / "cursor").exists()


def test_a_gap_by_pruning_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Cut:
        until = datetime(2026, 11, 30, tzinfo=UTC)

    page = AuditPage((), 15, False, Cut(), True)  # type: ignore[arg-type]
    monkeypatch.setattr(AuditReader, "page", lambda *_, **__: page)
    monkeypatch.setenv("SIMULACRA_AUDIT", f"file://{tmp_path}/audit")
    assert export_audit.main([]) == 0
    assert "records from before 2026-11-30T00:00:00+00:00 were pruned" in capsys.readouterr().err
