"""What stays provable after erasure: certificates, the audit log, backups that nothing decrypts."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from installation import Installation, eventually, survey_part
from simulacra import ApiError, Client, JobFailed
from simulacra.certificates import verify_certificate
from simulacra_custody.errors import CustodyError
from simulacra_custody.keys.keyring import LocalKeyring
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.stores.local import LocalStore

pytestmark = pytest.mark.e2e
ALONE = True
MIB = 1 << 20


@pytest.fixture(scope="module")
def erased(
    shared_installation: Installation, client: Client, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A deleted dataset with a backup from before its deletion."""
    one = shared_installation
    few = survey_part(tmp_path_factory.mktemp("upload") / "few.csv")
    name = client.upload(few, family="forest")
    client.wait(name["job_id"], timeout=240)
    found = json.loads(
        one.kubectl("get", "dataset", name["dataset_id"], "-n", "tenant-default", "-o", "json")
    )
    backup = tmp_path_factory.mktemp("backup") / "objects"
    shutil.copytree(one.data_dir / "objects", backup)
    client.delete_dataset(name["dataset_id"])
    return {
        "id": name["dataset_id"],
        "uid": found["metadata"]["uid"],
        "token": found["status"]["wrappedKey"],
        "backup": backup,
        "objects": len(
            list((backup / "tenants" / "default" / "datasets" / found["metadata"]["uid"]).iterdir())
        ),
    }


def read(one: Installation, store: Path, uid: str, token: str) -> bytes:
    """Read with the live keyring from a copy of the store and a wrapped key, as anybody could."""
    keyring = next(path for path in one.data_dir.rglob("keyring*.json"))
    custody = Custody(LocalStore(store), LocalKeyring(keyring))
    ref = ResourceRef("default", "datasets", uid).artifact("schema.json")
    return custody.read_bytes(ref, token, limit=MIB)


def test_no_file_of_an_erased_dataset_is_left(
    shared_installation: Installation, erased: dict[str, Any]
) -> None:
    left = [
        path
        for path in (shared_installation.data_dir / "objects").rglob("*")
        if erased["uid"] in str(path)
    ]
    assert left == []
    assert any(erased["uid"] in str(path) for path in erased["backup"].rglob("*")), (
        "the backup has it"
    )


def test_old_backup_cannot_be_decrypted_with_the_live_keyring(
    shared_installation: Installation, client: Client, erased: dict[str, Any], tmp_path: Path
) -> None:
    """No file of the installation has the data key, and no other key opens the backup."""
    one = shared_installation
    assert b"columns" in read(one, erased["backup"], erased["uid"], erased["token"]), (
        "with the lost token it could be read"
    )
    token = erased["token"].encode()
    holding = [
        path for path in one.data_dir.rglob("*") if path.is_file() and token in path.read_bytes()
    ]
    assert holding == []
    other = client.upload(survey_part(tmp_path / "other.csv", rows=500), family="forest")
    found = json.loads(one.kubectl("get", "datasets,models", "-A", "-o", "json"))["items"]
    tokens = [
        item["status"]["wrappedKey"] for item in found if "wrappedKey" in item.get("status", {})
    ]
    assert tokens
    for other_token in tokens:
        with pytest.raises(CustodyError):
            read(one, erased["backup"], erased["uid"], other_token)
    client.delete_dataset(other["dataset_id"])


def test_certificate_states_what_was_erased(client: Client, erased: dict[str, Any]) -> None:
    stated = verify_certificate(client.erasure_certificate(erased["id"]), client.published_keys())
    assert (stated["uid"], stated["cause"], stated["kind"]) == (
        erased["uid"],
        "deleted",
        "datasets",
    )
    assert stated["objects"] == erased["objects"]
    assert [one["name"] for one in stated["artefacts"]] == [
        "upload",
        "description.json",
        "dataset.parquet",
        "schema.json",
    ]
    steps = ("created_at", "deletion_requested_at", "key_shredded_at", "verified_absent_at")
    times = [datetime.fromisoformat(stated[name]) for name in steps]
    assert times == sorted(times)


