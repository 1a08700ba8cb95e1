"""Reads on record: every answer with content of a table, of every route, before its first byte."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api_examples import MARK, Caller
from api_world import ROOT
from outage import blocked
from simulacra_api.app import _MODULES
from simulacra_api.dependencies import TenantRoute, current_tenant
from simulacra_api.tenancy import reads
from simulacra_custody.audit.event import AuditData, Counts
from simulacra_custody.audit.log import SegmentedAuditLog, verify_segments
from simulacra_custody.errors import AuditUnavailable
from simulacra_custody.stores.local import LocalStore

MARKS = (MARK, "genz_switcher", "loyal", "price")
"""Column names and levels of the table, and a word that the walk puts into every artifact."""
CONTENT = {
    "getDatasetSchema", "getDatasetReport", "getDatasetSummary", "getDatasetGraph",
    "getDatasetKnowledge", "getDatasetUsualOrder", "getDatasetDescription", "probeDataset",
    "listGenerations", "getGeneration", "getGenerationReport", "downloadArtifact", "getEffect",
    "getSegment", "getSheet", "getSheetPage", "getSheetWorkbook", "getSheetProgram",
}  # fmt: skip
"""Their answer always has content."""
FAILED = {"getJob", "streamJobEvents", "getDataset", "listDatasets"}
"""Their answer has content where a job has failed: why, which may name columns and levels."""
_ACCEPTED = "ids and a status"
_IDS = "ids, statuses and times"
_PUBLIC = "published keys, hashes and texts of the service"
WITHOUT = {
    **dict.fromkeys(
        ("createGeneration", "createEffect", "createSegment", "createSheet"), _ACCEPTED
    ),
    **dict.fromkeys(
        ("uploadDataset", "beginUpload", "getUpload", "appendUpload"), "sizes, digests"
    ),
    **dict.fromkeys(("fitDataset", "describeDataset", "cancelJob"), _ACCEPTED),
    **dict.fromkeys(("listEffects", "listSegments", "listSheets", "listJobs"), _IDS),
    "makeDraft": "random answers to the caller's own description",
    "updateDataset": "figures and counts of a status",
    "describeArtifact": "size and digest of a file, without the file",
    **dict.fromkeys(("getUsage", "listAuditEvents"), "ids and counts"),
    "listSupportAccess": "words of the operator about its own access",
    **dict.fromkeys(("listErasureCertificates", "getErasureCertificate"), "ids, digests and sizes"),
    **dict.fromkeys(("requestAccess", "getAccessRequest", "claimCredential"), "no table yet"),
    **dict.fromkeys(
        ("issueToken", "requestCredentialRotation", "getCredentialRotation"), "credentials"
    ),
    **dict.fromkeys(
        ("createWebhook", "listWebhooks", "getWebhook", "deleteWebhook"), "addresses of webhooks"
    ),
    **dict.fromkeys(
        ("deleteDataset", "deleteGeneration", "deleteEffect", "deleteSegment", "deleteSheet"),
        "no body",
    ),
    **dict.fromkeys(
        ("getJwks", "getIssuerMetadata", "getInstallationKeys", "getAuditCheckpoint"), _PUBLIC
    ),
    **dict.fromkeys(
        ("getLiveKeysRoot", "getHealth", "getReadiness", "listErrors", "getError"), _PUBLIC
    ),
}
"""Routes whose answers have no content, and what they have instead."""


def _records(world: Any) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in world.audit_text().splitlines()]
    return [line["data"] for line in lines if line.get("type") == "dev.simulacra.artefact.read"]


def _has_content(operation: str, answer: httpx2.Response) -> bool:
    return operation in CONTENT or any(mark.encode() in answer.content for mark in MARKS)


async def test_every_answer_with_content_is_on_record(
    world: Any, walked: Caller, record_property: Any
) -> None:
    methods = [one for of in walked.document["paths"].values() for one in of.values()]
    operations = {one["operationId"] for one in methods}
    assert operations == CONTENT | FAILED | set(WITHOUT)
    on_record = {data.get("request") for data in _records(world)}
    content = [one for one in walked.answers if _has_content(*one)]
    missing = [name for name, of in content if of.headers["x-request-id"] not in on_record]
    of_content = {name for name, _ in content}
    kept = of_content - set(missing)
    said = (
        f"{len(operations)} routes, {len(of_content)} with content, {len(kept)} recorded, "
        f"{len(set(missing))} missing"
    )
    record_property("reads", said)
    assert missing == [], said
    assert of_content == CONTENT | FAILED
    assert not any(mark in world.audit_text() for mark in MARKS)


def test_every_route_that_knows_its_caller_records_reads() -> None:
    routes = [one for module in _MODULES for one in module.router.routes]
    found = [one for one in routes if _knows_its_caller(one.dependant)]
    assert len(found) > 40
    assert [one for one in found if not isinstance(one, TenantRoute)] == []


def _knows_its_caller(dependant: Any) -> bool:
    needed = dependant.dependencies
    return any(one.call is current_tenant or _knows_its_caller(one) for one in needed)


async def test_read_that_cannot_be_recorded_is_503(
    http: httpx2.AsyncClient, ready: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AuditUnavailable("the disk is full")

    monkeypatch.setattr(SegmentedAuditLog, "append", refuse)
    for path in ("schema", "graph", "report", "knowledge", "description", "summary"):
        answer = await http.get(f"/v1/datasets/{ready}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "simio_unavailable")
    monkeypatch.undo()
    assert (await http.get(f"/v1/datasets/{ready}/schema")).status_code == 200


async def test_refusal_that_names_columns_is_a_read_and_a_304_is_none(
    world: Any, ready: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "BURST_SECONDS", 0.0)
    asked = {"segment": [{"column": "region", "levels": ["east"]}], "questions": ["segment"]}
    headers = {"Idempotency-Key": key}
    path = f"/v1/datasets/{ready}/schema"
    async with world.another_api() as http:  # a read of an earlier test still counts its repeats
        refused = await http.post(f"/v1/datasets/{ready}/segments", json=asked, headers=headers)
        assert refused.status_code == 400, refused.text
        sent = await http.get(path)
        same = await http.get(path, headers={"If-None-Match": sent.headers["etag"]})
        assert same.status_code == 304
        of_dataset = f"/v1/audit-events?limit=100&support_id={sent.headers['x-request-id']}"
        listed = [
            (await http.get(of_dataset + more)).json()["items"] for more in ("", "&reads=false")
        ]
    assert [len(items) for items in listed] == [1, 0]
    recorded = {data.get("request"): data for data in _records(world)}
    ids = [one.headers["x-request-id"] for one in (refused, sent, same)]
    assert [one in recorded for one in ids] == [True, True, False]
    of_schema = recorded[ids[1]]
    assert (of_schema["kind"], of_schema["artefact"]) == ("datasets", "schema.json")
    assert (of_schema["tenant"], of_schema["client"]) == ("acme", "client.acme")
    assert of_schema["counts"]["bytes"] > 100


WHO = AuditData(tenant="acme", client="sim-1", request="r1")
SCHEMA = reads.Read("datasets", "u1", "schema.json", Counts(objects=1, bytes=10))


def _log(
    folder: Path, clock: Callable[[], float] = time.monotonic
) -> tuple[reads.ReadRecords, Callable[[], list[dict[str, Any]]]]:
    log = SegmentedAuditLog(LocalStore(folder))

    def lines() -> list[dict[str, Any]]:
        found = [line for _, part in verify_segments(log.store) for line in part]
        return [json.loads(line)["data"] for line in found]

    return reads.ReadRecords(log, clock), lines


async def test_repeats_within_a_minute_are_one_record_with_a_count(tmp_path: Path) -> None:
    records, lines = _log(tmp_path)
    for _ in range(5):
        await records.record(WHO, [SCHEMA])
    assert [one["counts"] for one in lines()] == [{"objects": 1, "bytes": 10}]
    await records.record(WHO.model_copy(update={"client": "sim-2"}), [SCHEMA])
    assert [one["client"] for one in lines()] == ["sim-1", "sim-2"]
    await records.close()
    assert [one["counts"] for one in lines()][2:] == [{"objects": 4, "bytes": 40}]
    assert "request" not in lines()[2]


async def test_counts_wait_until_the_log_can_be_written_again(tmp_path: Path) -> None:
    times = [0.0]
    records, lines = _log(tmp_path, lambda: times[-1])
    await records.record(WHO, [SCHEMA])
    await records.record(WHO, [SCHEMA])
    times.append(reads.BURST_SECONDS)
    with blocked(tmp_path / "segments"), pytest.raises(AuditUnavailable):
        await records.record(WHO, [SCHEMA])
    await records.record(WHO, [SCHEMA])
    counts = [one["counts"] for one in lines()]
    assert counts == [{"objects": 1, "bytes": 10}] * 3


PROGRAMS = {
    "console": ROOT / "api" / "simulacra_api" / "pages" / "static",
    "SDK, command line and MCP": ROOT / "client" / "simulacra",
}
PATH = re.compile(r"[\"`](/v1/[^\"`?\s]*)")


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_reads_through_the_documented_routes(program: str) -> None:
    known = [_parts(route.path) for module in _MODULES for route in module.router.routes]
    files = [one for one in PROGRAMS[program].rglob("*") if one.suffix in (".py", ".js")]
    paths = {path for one in files for path in PATH.findall(one.read_text())}
    assert len(paths) > 25
    assert [path for path in sorted(paths) if not any(_fits(path, one) for one in known)] == []


def _parts(path: str) -> list[str]:
    return re.sub(r"\$?\{[^/]*\}", "{}", path).split("/")


def _fits(path: str, known: list[str]) -> bool:
    pairs = [*zip(_parts(path), known, strict=False)]
    return len(_parts(path)) == len(known) and all(a == b or "{}" in (a, b) for a, b in pairs)
