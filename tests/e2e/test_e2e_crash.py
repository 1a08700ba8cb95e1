"""kill -9 of the whole `simulacra up` tree at bad moments, then a restart: no loss, no orphans."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import suppress

import httpx2
import pytest

from installation import SURVEY, Installation, eventually
from simulacra import Client
from simulacra.operations import uploads
from simulacra.operations.table_names import name_of, named

PIECE = 100_000
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def wait_until_running(installation: Installation, task: str) -> None:
    """Wait until a pod of this task runs."""
    with installation.changes(
        "pods", "-A", "--field-selector=status.phase=Running", "-o", "name"
    ) as names:
        assert any(f"-{task}-" in name for name in names)


def test_fit_finishes_after_a_kill(installation: Installation) -> None:
    with installation.client() as client:
        uploaded = client.upload(SURVEY)
        wait_until_running(installation, "fit")
    installation.kill_tree()
    installation.start()
    with installation.client() as client:
        job = client.wait(uploaded["job_id"], timeout=240)
        assert job["status"] == "ready"
        delete_and_check(installation, client, uploaded["dataset_id"])


def test_deletion_finishes_after_a_kill(installation: Installation) -> None:
    with installation.client() as client:
        uploaded = client.upload(SURVEY)
        client.wait(uploaded["job_id"], timeout=240)
        deleting = threading.Thread(target=delete_quietly, args=(client, uploaded["dataset_id"]))
        with installation.changes(
            "dataset", uploaded["dataset_id"], "-n", "tenant-default", "-o", "json"
        ) as lines:
            # The first line is the present state; every later change follows.
            assert any('"kind": "Dataset"' in line for line in lines)
            deleting.start()
            assert any('"deletionTimestamp"' in line for line in lines)
            installation.kill_tree()
        deleting.join(60)
    installation.start()
    eventually(lambda: not installation.resources(), 60)
    assert installation.objects() == []


def test_upload_with_the_same_key_succeeds_after_a_kill(installation: Installation) -> None:
    """A retry with the same key takes over the crashed upload."""
    data = SURVEY.read_bytes()
    # What the client states of a file: another description would be another request.
    described = json.dumps(named(None, None, name_of(SURVEY), "again")).encode()

    def stream() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="description"\r\n\r\n' + described
        yield b'\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="s.csv"\r\n\r\n'
        yield data[:100_000]
        installation.kill_tree()
        yield data[100_000:]

    headers = {"Idempotency-Key": "again", "Content-Type": "multipart/form-data; boundary=b"}
    with installation.client() as client, pytest.raises(httpx2.TransportError):
        client._http.post("/v1/datasets", content=stream(), headers=headers)
    installation.start()
    with installation.client() as client:
        # This waits until the dead writer's lease is stale, at most a minute.
        uploaded = client.upload(SURVEY, key="again")
        client.wait(uploaded["job_id"], timeout=240)
        delete_and_check(installation, client, uploaded["dataset_id"])


@pytest.mark.reliability
@pytest.mark.parametrize("between", [True, False], ids=["between pieces", "within a piece"])
def test_resumable_upload_resumes_after_a_kill(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, between: bool
) -> None:
    """It resumes at once, or once the dead writer's lease is stale."""
    monkeypatch.setattr(uploads, "PIECE_BYTES", PIECE)
    told: list[int] = []

    def kill(so_far: int, _: int | None) -> None:
        told.append(so_far)
        if told.count(PIECE) == 2 if between else so_far > PIECE:
            installation.kill_tree()
            raise KeyboardInterrupt

    with installation.client() as client, pytest.raises(KeyboardInterrupt):
        client.upload(SURVEY, key="pieces", on_bytes=kill)
    installation.start()
    gone_on: list[int] = []
    with installation.client() as client:
        uploaded = client.upload(
            SURVEY, key="pieces", on_bytes=lambda so_far, _: gone_on.append(so_far)
        )
        assert gone_on[0] == PIECE
        assert uploaded.sha256 == hashlib.sha256(SURVEY.read_bytes()).hexdigest()
        client.wait(uploaded["job_id"], timeout=240)
        delete_and_check(installation, client, uploaded["dataset_id"])


def delete_quietly(client: Client, dataset: str) -> None:
    """Request the deletion; the response is lost with the service."""
    with suppress(httpx2.TransportError):
        client._http.delete(f"/v1/datasets/{dataset}")


def delete_and_check(installation: Installation, client: Client, dataset: str) -> None:
    """Delete a dataset and check that no resource and no object is left."""
    client.delete_dataset(dataset)
    assert installation.resources() == []
    assert installation.objects() == []
