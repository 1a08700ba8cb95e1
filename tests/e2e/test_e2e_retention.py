"""Rows and estimates outlive their dataset's expiry on the running product."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from installation import Installation, eventually, survey_part
from simulacra import ApiError, Client
from simulacra.certificates import verify_certificate

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
QUESTION = {"treatment": "education_years", "value": 16, "baseline": 12, "outcome": "tv_hours"}


def finished(client: Client, tmp_path: Path) -> tuple[str, str, str]:
    """Return the ids of a dataset, a generation and an effect estimate, all ready."""
    uploaded = client.upload(survey_part(tmp_path / "small.csv", rows=400))
    client.wait(uploaded["job_id"], timeout=240)
    dataset = str(uploaded["dataset_id"])
    rows, effect = client.generate(dataset, 50, seed=1), client.estimate(dataset, **QUESTION)
    client.wait(rows["job_id"], timeout=240)
    client.wait(effect["job_id"], timeout=240)
    return dataset, str(rows["generation_id"]), str(effect["effect_id"])


def expire_soon(client: Client, dataset: str, seconds: int) -> None:
    """Shorten a dataset's retention so that it ends in this many seconds."""
    created = datetime.fromisoformat(client.dataset(dataset)["created_at"])
    client.extend(dataset, int((datetime.now(UTC) - created).total_seconds()) + seconds)


def is_gone(client: Client, dataset: str) -> bool:
    try:
        client.dataset(dataset)
    except ApiError as problem:
        return problem.status == 404
    return False


def wrapped_keys(one: Installation) -> list[bytes]:
    """Return the wrapped keys of all datasets and models."""
    found = json.loads(one.kubectl("get", "datasets,models", "-A", "-o", "json"))["items"]
    return [item["status"]["wrappedKey"].encode() for item in found]


def command(one: Installation, *arguments: str) -> Any:
    """Return the JSON that the `simulacra` command prints."""
    program = str(Path(sys.executable).with_name("simulacra"))
    connection = ["--connection", str(one.data_dir / "connection.json"), "--json"]
    done = subprocess.run(
        [program, *arguments, *connection], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_rows_outlive_their_dataset_over_a_restart(
    installation: Installation, tmp_path: Path
) -> None:
    with installation.client() as client:
        dataset, rows, effect = finished(client, tmp_path)
        client.download(rows, tmp_path / "before.parquet")
        figures, report = client.effect(effect)["ace"], client.report(rows)
        stored, keys = set(installation.objects()), wrapped_keys(installation)
        assert len(keys) == 2
        expire_soon(client, dataset, 12)
    installation.kill_tree()
    time.sleep(14)
    installation.start()
    with installation.client() as client:
        eventually(lambda: is_gone(client, dataset), 60)
        left = installation.objects()
        assert {name.split("/")[2] for name in left} == {"generationjobs", "effectestimates"}
        assert set(left) < stored
        files = [path for path in installation.data_dir.rglob("*") if path.is_file()]
        assert not [path for path in files if any(key in path.read_bytes() for key in keys)]
        client.download(rows, tmp_path / "after.parquet")
        after = pq.read_table(tmp_path / "after.parquet")
        assert after.equals(pq.read_table(tmp_path / "before.parquet"))
        for file_format in ("csv", "arrow"):
            client.download(rows, tmp_path / f"rows.{file_format}", file_format)  # type: ignore[arg-type]
        assert client.effect(effect)["ace"] == figures
        assert client.report(rows) == report
        assert [one["generation_id"] for one in client.generations(dataset_id=dataset)] == [rows]
        assert {one["job_id"] for one in client.jobs()} == {f"job-{rows}", f"job-{effect}"}
        assert command(installation, "show", rows)["status"] == "ready"
        assert command(installation, "download", rows, str(tmp_path / "cli.csv"))["bytes"] > 0
        installation.kubectl(
            *("wait", f"generationjob/{rows}", "-n", "tenant-default", "--for=condition=Ready")
        )
        assert stated(client, dataset)["cause"] == "expired"
        for name, kind in ((rows, "generationjob"), (effect, "effectestimate")):
            patch = json.dumps({"spec": {"retentionSeconds": 10}})
            installation.kubectl(
                *("patch", kind, name, "-n", "tenant-default", "--type=merge", "-p", patch)
            )
        eventually(lambda: not installation.resources(), 60)
        assert installation.objects() == []
        assert stated(client, rows)["cause"] == stated(client, effect)["cause"] == "expired"


def stated(client: Client, resource: str) -> dict[str, Any]:
    return verify_certificate(client.erasure_certificate(resource), client.published_keys())


def test_deletion_takes_rows_and_estimates_even_in_the_last_seconds(
    installation: Installation, tmp_path: Path
) -> None:
    with installation.client() as client:
        dataset, rows, effect = finished(client, tmp_path)
        expire_soon(client, dataset, 4)
        client.delete(dataset)
        eventually(lambda: not installation.resources(), 60)
        assert installation.objects() == []
        assert {stated(client, one)["cause"] for one in (dataset, rows, effect)} == {"deleted"}
