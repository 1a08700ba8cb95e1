"""Uploads in one request: idempotency under retries, races, crashes, aborts; limits; refusals."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from api_world import SMALL_LIMIT
from simulacra_api.tenancy.idempotency import REQUEST_DIGEST, fingerprint
from simulacra_api.uploads import upload_lease
from simulacra_api.uploads.service import FORM_ALLOWANCE
from simulacra_crds.kinds.base import FINALIZER
from simulacra_crds.kube.client import DATASETS, MODELS
from simulacra_crds.names import dataset_name, model_name
from simulacra_custody.refs import ResourceRef

CSV = b"segment,price\n" + b"".join(b"loyal,%d.5\n" % (row % 9) for row in range(200))
BOUNDARY = "frontier"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="t.csv"\r\n\r\n'
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
FORM_TYPE = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


async def _upload(
    http: httpx2.AsyncClient, key: str, content: bytes = CSV, **fields: str
) -> httpx2.Response:
    files = {"file": ("t.csv", content)}
    return await http.post(
        "/v1/datasets", files=files, data=fields, headers={"Idempotency-Key": key}
    )


async def _begun_upload(
    world: Any, http: httpx2.AsyncClient, key: str, go_on: asyncio.Event
) -> asyncio.Task[httpx2.Response]:
    """Begin an upload, whose Dataset exists then, and send its end once `go_on` is set."""

    async def slowly() -> AsyncIterator[bytes]:
        yield HEAD + CSV.ljust(8192, b"\n")
        await go_on.wait()
        yield TAIL

    headers = FORM_TYPE | {"Idempotency-Key": key}
    begun = asyncio.create_task(http.post("/v1/datasets", content=slowly(), headers=headers))
    while await world.cluster.find(DATASETS, dataset_name("acme", key), "tenant-acme") is None:
        await asyncio.sleep(0.02)
    return begun


async def test_same_key_and_bytes_give_the_same_answer(http: httpx2.AsyncClient, key: str) -> None:
    first, second = await _upload(http, key), await _upload(http, key)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert first.headers["location"] == second.headers["location"]


async def test_other_bytes_or_fields_with_the_same_key_conflict(
    http: httpx2.AsyncClient, key: str
) -> None:
    await _upload(http, key)
    for answer in (
        await _upload(http, key, CSV + b"loyal,1.5\n"),
        await _upload(http, key, retention_seconds="60"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "simio_idempotency_conflict")


async def test_concurrent_uploads_create_one_dataset(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    answers = await asyncio.gather(*(_upload(http, key) for _ in range(6)))
    assert 202 in {answer.status_code for answer in answers}
    assert {answer.status_code for answer in answers} <= {202, 409}
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert refused <= {"simio_idempotency_in_flight"}
    assert (await _upload(http, key)).status_code == 202
    found = await world.cluster.get(DATASETS, dataset_name("acme", key), "tenant-acme")
    uid = found["metadata"]["uid"]
    assert len([line for line in world.audit_text().splitlines() if uid in line]) == 1


async def test_upload_to_an_unready_tenant_is_503_with_retry_after(world: Any, key: str) -> None:
    async with world.client("early") as early:
        answer = await _upload(early, key)
    assert (answer.status_code, answer.json()["code"]) == (503, "simio_tenant_not_ready")
    assert int(answer.headers["retry-after"]) > 0


async def test_same_key_of_two_tenants_makes_two_datasets(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    async with world.client("globex") as other:
        ids = {(await _upload(client, key)).json()["dataset_id"] for client in (http, other)}
    assert len(ids) == 2


async def test_second_upload_with_the_key_is_409_while_the_first_arrives(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    go_on = asyncio.Event()
    first = await _begun_upload(world, http, key, go_on)
    second = await _upload(http, key)
    assert (second.status_code, second.json()["code"]) == (409, "simio_idempotency_in_flight")
    assert second.headers["retry-after"]
    go_on.set()
    assert (await first).status_code == 202


@pytest.mark.parametrize("with_key", [False, True], ids=["before the key", "after the key"])
async def test_crashed_upload_is_taken_over_by_a_retry(
    world: Any, http: httpx2.AsyncClient, key: str, with_key: bool
) -> None:
    """The Dataset is as a killed process leaves it: with a lease that nobody renews."""
    name = dataset_name("acme", key)
    long_ago = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    annotations = {
        upload_lease.ANNOTATION: f"0123456789abcdef {long_ago}",
        REQUEST_DIGEST: fingerprint({"retention_seconds": 86_400, "family": "auto"}),
    }
    body = {
        "apiVersion": "simulacra.dev/v1alpha1",
        "kind": "Dataset",
        "metadata": {"name": name, "annotations": annotations, "finalizers": [FINALIZER]},
        "spec": {"source": {"type": "Upload"}},
    }
    left = await world.cluster.create(DATASETS, body, "tenant-acme")
    if with_key:
        ref = ResourceRef("acme", "datasets", left["metadata"]["uid"])
        await world.stand_in().status(
            DATASETS, name, wrappedKey=world.custody.new_resource_key(ref)
        )
    both = await asyncio.gather(_upload(http, key), _upload(http, key))
    assert 202 in {answer.status_code for answer in both}
    assert {answer.status_code for answer in both} <= {202, 409}
    again = await _upload(http, key)
    assert again.status_code == 202
    found = await world.cluster.get(DATASETS, name, "tenant-acme")
    assert found["metadata"]["uid"] == left["metadata"]["uid"]
    assert upload_lease.ANNOTATION not in found["metadata"]["annotations"]
    ref = ResourceRef("acme", "datasets", found["metadata"]["uid"]).artifact("upload")
    content = b"".join(world.custody.read(ref, found["status"]["wrappedKey"]))
    assert hashlib.sha256(content).hexdigest() == found["spec"]["source"]["sha256"]


async def test_writer_that_lost_its_lease_cannot_complete(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    go_on, name = asyncio.Event(), dataset_name("acme", key)
    first = await _begun_upload(world, http, key, go_on)
    long_ago = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    patch = {"metadata": {"annotations": {upload_lease.ANNOTATION: f"fedcba9876543210 {long_ago}"}}}
    await world.cluster.patch(DATASETS, name, patch, "tenant-acme")
    assert (await _upload(http, key)).status_code == 202
    go_on.set()
    lost = await first
    assert (lost.status_code, lost.json()["code"]) == (409, "simio_idempotency_in_flight")
    found = await world.cluster.get(DATASETS, name, "tenant-acme")
    assert found["spec"]["source"]["sha256"] == hashlib.sha256(CSV).hexdigest()
    assert not found["metadata"].get("deletionTimestamp")


async def test_aborted_upload_stores_nothing_and_frees_its_key(
    world: Any, key: str, acme: Any
) -> None:
    name = dataset_name("acme", key)

    async def breaks_off() -> AsyncIterator[bytes]:
        yield HEAD + CSV.ljust(8192, b"\n")
        while await world.cluster.find(DATASETS, name, "tenant-acme") is None:
            await asyncio.sleep(0.02)
        raise ConnectionError

    async with world.client() as http:
        with pytest.raises(ConnectionError):
            await http.post(
                "/v1/datasets", content=breaks_off(), headers=FORM_TYPE | {"Idempotency-Key": key}
            )
    while not (left := await world.cluster.get(DATASETS, name, "tenant-acme"))["metadata"].get(
        "deletionTimestamp"
    ):
        await asyncio.sleep(0.05)
    assert not [stored for stored in world.stored() if left["metadata"]["uid"] in stored]
    await asyncio.wait_for(acme.erase(DATASETS, name), 60)
    assert await world.cluster.find(DATASETS, name, "tenant-acme") is None
    while await world.cluster.find(MODELS, model_name(name), "tenant-acme"):
        model = await world.cluster.get(MODELS, model_name(name), "tenant-acme")
        await world.cluster.delete(
            MODELS, model_name(name), "tenant-acme", uid=model["metadata"]["uid"]
        )
        await acme.erase(MODELS, model_name(name))
    async with world.client() as http:
        assert (await _upload(http, key)).status_code == 202


@pytest.mark.one_case_real
@pytest.mark.parametrize("value", [None, "", "a b", "ä", "x" * 256])
async def test_malformed_idempotency_key_is_refused(
    http: httpx2.AsyncClient, value: str | None
) -> None:
    headers = [] if value is None else [(b"Idempotency-Key", value.encode())]
    answer = await http.post("/v1/datasets", files={"file": ("t.csv", CSV)}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_idempotency_key")


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("content", "declared", "status", "code"),
    [
        (b"", "text/csv", 400, "simio_upload_invalid"),
        (b"PK\x03\x04rest", "text/csv", 400, "simio_upload_invalid"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><html>", "text/csv", 400, "simio_upload_invalid"),
        (b"\x89PNG\r\n", "application/octet-stream", 400, "simio_upload_invalid"),
        (b"a,b\n1,\x002\n", "text/csv", 400, "simio_upload_invalid"),
        (CSV, "application/pdf", 415, "simio_unsupported_content_type"),
        (CSV, "text/html", 415, "simio_unsupported_content_type"),
    ],
)
async def test_file_that_is_not_a_table_creates_no_dataset(
    world: Any,
    http: httpx2.AsyncClient,
    key: str,
    content: bytes,
    declared: str,
    status: int,
    code: str,
) -> None:
    files = {"file": ("t.csv", content, declared)}
    answer = await http.post("/v1/datasets", files=files, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await world.cluster.find(DATASETS, dataset_name("acme", key), "tenant-acme") is None


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("content", "declared"),
    [
        (gzip.compress(CSV), "application/gzip"),
        (b"\x28\xb5\x2f\xfd" + bytes(50), "application/zstd"),
        (b"PAR1" + bytes(50), "application/vnd.apache.parquet"),
        (b"ARROW1\0\0", "application/octet-stream"),
        (b"\xff\xff\xff\xff\x10\0\0\0", "application/vnd.apache.arrow.stream"),
        (b"PK\x03\x04".ljust(30, b"\0") + b"[Content_Types].xml", "application/octet-stream"),
        (b"$FL2@(#) SPSS DATA FILE", "application/x-spss-sav"),
        (b"$FL3@(#) SPSS DATA FILE", ""),
    ],
    ids=["gzip", "zstd", "parquet", "arrow", "arrow stream", "xlsx", "sav", "zsav"],
)
async def test_every_table_format_is_accepted(
    http: httpx2.AsyncClient, content: bytes, declared: str
) -> None:
    answer = await http.post(
        "/v1/datasets",
        files={"file": ("t", content, declared)},
        headers={"Idempotency-Key": uuid.uuid4().hex},
    )
    assert answer.status_code == 202, answer.text


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("body", "headers", "status", "at"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415, None),
        (b"x", {"Content-Type": "multipart/form-data"}, 415, None),
        (b"no form at all" * 10, FORM_TYPE, 400, None),
        (TAIL[2:], FORM_TYPE, 400, "/file"),
        (
            HEAD
            + CSV
            + f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="x"\r\n\r\n1'.encode()
            + TAIL,
            FORM_TYPE,
            400,
            "/file",
        ),
        (HEAD + CSV, FORM_TYPE, 400, None),
        (HEAD.replace(b'"file"', b'"f"') + b"x" * 70_000 + TAIL, FORM_TYPE, 400, ""),
    ],
    ids=[
        "json",
        "no boundary",
        "garbage",
        "empty form",
        "field after the file",
        "breaks off",
        "large field",
    ],
)
async def test_malformed_form_is_refused(
    http: httpx2.AsyncClient,
    key: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    at: str | None,
) -> None:
    answer = await http.post(
        "/v1/datasets", content=body, headers=headers | {"Idempotency-Key": key}
    )
    assert answer.status_code == status, answer.text
    assert at is None or answer.json()["errors"][0]["pointer"] == at


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"retention_seconds": "604801"}, "/retention_seconds"),
        ({"retention_seconds": "9"}, "/retention_seconds"),
        ({"retention_seconds": "long"}, "/retention_seconds"),
        ({"family": "oak"}, "/family"),
        ({"color": "red"}, "/color"),
    ],
)
async def test_wrong_form_field_is_named(
    http: httpx2.AsyncClient, key: str, fields: dict[str, str], at: str
) -> None:
    answer = await _upload(http, key, **fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")
    assert answer.json()["errors"][0]["pointer"] == at


async def test_upload_above_the_limit_is_413_before_and_while_it_arrives(
    world: Any, key: str
) -> None:
    large = CSV.ljust(SMALL_LIMIT + FORM_ALLOWANCE, b"\n")

    async def undeclared() -> AsyncIterator[bytes]:
        yield HEAD
        for _ in range(16):
            yield large[: 1 << 18]
        yield TAIL

    tiny = world.stand_in("tiny")
    async with world.client("tiny") as http:
        declared = await _upload(http, key, large)
        assert (declared.status_code, declared.json()["code"]) == (413, "simio_file_too_large")
        assert str(SMALL_LIMIT) in declared.json()["detail"]
        assert await world.cluster.find(DATASETS, dataset_name("tiny", key), "tenant-tiny") is None
        streamed = await http.post(
            "/v1/datasets", content=undeclared(), headers=FORM_TYPE | {"Idempotency-Key": key}
        )
        assert streamed.status_code == 413
    left = await world.cluster.get(DATASETS, dataset_name("tiny", key), "tenant-tiny")
    assert not [stored for stored in world.stored() if left["metadata"]["uid"] in stored]
    await asyncio.wait_for(tiny.erase(DATASETS, dataset_name("tiny", key)), 60)


async def test_store_failure_is_503_and_the_dataset_is_discarded(
    world: Any, http: httpx2.AsyncClient, acme: Any
) -> None:
    key = uuid.uuid4().hex
    keyring = world.folder / "keyring.json"
    keyring.chmod(0o644)  # custody refuses a keyring that others may read
    try:
        answer = await _upload(http, key)
    finally:
        keyring.chmod(0o600)
    assert (answer.status_code, answer.json()["code"]) == (503, "simio_unavailable")
    assert answer.headers["retry-after"]
    await asyncio.wait_for(acme.erase(DATASETS, dataset_name("acme", key)), 60)


async def test_upload_of_a_byte_now_and_then_is_408_and_discarded(
    world: Any, http: httpx2.AsyncClient, key: str, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra_api.uploads.body.IDLE_SECONDS", 0.3)
    over = asyncio.Event()

    async def dribbles() -> AsyncIterator[bytes]:
        yield HEAD + CSV.ljust(8192, b"\n")
        while not over.is_set():
            await asyncio.sleep(0.05)
            yield b"\n"

    headers = FORM_TYPE | {"Idempotency-Key": key}
    request = asyncio.create_task(http.post("/v1/datasets", content=dribbles(), headers=headers))
    await asyncio.wait_for(acme.erase(DATASETS, await _made(world, key)), 60)
    over.set()
    answer = await request
    assert (answer.status_code, answer.json()["code"]) == (408, "simio_upload_timeout")


async def _made(world: Any, key: str) -> str:
    name = dataset_name("acme", key)
    while await world.cluster.find(DATASETS, name, "tenant-acme") is None:
        await asyncio.sleep(0.02)
    return name


async def test_audit_log_has_the_upload_but_not_its_content(world: Any, uploaded: str) -> None:
    uid = (await world.cluster.get(DATASETS, uploaded, "tenant-acme"))["metadata"]["uid"]
    events = [json.loads(line) for line in world.audit_text().splitlines() if uid in line]
    assert [event["type"] for event in events] == ["dev.simulacra.artefact.written"]
    assert events[0]["data"]["client"] == "client.acme"
    assert events[0]["data"]["counts"]["bytes"] == len(CSV)
    assert "loyal" not in world.audit_text()
    assert "price" not in world.audit_text()
