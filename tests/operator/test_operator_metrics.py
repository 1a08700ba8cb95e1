"""Metrics of the operator: custody calls that are errors, and Jobs that failed, by reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from operator_facts import NOW, SETTINGS, resource
from simulacra_crds.kube.client import ClusterError
from simulacra_custody.audit.event import AuditData, AuditEvent, Component, EventType
from simulacra_custody.audit.log import SegmentedAuditLog
from simulacra_custody.audit.reader import AuditReader
from simulacra_custody.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactTooLarge,
    AuditCorrupt,
    AuditUnavailable,
    CustodyError,
    KeyCheckError,
    KeyMissing,
    KeyUnavailable,
    ObjectExists,
    StoreForeign,
    StoreUnavailable,
)
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import ErasureReport
from simulacra_custody.stores.local import LocalStore
from simulacra_operator.observed.custom_resource import Key, parse
from simulacra_operator.observed.observe import Fault
from simulacra_operator.runtime.controller import Controller
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.runtime.executor import Executor
from simulacra_operator.work.actions import LogFailure


def _errors(verb: str = "readProgress") -> float:
    labels = {"verb": verb}
    return REGISTRY.get_sample_value("simulacra_custody_errors_total", labels) or 0.0


def _client(error: CustodyError) -> CustodyClient:
    """Return the calls of a store that answers every read with this error."""

    def read_bytes(*_: Any, **__: Any) -> bytes:
        raise error

    service = SimpleNamespace(read_bytes=read_bytes, keys=None)
    return CustodyClient(cast(Any, service), cast(Any, None), cast(Any, None))


MODEL = ResourceRef("acme", "models", "0a1b2c3d-0000-4000-8000-000000000000")


async def test_progress_before_the_first_report_is_no_error() -> None:
    before = _errors()
    assert await _client(ArtifactMissing("none")).progress(MODEL, "key") is None
    assert _errors() == before


async def test_progress_that_the_store_refuses_is_an_error() -> None:
    before = _errors()
    with pytest.raises(StoreUnavailable):
        await _client(StoreUnavailable("down")).progress(MODEL, "key")
    assert _errors() == before + 1


async def test_an_erasure_that_leaves_objects_is_an_error() -> None:
    """Its pass counts as an outage, which SimulacraCustodyErrors tells."""
    before = _errors("discard")
    left = ErasureReport(objects=1, bytes=9, verified_empty=False)
    with pytest.raises(StoreUnavailable):
        await _client(StoreUnavailable("")).erase("discard", lambda: left)
    assert _errors("discard") == before + 1


async def test_failed_job_is_counted_by_kind_and_reason_from_zero_on() -> None:
    """A series that began with its first failure would have no increase for the alert."""
    labels = {"kind": "Model", "reason": "Internal"}
    before = REGISTRY.get_sample_value("simulacra_work_failed_total", labels)
    assert before is not None
    model = parse(resource("Model", "mdl-1", None, {}))
    executor = Executor(cast(Any, None), cast(Any, None), cast(Any, None), model)
    await executor.run(LogFailure("Internal", "Internal error.", "4cdf1a952ba5", 1))
    assert REGISTRY.get_sample_value("simulacra_work_failed_total", labels) == before + 1


@pytest.mark.parametrize(
    ("error", "result", "fault"),
    [
        (StoreUnavailable("away"), "unavailable", Fault.STORE),
        (StoreForeign("theirs"), "unavailable", Fault.STORE),
        (ArtifactMissing("none"), "unavailable", Fault.STORE),
        (ArtifactCorrupt("cut off"), "unavailable", Fault.STORE),
        (ArtifactTooLarge("long"), "unavailable", Fault.STORE),
        (ObjectExists("there"), "unavailable", Fault.STORE),
        (KeyUnavailable("sealed"), "unavailable", Fault.KEYS),
        (KeyCheckError("decrypt", "refused"), "unavailable", Fault.KEYS),
        (KeyMissing("unmounted"), "failed", Fault.MISSING_KEY),
        (AuditUnavailable("away"), "unavailable", Fault.AUDIT),
        (AuditCorrupt("changed"), "unavailable", Fault.AUDIT),
        (ClusterError(403, "Forbidden", "no"), "failed", Fault.CLUSTER),
        (KeyError("a bug"), "failed", Fault.INTERNAL),
    ],
)
async def test_a_failed_pass_names_the_dependency_that_failed(
    error: Exception, result: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SimulacraCustodyErrors says it; SimulacraReconcileFaults would say it again."""
    controller = Controller(cast(Any, None), cast(Any, None), SETTINGS, lambda: NOW)

    async def attempt(_: Key) -> str:
        raise error

    monkeypatch.setattr(controller, "_attempt", attempt)
    key = Key("Model", "tenant-acme", "mdl-1")
    assert await controller._pass(key) == result
    assert controller._states.get(key).fault is fault


async def test_a_log_that_cannot_be_read_is_a_fault_of_the_audit_log() -> None:
    class Away:
        """The store of a log, which is away."""

        def stat(self, key: str) -> None:
            raise StoreUnavailable("away")

    log = SegmentedAuditLog(cast(Any, Away()))
    client = CustodyClient(cast(Any, SimpleNamespace(keys=None)), log, cast(Any, None))
    with pytest.raises(AuditUnavailable, match="away"):
        await client.record_once(EventType.TENANT_ERASED, "id", NOW)


async def test_a_log_that_was_read_in_vain_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion that waits for its key asks every half minute, maybe for weeks."""
    begin, log = datetime.now(UTC) - timedelta(days=9), SegmentedAuditLog(LocalStore(tmp_path))
    for day in range(8):
        time, data = begin + timedelta(days=day), AuditData(tenant="acme")
        log.append(
            AuditEvent(type=EventType.KEY_CHECKED, source=Component.API, time=time, data=data)
        )
    read, segment = list[int](), AuditReader._of

    def of(reader: AuditReader, number: int, tenant: str | None) -> list[AuditEvent]:
        read.append(number)
        return segment(reader, number, tenant)

    monkeypatch.setattr(AuditReader, "_of", of)
    client = CustodyClient(cast(Any, SimpleNamespace(keys=None)), log, cast(Any, None))
    sought = "8c0bb5a4-3e51-5a0c-8a39-6d5f3e8f2a11"
    assert not await client.is_recorded(sought, begin)
    assert not await client.is_recorded(sought, begin)
    assert read == [8, 7, 6, 5, 4, 3, 2, 1, 8]
    await client.record(EventType.KEY_DESTROYED, "acme", event_id=sought)
    assert await client.is_recorded(sought, begin)
    await client.record_once(EventType.TENANT_ERASED, sought.replace("8c", "9c"), begin)
    assert client._absent.keys() == {sought}, "nothing is kept of what is on record"
