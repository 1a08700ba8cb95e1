"""Attack: search the raw device for a customer's table and keys, after erasure and after kill -9.

All names, levels and ids of the table begin with a mark. Data directory and temporary files are on
a disk of the test's own.
"""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from installation import Installation, eventually
from raw_disk import RawDisk, raw_disk
from simulacra_controlplane.store import Key, Store
from simulacra_crds.tasks import REQUEST, UPLOAD, FitRequest, PrepareRequest
from trainer_pod import Pod

MARK = b"zqmark"
ROWS = 60_000


def marked_csv(rows: int = ROWS) -> bytes:
    """Return a table with a marked id and a marked level in each row."""
    rng = np.random.default_rng(7)
    plan = rng.integers(0, 4, rows)
    spend = np.round(rng.gamma(2.0, 20.0, rows) + 10 * plan, 2)
    visits = rng.poisson(3 + plan)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["zqmark_id", "zqmark_city", "zqmark_plan", "zqmark_spend", "zqmark_visits"])
    writer.writerows(
        (f"zqmark-{i:08x}", f"zqmark city {(i * 7 + p) % 9}", f"zqmark plan {p}", s, v)
        for i, (p, s, v) in enumerate(zip(plan, spend, visits, strict=True))
    )
    return text.getvalue().encode()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[RawDisk]:
    with raw_disk(tmp_path) as one:
        yield one


def test_the_search_finds_a_deleted_file(disk: RawDisk) -> None:
    """The other tests could not fail without this."""
    path = disk.path / "secret"
    path.write_bytes(MARK * 1000)
    path.unlink()
    assert len(disk.find(MARK)) == 1000


@pytest.mark.e2e
@pytest.mark.slow
def test_no_cell_is_on_the_device_after_an_erasure(disk: RawDisk, tmp_path: Path) -> None:
    """Upload, fit, generate, estimate, report, download, delete: then search the whole device."""
    table = tmp_path / "table.csv"
    table.write_bytes(marked_csv())
    (disk.path / "tmp").mkdir()
    one = Installation(disk.path / "data", {"TMPDIR": str(disk.path / "tmp")})
    one.start()
    try:
        with one.client() as client:
            uploaded = client.upload(table)
            name = uploaded["dataset_id"]
            client.wait(uploaded["job_id"], timeout=240)
            asked = client.generate(
                name, 5000, conditions={"categorical": {"zqmark_plan": {"zqmark plan 1": 0.5}}}
            )
            client.wait(asked["job_id"], timeout=240)
            client.download(asked["generation_id"], tmp_path / "rows.csv")
            client.wait(
                client.estimate(
                    name,
                    treatment="zqmark_plan",
                    value="zqmark plan 1",
                    baseline="zqmark plan 0",
                    outcome="zqmark_spend",
                )["job_id"],
                timeout=240,
            )
            assert MARK in (tmp_path / "rows.csv").read_bytes()
            listed = json.loads(one.kubectl("get", "datasets,models", "-A", "-o", "json"))["items"]
            keys = [item["status"]["wrappedKey"].encode() for item in listed]
            client.delete_dataset(name)
            assert client.erasure_certificate(name)
    finally:
        one.stop()
    assert len(keys) == 2
    for secret in (MARK, *keys):
        assert disk.find(secret) == []


def pod_on(disk: RawDisk) -> Pod:
    pod = Pod(disk.path)
    pod.artifacts("datasets").store(UPLOAD, marked_csv())
    pod.artifacts("datasets").store_model(REQUEST, PrepareRequest(format="csv"))
    pod.artifacts("models").store_model(REQUEST, FitRequest(seed=1))
    (disk.path / "tmp").mkdir()
    assert disk.find(MARK) == [], "the store holds ciphertext"
    return pod


def kill(pod: Pod, disk: RawDisk, task: str, kind: str, ready: Callable[[], bool]) -> None:
    """Start a task, send kill -9 once it is ready, and see what it left in its directory."""
    process = pod.start(task, kind, TMPDIR=str(disk.path / "tmp"))
    try:
        eventually(lambda: ready() or process.poll() is not None, 120)
        time.sleep(0.3)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)


def left(disk: RawDisk) -> list[Path]:
    return [path for path in (disk.path / "tmp").rglob("*") if path.is_file()]


@pytest.mark.slow
def test_no_cell_is_on_the_device_after_kill_9_in_prepare_and_fit(disk: RawDisk) -> None:
    pod = pod_on(disk)
    size = len(marked_csv())
    kill(
        pod,
        disk,
        "prepare",
        "datasets",
        lambda: any(p.name == UPLOAD and p.stat().st_size >= size for p in left(disk)),
    )
    assert left(disk), "the kill came while the upload was in the scratch directory"
    assert disk.find(MARK) == []
    assert pod.start("prepare", "datasets", TMPDIR=str(disk.path / "tmp")).wait(120) == 0
    kill(
        pod,
        disk,
        "fit",
        "models",
        lambda: any(p.name == "dataset.parquet" and p.stat().st_size for p in left(disk)),
    )
    assert any(path.name == "dataset.parquet" for path in left(disk))
    assert disk.find(MARK) == []


@pytest.mark.parametrize("last", ["dropped", "dropped after a restart", "removed"])
def test_no_wrapped_key_is_on_the_device_after_it_was_dropped(disk: RawDisk, last: str) -> None:
    """With an old block of an object and the tenant's key, it would open what was erased."""
    key = Key("datasets.simulacra.dev", "tenant-acme", "ds-1")
    token = "local.v1." + "s3cret" * 20
    body = {"metadata": {"name": "ds-1", "uid": "u"}, "spec": {"level": MARK.decode()}}
    store = Store(disk.path / "objects.sqlite")
    store.put(key, {**body, "status": {"wrappedKey": token}})
    if "restart" in last:
        store.close()
        store = Store(disk.path / "objects.sqlite")
    assert disk.find(token.encode()), "the test sees what is stored"
    if last == "removed":
        store.remove(key)
    else:
        store.put(key, body)
    assert disk.find(token.encode()) == []
    store.remove(key)
    store.close()
