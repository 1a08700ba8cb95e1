"""Uploads in pieces: kept across breaks, one writer at a time, erased when they fail."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from simulacra_api.uploads import upload_lease
from simulacra_crds.kinds.base import ANNOTATION_UPLOAD_RECEIVED, API_VERSION
from simulacra_crds.kube.client import DATASETS, MODELS
from simulacra_crds.names import dataset_name, model_name
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody

TABLE = b"segment,price\n" + b"".join(b"loyal,%d.5\n" % (row % 9) for row in range(4000))
SIZE, PIECE = len(TABLE), 16_384
SHA256 = hashlib.sha256(TABLE).hexdigest()
BYTES = {"Content-Type": "application/octet-stream"}
Begin = Callable[..., Awaitable[str]]


async def _begin(http: httpx2.AsyncClient, key: str, **fields: Any) -> httpx2.Response:
    body = {"bytes": SIZE, "sha256": SHA256} | fields
    return await http.post("/v1/uploads", json=body, headers={"Idempotency-Key": key})


async def _append(
    http: httpx2.AsyncClient, upload: str, offset: int, content: Any, **headers: str
) -> httpx2.Response:
    known = BYTES | {"Upload-Offset": str(offset)} | headers
    return await http.patch(f"/v1/uploads/{upload}", content=content, headers=known)


@pytest.fixture
def begin(http: httpx2.AsyncClient, key: str) -> Begin:
    """Begin an upload with the test's key; return its id."""

    async def begun(**fields: Any) -> str:
        answer = await _begin(http, key, **fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["upload_id"])

    return begun


async def _offset(http: httpx2.AsyncClient, upload: str) -> int:
    answer = await http.get(f"/v1/uploads/{upload}")
    assert answer.headers["upload-offset"] == str(answer.json()["offset"])
    return int(answer.json()["offset"])


async def _send_rest(http: httpx2.AsyncClient, upload: str, size: int = PIECE) -> dict[str, Any]:
    offset = await _offset(http, upload)
    while True:
        answer = await _append(http, upload, offset, TABLE[offset : offset + size])
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        if body["complete"]:
            return body
        offset = body["offset"]


def _stored(world: Any, uid: str) -> list[str]:
    return sorted(key.partition(f"{uid}/")[2] for key in world.stored() if uid in key)


async def _uid(world: Any, upload: str, tenant: str = "acme") -> str:
    return str((await world.cluster.get(DATASETS, upload, f"tenant-{tenant}"))["metadata"]["uid"])