def test_audit_record_is_where_the_certificate_says(
    shared_installation: Installation, client: Client, erased: dict[str, Any]
) -> None:
    stated = client.erasure_certificate(erased["id"])["statement"]
    segments = sorted((shared_installation.data_dir / "audit" / "segments").rglob("*.jsonl"))
    record = json.loads(segments[stated["audit"]["index"]].read_text().splitlines()[1])
    assert record["type"].endswith("resource.erased")
    assert record["data"]["uid"] == erased["uid"]


def verify(log: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulacra_custody.verify", str(log), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_audit_log_verifies_and_a_truncated_one_does_not(
    shared_installation: Installation, client: Client, erased: dict[str, Any], tmp_path: Path
) -> None:
    """The customer's kept checkpoint reveals the cut even when the checkpoints are deleted too."""
    key = client.published_keys()["audit_log"]
    kept = tmp_path / "checkpoint"
    kept.write_bytes(client._http.get("/.well-known/simulacra-checkpoint").content)
    log = tmp_path / "audit"
    shutil.copytree(shared_installation.data_dir / "audit", log)
    assert verify(log, "--key", key, "--checkpoint", str(kept)).returncode == 0
    shutil.rmtree(log / "checkpoints")
    shutil.rmtree(log / "segments")
    (log / "segments").mkdir()
    cut = verify(log, "--key", key, "--checkpoint", str(kept))
    assert cut.returncode == 1
    assert "events, but the log has 0" in cut.stderr


def hostile_files() -> Iterator[tuple[str, bytes]]:
    cell = pa.array(["0" * (MIB - 1)])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 40_000, pa.int32()), cell)
    out = io.BytesIO()
    table = pa.table({"bomb": column, "n": pa.array(range(40_000))})
    pq.write_table(
        table, out, compression="zstd", store_schema=False, dictionary_pagesize_limit=1 << 30
    )
    yield "dictionary.parquet", out.getvalue()
    yield "quote.csv", b'a,b\n1,"' + b"x,y\n" * (4 * MIB)
    yield "inflating.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * (600 * MIB // 4), 1)
    yield (
        "wide.csv",
        (",".join(f"c{i}" for i in range(100_000)) + "\n").encode() + b",".join([b"1"] * 100_000),
    )


def resident(pid: int) -> int:
    line = next(
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    return int(line.split()[1]) * 1024


class HealthPoll(threading.Thread):
    """Polls the API's health and keeps the longest wait."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self._client, self.longest, self.answers, self.over = client, 0.0, 0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.2):
            start = time.monotonic()
            assert self._client._http.get("/healthz").status_code == 200
            self.longest, self.answers = (
                max(self.longest, time.monotonic() - start),
                self.answers + 1,
            )


def error_code(client: Client, path: Path, names: list[str]) -> str:
    """Return the error code of an upload or its job; add the dataset's id to `names`."""
    try:
        uploaded = client.upload(path)
        names.append(uploaded["dataset_id"])
        client.wait(uploaded["job_id"], timeout=90)
    except (ApiError, JobFailed) as refusal:
        return refusal.code
    return "accepted"


def test_hostile_uploads_neither_grow_stall_nor_restart_the_api(
    shared_installation: Installation, client: Client, tmp_path: Path
) -> None:
    """Each upload is rejected, or its job fails, with the right code."""
    one = shared_installation
    pid = one.pid("api")
    names: list[str] = []
    client.datasets()
    before = resident(pid)
    health = HealthPoll(one.client())
    health.start()
    for name, content in hostile_files():
        path = tmp_path / name
        path.write_bytes(content)
        assert error_code(client, path, names) == "simio_upload_invalid", name
    health.over.set()
    health.join(60)
    assert one.pid("api") == pid, "it was not restarted"
    assert resident(pid) - before < 100 * MIB
    assert health.answers > 5
    assert health.longest < 30.0  # parsing inside the API would take longer
    for name in names:
        client.delete_dataset(name)
    eventually(lambda: not [key for key in one.objects() if key.startswith("tenants/")])
