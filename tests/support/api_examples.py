"""Every documented operation, called with its example, and its answer compared with the example."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import jsonschema
import pyarrow as pa
import pytest
import pytest_asyncio

from api_world import StandIn, World
from proofs import Proofs
from simulacra_api.access import service as signup
from simulacra_api.tenancy import reads
from simulacra_crds.kube.client import (
    ANSWER_SHEETS,
    EFFECT_ESTIMATES,
    GENERATION_JOBS,
    MODELS,
    SECRETS,
    SEGMENT_ESTIMATES,
    TENANTS,
)
from simulacra_crds.kube.client import DATASETS as DATASET_KIND
from simulacra_crds.names import model_name

ROWS = pa.table({"segment": ["loyal", "genz_switcher"], "price": [5.49, 5.49]})
CSV = b"segment,price\n" + b"".join(b"loyal,%d.5\n" % (row % 9) for row in range(200))


MARK = "zeitgeist-of-a-column"


class Marked(StandIn):
    """Puts the mark into every artifact of the trainer that a route hands out."""

    async def write(self, resource: Any, name: str, artifact: str, content: bytes) -> Any:
        if artifact.endswith((".html", ".xlsx")):
            content += f"<!-- {MARK} -->".encode()
        elif artifact in ("report.json", "graph.json"):
            content = json.dumps(json.loads(content) | {"of": MARK}).encode()
        return await super().write(resource, name, artifact, content)


class Caller:
    """Sends the documented request of an operation, with the ids of the answers so far."""

    def __init__(self, http: httpx2.AsyncClient, document: dict[str, Any]) -> None:
        self._http, self.document = http, document
        self.ids: dict[str, str] = {"code": "simio_dataset_not_found"}
        self.called: set[str] = set()
        self.answers: list[tuple[str, httpx2.Response]] = []
        """Each operation and its answer, in order."""
        self._operations = {
            found["operationId"]: (method.upper(), path, found)
            for path, methods in document["paths"].items()
            for method, found in methods.items()
        }

    @property
    def uncalled(self) -> set[str]:
        return set(self._operations) - self.called

    async def call(
        self, operation: str, change: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        """Send a request, check status, schema and example, and return the body."""
        method, path, found = self._operations[operation]
        shown = next((body["example"] for body in _content(found.get("requestBody"))), {})
        request = (shown if isinstance(shown, dict) else {}) | (change or {})
        expected = set(map(int, found["responses"])) & set(range(200, 300))
        headers = {"Idempotency-Key": uuid.uuid4().hex} | options.pop("headers", {})
        if operation == "uploadDataset":
            del request["file"]
            options |= {"files": {"file": ("survey.csv", CSV)}, "data": request}
        elif operation == "appendUpload":
            headers |= {"Content-Type": "application/octet-stream", "Upload-Offset": "0"}
            options["content"] = CSV
        elif request:
            options["json"] = request
        answer = await self._http.request(
            method, path.format(**self.ids), headers=headers, **options
        )
        assert answer.status_code in expected, f"{operation}: {answer.status_code} {answer.text}"
        self.called.add(operation)
        self.answers.append((operation, answer))
        media_type = answer.headers.get("content-type", "")
        if not media_type.startswith("application/json"):
            return answer
        body = answer.json()
        schema = found["responses"][str(answer.status_code)]["content"]["application/json"].get(
            "schema", {}
        )
        whole = schema | {"components": self.document["components"]}
        jsonschema.Draft202012Validator(whole).validate(body)
        _compare(
            next(_content(found["responses"][str(answer.status_code)]))["example"], body, operation
        )
        for name, value in body.items():
            if name.endswith("_id") and isinstance(value, str):
                self.ids[name] = value
        return body


def _content(part: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    return iter((part or {}).get("content", {}).values())


def _compare(example: Any, body: Any, at: str) -> None:
    """Assert that the answer has each member of the example, with the same type."""
    if isinstance(example, dict):
        assert isinstance(body, dict), at
        if at.endswith(("/figures", "/report", "/fidelity")):
            return
        for name, value in example.items():
            assert name in body, f"{at}/{name} is not in the answer"
            if value is not None and body[name] is not None:
                _compare(value, body[name], f"{at}/{name}")
    elif isinstance(example, list):
        assert isinstance(body, list), at
        for value in body[:1] if example else []:
            _compare(example[0], value, f"{at}/0")
    else:
        same = isinstance(example, bool) == isinstance(body, bool)
        number = isinstance(example, int | float) and isinstance(body, int | float)
        assert same, f"{at}: {body!r} is not like {example!r}"
        assert number or type(example) is type(body), f"{at}: {body!r} is not like {example!r}"


async def _access(world: Any, caller: Caller, monkeypatch: Any) -> None:
    monkeypatch.setattr(signup, "ALL_AN_HOUR", 10_000)
    request = await caller.call("requestAccess", headers={"X-Forwarded-For": "203.0.113.9"})
    client = "client.acme"
    await world.approve(request["request_id"], "acme", client)
    shown = await caller.call("getAccessRequest")
    assert shown["status"] == "approved", shown
    got = await caller.call(
        "claimCredential", {"credential_claim_token": shown["credential_claim_token"]}
    )
    await caller.call("issueToken", {"client_id": client, "client_secret": got["client_secret"]})
    await caller.call("requestCredentialRotation", {"client_secret": got["client_secret"]})
    for operation in ("getJwks", "getIssuerMetadata", "getCredentialRotation"):
        await caller.call(operation)


async def _model(caller: Caller, acme: Any) -> str:
    await caller.call("beginUpload", {"bytes": len(CSV), "sha256": hashlib.sha256(CSV).hexdigest()})
    await caller.call("getUpload")
    await caller.call("appendUpload")
    await caller.call("uploadDataset", {"keep_source": "true"})
    dataset = caller.ids["dataset_id"]
    await acme.prepare(dataset)
    await acme.fit(dataset)
    return dataset


async def _rows(caller: Caller, acme: Any) -> None:
    await caller.call("createGeneration")
    await acme.generate(caller.ids["generation_id"], [ROWS])
    shown = await caller.call("getGeneration")
    query = dict(httpx2.URL(shown["artifact_url"]).params)
    await caller.call("getGenerationReport")
    described = await caller.call("describeArtifact", params=query)
    download = await caller.call("downloadArtifact", params=query)
    assert described.headers["content-length"] == str(len(download.content))
    assert download.content[:4] == b"PAR1"


async def _probe(world: Any, caller: Caller, acme: Any) -> None:
    probing = asyncio.create_task(caller.call("probeDataset"))
    while not (names := [n async for n in _names(world) if n.startswith("probe-")]):
        await asyncio.sleep(0.02)
    await acme.generate(names[0], [ROWS], phase="Running")
    await acme.status(
        GENERATION_JOBS,
        names[0],
        phase="Ready",
        attainment={"status": "exact", "asked": 2, "met": 2},
    )
    await probing
    await acme.erase(GENERATION_JOBS, names[0])


async def _names(world: Any) -> AsyncIterator[str]:
    async for item in world.cluster.list(GENERATION_JOBS, "tenant-acme"):
        yield item["metadata"]["name"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def walked(world: World) -> AsyncIterator[Caller]:
    """A caller that has called every documented operation, each with a record of its reads."""
    acme = Marked(world.cluster, world.custody)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reads, "BURST_SECONDS", 0.0)
        async with world.another_api() as http:
            caller = Caller(http, (await http.get("/openapi.json")).json())
            await _walk(world, caller, acme, patch)
            await _failed(caller, acme)
    yield caller


async def _failed(caller: Caller, acme: StandIn) -> None:
    """Call what says why a job has failed."""
    await caller.call("uploadDataset")
    dataset, why = caller.ids["dataset_id"], f"Column {MARK} has other values."
    await acme.fail(DATASET_KIND, dataset, "DescriptionMismatch", why)
    for operation in ("getDataset", "listDatasets", "getJob", "streamJobEvents"):
        await caller.call(operation)


async def _walk(world: World, caller: Caller, acme: StandIn, monkeypatch: Any) -> None:
    """Call every documented operation, with what each needs made before."""
    secret = await world.cluster.find(SECRETS, "client-client.acme", "simulacra-system-clients")
    try:
        await _access(world, caller, monkeypatch)
    finally:  # other tests use the first secret
        await world.cluster.patch(
            SECRETS, "client-client.acme", {"data": secret["data"]}, "simulacra-system-clients"
        )
    dataset = await _model(caller, acme)
    read = (
        "getDataset",
        "getDatasetSchema",
        "getDatasetReport",
        "getDatasetSummary",
        "getDatasetGraph",
        "getDatasetKnowledge",
        "getDatasetUsualOrder",
        "getJob",
    )
    for operation in read:
        await caller.call(operation)
    erased = asyncio.gather(acme.erase(MODELS, model_name(dataset)))
    await caller.call("fitDataset", {"required": []})
    await erased
    await acme.fit(dataset)
    await caller.call("getDatasetDescription")
    await acme.prepare(dataset, kept="read.parquet")
    erased = asyncio.gather(acme.erase(MODELS, model_name(dataset)))
    await caller.call("describeDataset")
    await erased
    await acme.fit(dataset)
    await caller.call("updateDataset")
    await _rows(caller, acme)
    await _probe(world, caller, acme)
    await caller.call("makeDraft")
    await caller.call("createEffect")
    await acme.estimate(caller.ids["effect_id"])
    await caller.call("getEffect")
    await caller.call("createSegment")
    await acme.boost(caller.ids["segment_id"])
    await caller.call("getSegment")
    await caller.call("createSheet")
    await acme.sheet(caller.ids["sheet_id"])
    await caller.call("getSheet")
    await caller.call("getSheetPage")
    await caller.call("getSheetWorkbook")
    await caller.call("getSheetProgram")
    for operation in (
        "listDatasets",
        "listGenerations",
        "listEffects",
        "listSegments",
        "listSheets",
        "listJobs",
        "getUsage",
        "listAuditEvents",
        "listSupportAccess",
    ):
        await caller.call(operation)
    await caller.call("streamJobEvents")
    finished = dict(caller.ids)
    await caller.call("createGeneration")
    assert (await caller.call("cancelJob"))["error"]["code"] == "simio_cancelled"
    caller.ids = finished
    for operation in ("getHealth", "getReadiness", "listErrors", "getError"):
        await caller.call(operation)
    await _webhooks(caller)
    for operation, kind, name in (
        ("deleteEffect", EFFECT_ESTIMATES, finished["effect_id"]),
        ("deleteSegment", SEGMENT_ESTIMATES, finished["segment_id"]),
        ("deleteSheet", ANSWER_SHEETS, finished["sheet_id"]),
        ("deleteGeneration", GENERATION_JOBS, finished["generation_id"]),
        ("deleteDataset", DATASET_KIND, dataset),
    ):
        erased = asyncio.gather(acme.erase(kind, name))
        await caller.call(operation)
        await erased
    await _proofs(world, caller, dataset)


async def _proofs(world: Any, caller: Caller, dataset: str) -> None:
    tenant = await world.cluster.get(TENANTS, "acme")
    proofs = Proofs(world.folder / "audit")
    await proofs.publish(world.cluster)
    proofs.certify(tenant["metadata"]["uid"], dataset, str(uuid.uuid4()))
    proofs.checkpoint()
    proofs.publish_live_keys()
    caller.ids["resource_id"] = dataset
    proving = (
        "listErasureCertificates",
        "getErasureCertificate",
        "getInstallationKeys",
        "getAuditCheckpoint",
        "getLiveKeysRoot",
    )
    for operation in proving:
        await caller.call(operation)


async def _webhooks(caller: Caller) -> None:
    for operation in ("createWebhook", "listWebhooks", "getWebhook", "deleteWebhook"):
        if operation in caller.uncalled:
            await caller.call(operation)