async def test_pieces_are_joined_into_the_upload_artifact(
    world: Any, http: httpx2.AsyncClient, begin: Begin
) -> None:
    upload = await begin(retention_seconds=7200)
    uid = await _uid(world, upload)
    assert (await _append(http, upload, 0, TABLE[:PIECE])).json()["offset"] == PIECE
    assert _stored(world, uid) == ["upload-pieces/00000"]
    shown = (await http.get(f"/v1/datasets/{upload}")).json()
    assert (shown["status"], shown["retention_seconds"]) == ("uploading", 7200)
    done = await _send_rest(http, upload)
    assert (done["sha256"], done["offset"], done["dataset_id"]) == (SHA256, SIZE, upload)
    assert _stored(world, uid) == ["upload"]
    found = await world.cluster.get(DATASETS, upload, "tenant-acme")
    assert upload_lease.ANNOTATION not in found["metadata"]["annotations"]
    whole = world.custody.read(
        ResourceRef("acme", "datasets", uid).artifact("upload"), found["status"]["wrappedKey"]
    )
    assert b"".join(whole) == TABLE
    assert (await http.get(f"/v1/datasets/{upload}")).json()["status"] == "queued"
    assert (await http.get(f"/v1/jobs/{done['job_id']}")).json()["status"] == "queued"
    recorded = [line for line in world.audit_text().splitlines() if uid in line]
    assert len(recorded) == -(-SIZE // PIECE) + 1
    assert all("dev.simulacra.artefact.written" in line for line in recorded)


async def test_pieces_are_stored_encrypted(
    world: Any, http: httpx2.AsyncClient, begin: Begin
) -> None:
    upload = await begin()
    await _append(http, upload, 0, TABLE[:PIECE])
    (piece,) = [
        path for path in world.folder.rglob("00000") if await _uid(world, upload) in str(path)
    ]
    assert b"loyal" not in piece.read_bytes()


async def test_same_key_resumes_and_another_request_conflicts(
    http: httpx2.AsyncClient, begin: Begin, key: str
) -> None:
    upload = await begin()
    await _append(http, upload, 0, TABLE[:PIECE])
    again = await _begin(http, key)
    assert (again.json()["offset"], again.headers["upload-offset"]) == (PIECE, str(PIECE))
    for other in ({"bytes": SIZE + 1}, {"sha256": "0" * 64}, {"retention_seconds": 60}):
        assert (await _begin(http, key, **other)).json()["code"] == "simio_idempotency_conflict"
    whole = {"files": {"file": ("t.csv", TABLE)}, "headers": {"Idempotency-Key": key}}
    assert (await http.post("/v1/datasets", **whole)).json()["code"] == "simio_idempotency_conflict"
    await _send_rest(http, upload, SIZE)
    done = (await _begin(http, key)).json()
    assert (done["complete"], done["sha256"]) == (True, SHA256)
    # as if the answer to the last piece was lost
    assert (await _append(http, upload, SIZE, b"")).json()["complete"]


async def test_concurrent_begins_create_one_upload(http: httpx2.AsyncClient, key: str) -> None:
    answers = await asyncio.gather(*(_begin(http, key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["upload_id"] for answer in answers}) == 1


async def test_bytes_before_a_disconnect_are_kept(world: Any, begin: Begin) -> None:
    upload = await begin()
    sent = asyncio.Event()

    async def breaks_off() -> AsyncIterator[bytes]:
        yield TABLE[:PIECE]
        await sent.wait()
        raise ConnectionError

    async with world.client() as http:
        piece = asyncio.create_task(_append(http, upload, 0, breaks_off()))
        while not _stored(world, await _uid(world, upload)):
            await asyncio.sleep(0.02)
        sent.set()
        with pytest.raises(ConnectionError):
            await piece
    async with world.client() as http:
        while not (offset := await _offset(http, upload)):
            await asyncio.sleep(0.02)
        assert offset == PIECE
        assert (await _send_rest(http, upload))["sha256"] == SHA256


async def test_bytes_before_a_stall_are_kept(
    http: httpx2.AsyncClient, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra_api.uploads.body.IDLE_SECONDS", 0.3)
    upload, over = await begin(), asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield TABLE[:PIECE]
        await over.wait()

    piece = asyncio.create_task(_append(http, upload, 0, stalls()))
    while not await _offset(http, upload):
        await asyncio.sleep(0.05)
    over.set()
    answer = await piece
    assert (answer.status_code, answer.json()["code"]) == (408, "simio_upload_timeout")
    assert await _offset(http, upload) == PIECE


@pytest.mark.parametrize("offset", [0, PIECE - 1, PIECE + 1, SIZE])
async def test_piece_at_a_wrong_offset_gets_the_right_one(
    http: httpx2.AsyncClient, begin: Begin, offset: int
) -> None:
    upload = await begin()
    await _append(http, upload, 0, TABLE[:PIECE])
    answer = await _append(http, upload, offset, TABLE[offset : offset + PIECE])
    assert (answer.status_code, answer.json()["code"]) == (409, "simio_upload_offset_mismatch")
    assert answer.headers["upload-offset"] == str(PIECE)
    assert await _offset(http, upload) == PIECE


async def test_one_of_concurrent_appends_wins(http: httpx2.AsyncClient, begin: Begin) -> None:
    upload, offset = await begin(), 0
    while offset < SIZE:
        end = min(offset + PIECE, SIZE)
        answers = await asyncio.gather(
            *(_append(http, upload, offset, TABLE[offset:end]) for _ in range(3))
        )
        assert sorted(answer.status_code for answer in answers).count(200) >= 1
        refused = {answer.json()["code"] for answer in answers if answer.status_code != 200}
        assert refused <= {"simio_idempotency_in_flight", "simio_upload_offset_mismatch"}
        offset = end
    assert (await http.get(f"/v1/uploads/{upload}")).json()["sha256"] == SHA256


async def test_second_writer_is_409_while_a_piece_arrives(
    world: Any, http: httpx2.AsyncClient, begin: Begin
) -> None:
    upload, go_on = await begin(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield TABLE[:PIECE]
        await go_on.wait()

    first = asyncio.create_task(_append(http, upload, 0, slowly()))
    while not _stored(world, await _uid(world, upload)):
        await asyncio.sleep(0.02)
    second = await _append(http, upload, 0, TABLE[:PIECE])
    assert (second.status_code, second.json()["code"]) == (409, "simio_idempotency_in_flight")
    assert second.headers["retry-after"]
    assert (await http.get(f"/v1/uploads/{upload}")).headers["retry-after"]
    go_on.set()
    assert (await first).json()["offset"] == PIECE
    assert "retry-after" not in (await http.get(f"/v1/uploads/{upload}")).headers


async def test_cancelled_upload_accepts_no_more_pieces(
    http: httpx2.AsyncClient, begin: Begin
) -> None:
    upload = await begin()
    await _append(http, upload, 0, TABLE[:PIECE])
    assert (await http.post(f"/v1/jobs/job-{upload}/cancel")).json()["status"] == "failed"
    refused = await _append(http, upload, PIECE, TABLE[PIECE:])
    assert (refused.status_code, refused.json()["code"]) == (409, "simio_cancelled")
    assert await _offset(http, upload) == PIECE


async def test_all_pieces_use_one_data_key(
    world: Any, http: httpx2.AsyncClient, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ResourceRef] = []
    make = Custody.new_resource_key
    monkeypatch.setattr(
        Custody, "new_resource_key", lambda self, ref: made.append(ref) or make(self, ref)
    )
    upload = await begin()
    assert (await _send_rest(http, upload))["sha256"] == SHA256
    assert [ref.uid for ref in made] == [await _uid(world, upload)]


async def _age_lease(world: Any, upload: str, **annotations: str) -> None:
    """Leave the Dataset as a process does that was killed while it held the lease."""
    long_ago = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    notes = {upload_lease.ANNOTATION: f"0123456789abcdef {long_ago}"} | annotations
    await world.cluster.patch(DATASETS, upload, {"metadata": {"annotations": notes}}, "tenant-acme")


async def test_crash_before_a_piece_is_noted_loses_that_piece_only(
    world: Any, http: httpx2.AsyncClient, begin: Begin
) -> None:
    upload = await begin()
    await _append(http, upload, 0, TABLE[:PIECE])
    await _age_lease(world, upload, **{ANNOTATION_UPLOAD_RECEIVED: "0 0"})
    assert await _offset(http, upload) == 0
    done = await _send_rest(http, upload, 3 * PIECE)
    assert done["sha256"] == SHA256
    assert _stored(world, await _uid(world, upload)) == ["upload"]


async def test_join_is_repeated_after_a_crash(
    world: Any, http: httpx2.AsyncClient, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await begin()
    with monkeypatch.context() as patched:
        patched.setattr("simulacra_api.uploads.resumable.ResumableUpload._copy", _fails)
        answer = await _append(http, upload, 0, TABLE)
        assert answer.status_code == 500
    assert await _offset(http, upload) == SIZE
    assert not (await http.get(f"/v1/uploads/{upload}")).json()["complete"]
    await _age_lease(world, upload)
    assert (await _append(http, upload, SIZE, b"")).json()["sha256"] == SHA256


def _fails(*_: Any) -> None:
    raise RuntimeError


async def test_writer_that_lost_its_lease_changes_nothing(
    world: Any, http: httpx2.AsyncClient, begin: Begin
) -> None:
    upload, go_on = await begin(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield TABLE[:PIECE].replace(b"loyal", b"other")
        await go_on.wait()

    first = asyncio.create_task(_append(http, upload, 0, slowly()))
    while not _stored(world, await _uid(world, upload)):
        await asyncio.sleep(0.02)
    await _age_lease(world, upload)
    assert (await _send_rest(http, upload))["sha256"] == SHA256
    go_on.set()
    lost = await first
    assert (lost.status_code, lost.json()["code"]) == (409, "simio_idempotency_in_flight")
    assert _stored(world, await _uid(world, upload)) == ["upload"]


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("content", "headers", "code"),
    [
        (TABLE + b"x", {}, "simio_upload_invalid"),
        (TABLE[:4095], {}, "simio_upload_invalid"),
        (b"", {}, "simio_upload_invalid"),
        (
            TABLE[:PIECE],
            {"Content-Digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"},
            "simio_digest_mismatch",
        ),
        (TABLE[:PIECE], {"Content-Digest": "sha-256"}, "simio_invalid_field"),
        (TABLE[:PIECE], {"Upload-Offset": "-1"}, "simio_invalid_field"),
        (TABLE[:PIECE], {"Upload-Offset": "begin"}, "simio_invalid_field"),
        (TABLE[:PIECE], {"Content-Type": "text/csv"}, "simio_unsupported_content_type"),
    ],
    ids=["too long", "too small", "empty", "digest", "no digest", "negative", "word", "type"],
)
async def test_refused_piece_stores_nothing(
    world: Any,
    http: httpx2.AsyncClient,
    begin: Begin,
    content: bytes,
    headers: dict[str, str],
    code: str,
) -> None:
    upload = await begin()
    answer = await _append(http, upload, 0, content, **headers)
    assert answer.status_code in (400, 415), answer.text
    assert answer.json()["code"] == code
    assert _stored(world, await _uid(world, upload)) == []
    assert (await _send_rest(http, upload, SIZE))["sha256"] == SHA256


async def test_piece_with_a_matching_digest_is_accepted(
    http: httpx2.AsyncClient, begin: Begin
) -> None:
    upload = await begin()
    digest = base64.b64encode(hashlib.sha256(TABLE).digest()).decode()
    assert (
        await _append(http, upload, 0, TABLE, **{"Content-Digest": f"sha-256=:{digest}:"})
    ).json()["complete"]


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"%PDF" + TABLE[4:], "simio_upload_invalid"), (TABLE[:-2] + b"x\n", "simio_digest_mismatch")],
    ids=["no table", "another file"],
)
async def test_upload_that_cannot_become_a_table_is_erased_and_frees_its_key(
    world: Any,
    http: httpx2.AsyncClient,
    begin: Begin,
    acme: Any,
    key: str,
    content: bytes,
    code: str,
) -> None:
    upload = await begin()
    uid = await _uid(world, upload)
    answer = await _append(http, upload, 0, content)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert (await http.get(f"/v1/uploads/{upload}")).json()["code"] == "simio_upload_not_found"
    await asyncio.wait_for(acme.erase(DATASETS, upload), 60)
    assert _stored(world, uid) == []
    await world.cluster.delete(MODELS, model_name(upload), "tenant-acme")
    await asyncio.wait_for(acme.erase(MODELS, model_name(upload)), 60)
    assert (await _begin(http, key)).status_code == 201


async def test_upload_deleted_while_a_piece_arrives_is_erased(
    world: Any, http: httpx2.AsyncClient, begin: Begin, acme: Any
) -> None:
    """As when the retention ends meanwhile: first the erasure, then the last bytes."""
    upload, go_on = await begin(), asyncio.Event()
    uid = await _uid(world, upload)

    async def slowly() -> AsyncIterator[bytes]:
        yield TABLE[:PIECE]
        await go_on.wait()
        yield TABLE[PIECE : 2 * PIECE]

    piece = asyncio.create_task(_append(http, upload, 0, slowly()))
    while not _stored(world, uid):
        await asyncio.sleep(0.02)
    await world.cluster.delete(DATASETS, upload, "tenant-acme")
    world.custody.erase(ResourceRef("acme", "datasets", uid))
    go_on.set()
    answer = await piece
    assert (answer.status_code, answer.json()["code"]) == (404, "simio_upload_not_found")
    assert _stored(world, uid) == []
    await asyncio.wait_for(acme.erase(DATASETS, upload), 60)
    gone = await _append(http, upload, 0, TABLE)
    assert (gone.status_code, gone.json()["code"]) == (404, "simio_upload_not_found")


async def test_announced_size_counts_against_the_limits(world: Any, key: str) -> None:
    async with world.client("tiny") as http:
        large = await _begin(http, key, bytes=(3 << 20) + 1)
        assert (large.status_code, large.json()["code"]) == (413, "simio_file_too_large")
        assert await world.cluster.find(DATASETS, dataset_name("tiny", key), "tenant-tiny") is None
        before = (await http.get("/v1/usage")).json()["stored_bytes"]["used"]
        assert (await _begin(http, key, bytes=3 << 20)).status_code == 201
        assert (await http.get("/v1/usage")).json()["stored_bytes"]["used"] == before + (3 << 20)
    tiny = world.stand_in("tiny")
    await world.cluster.delete(DATASETS, dataset_name("tiny", key), "tenant-tiny")
    await asyncio.wait_for(tiny.erase(DATASETS, dataset_name("tiny", key)), 60)


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"bytes": 0}, "/bytes"),
        ({"bytes": "1000"}, "/bytes"),
        ({"bytes": (1 << 40) + 1}, "/bytes"),
        ({"sha256": "abc"}, "/sha256"),
        ({"retention_seconds": 604_801}, "/retention_seconds"),
        ({"epsilon": "1"}, "/epsilon"),
        ({"epsilon": 1.0, "weights": "w"}, "/epsilon"),
        ({"color": "red"}, "/color"),
    ],
)
async def test_wrong_field_of_the_plan_is_named(
    http: httpx2.AsyncClient, key: str, fields: dict[str, Any], at: str
) -> None:
    answer = await _begin(http, key, **fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")
    assert answer.json()["errors"][0]["pointer"] == at


async def test_upload_of_another_tenant_is_404(world: Any, begin: Begin) -> None:
    upload = await begin()
    async with world.client("globex") as other:
        for answer in (
            await other.get(f"/v1/uploads/{upload}"),
            await _append(other, upload, 0, TABLE),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "simio_upload_not_found")


async def test_dataset_uploaded_in_one_request_accepts_no_pieces(
    http: httpx2.AsyncClient, uploaded: str
) -> None:
    shown = (await http.get(f"/v1/uploads/{uploaded}")).json()
    assert (shown["complete"], shown["offset"]) == (True, shown["bytes"])
    assert (await _append(http, uploaded, shown["bytes"], b"more")).json()[
        "code"
    ] == "simio_upload_not_found"
    assert (await http.get("/v1/uploads/ds-nobody")).json()["code"] == "simio_upload_not_found"


async def test_dataset_read_from_an_object_is_not_an_upload(
    world: Any, http: httpx2.AsyncClient
) -> None:
    source = {"type": "Object", "uri": "s3://bucket/table.csv", "sha256": SHA256}
    body = {"apiVersion": API_VERSION, "kind": "Dataset", "metadata": {"name": "from-object"}}
    await world.cluster.create(DATASETS, body | {"spec": {"source": source}}, "tenant-acme")
    for answer in (
        await http.get("/v1/uploads/from-object"),
        await _append(http, "from-object", 0, TABLE),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "simio_upload_not_found")
    await world.cluster.delete(DATASETS, "from-object", "tenant-acme")


async def test_number_of_pieces_is_limited(
    http: httpx2.AsyncClient, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra_api.uploads.resumable.MAX_PIECES", 1)
    upload = await begin()
    await _append(http, upload, 0, TABLE[:PIECE])
    answer = await _append(http, upload, PIECE, TABLE[PIECE : 2 * PIECE])
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_upload_invalid")
    assert await _offset(http, upload) == PIECE


async def test_begin_needs_an_idempotency_key(http: httpx2.AsyncClient) -> None:
    answer = await http.post(
        "/v1/uploads", json={"bytes": SIZE}, headers={"Idempotency-Key": f"a {uuid.uuid4()}"}
    )
    assert answer.json()["code"] == "simio_invalid_idempotency_key"
