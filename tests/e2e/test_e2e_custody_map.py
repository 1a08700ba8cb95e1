"""Every step of the custody map keeps and records exactly what the map says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx2
import pytest

from installation import SURVEY, Installation, eventually
from simulacra import Client, Connection
from simulacra_api.pages.custody_steps import CUSTODY_MAP

pytestmark = pytest.mark.e2e
ALONE = True
STEP = {step.key: step for step in CUSTODY_MAP.steps}
CONDITIONS = {"categorical": {"happiness": {"very happy": 0.5}}}
QUESTION = {"treatment": "education_years", "value": 16, "baseline": 12, "outcome": "tv_hours"}


class Changes:
    """Audit records and stored artifacts that were added since the last call."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.records = len(self._records())
        self.before = set(installation.objects())

    def _records(self) -> list[dict[str, Any]]:
        segments = sorted((self.installation.data_dir / "audit" / "segments").rglob("*.jsonl"))
        lines = [json.loads(line) for path in segments for line in path.read_text().splitlines()]
        return [line for line in lines if "specversion" in line]

    def recorded(self) -> set[str]:
        found = self._records()
        new, self.records = found[self.records :], len(found)
        return {record["type"] for record in new if not _counts_repeats(record)}

    def kept(self) -> set[str]:
        """Return new artifacts as `kind/name`."""
        now = set(self.installation.objects())
        new, self.before = now - self.before, now
        return {"/".join([parts[2], *parts[4:]]) for parts in (name.split("/") for name in new)}


def _counts_repeats(record: dict[str, Any]) -> bool:
    """Return whether a record counts reads of the minute before, maybe of an earlier step."""
    return record["type"].endswith("artefact.read") and "request" not in record["data"]


def assert_as_mapped(step: str, changes: Changes, *, without: frozenset[str] = frozenset()) -> None:
    """Assert that recorded events and kept artifacts are exactly those of the map."""
    said = {event.value for event in STEP[step].logged} - without
    assert changes.recorded() == said, step
    kept, patterns = (
        changes.kept(),
        [pattern for one in STEP[step].kept for pattern in one.artifacts],
    )
    assert {
        name for name in kept if not any(fnmatch(name, pattern) for pattern in patterns)
    } == set(), step
    # A quick task writes no progress.
    promised = {pattern for pattern in patterns if not pattern.endswith("/progress.json")}
    assert {
        pattern for pattern in promised if not any(fnmatch(name, pattern) for name in kept)
    } == set(), step


@pytest.fixture(scope="module")
def changes(shared_installation: Installation) -> Changes:
    return Changes(shared_installation)


def admin(installation: Installation, *arguments: str) -> Any:
    command = [str(Path(sys.executable).with_name("simulacra")), "admin", *arguments]
    kubeconfig = ["--kubeconfig", installation.connection["kubeconfig"]]
    done = subprocess.run(
        [*command, *kubeconfig], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def client(shared_installation: Installation, changes: Changes) -> Iterator[Client]:
    """A tenant that requested access as the map says; its first request mints its first token."""
    known = shared_installation.connection
    with httpx2.Client(base_url=known["api_url"]) as http:
        asked = http.post(
            "/v1/signup", json={"company": "Initech", "contact": "ada@initech.example"}
        ).json()
        admin(shared_installation, "approve", admin(shared_installation, "requests")[-1]["name"])
        status: dict[str, Any] = {}

        def approved() -> bool:
            status.update(http.get(f"/v1/signup/{asked['request_id']}").json())
            return status["status"] == "approved"

        eventually(approved)
        claim = {"credential_claim_token": status["credential_claim_token"]}
        secret = http.post("/v1/credential-claims", json=claim).json()["client_secret"]
    connection = Connection(
        known["api_url"], known["token_url"], status["client_id"], secret, known["audience"]
    )
    with Client(connection) as one:
        yield one


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """Ids that one step creates and a later one needs."""
    return {}


def test_access_request_keeps_what_the_map_says(client: Client, changes: Changes) -> None:
    assert_as_mapped("request-access", changes)


def test_token_request_keeps_what_the_map_says(client: Client, changes: Changes) -> None:
    assert client.datasets() == []
    assert_as_mapped("mint-token", changes)


def test_upload_and_fit_keep_what_the_map_says(
    client: Client, changes: Changes, made: dict[str, str]
) -> None:
    uploaded = client.upload(SURVEY)
    client.wait(uploaded["job_id"], timeout=240)
    made["dataset"] = uploaded["dataset_id"]
    assert_as_mapped("upload", changes)
    words = b"very happy"
    folder = changes.installation.data_dir
    assert not [
        str(path) for path in folder.rglob("*") if path.is_file() and words in path.read_bytes()
    ]


def test_retention_is_one_day_by_default_and_seven_at_most(
    client: Client, made: dict[str, str]
) -> None:
    shown = client.dataset(made["dataset"])
    lives = datetime.fromisoformat(shown["expires_at"]) - datetime.fromisoformat(
        shown["created_at"]
    )
    assert lives.total_seconds() == 24 * 3600
    path = f"/v1/datasets/{made['dataset']}"
    assert client._http.patch(path, json={"retention_seconds": 7 * 86_400 + 1}).status_code == 400


def test_generation_keeps_what_the_map_says(
    client: Client, changes: Changes, made: dict[str, str]
) -> None:
    asked = client.generate(
        made["dataset"], 200, conditions=CONDITIONS, interventions={"education_years": 16}
    )
    client.wait(asked["job_id"], timeout=120)
    path = f"/v1/datasets/{made['dataset']}/effects"
    effect = client._http.post(
        path, json=QUESTION, headers={"Idempotency-Key": "custody-map-effect"}
    ).json()
    client.wait(effect["job_id"], timeout=120)
    segment = client.boost(made["dataset"], {"happiness": []}, ["owns_gun"])
    client.wait(segment.job_id, timeout=120)
    sheet = client.ask_sheet(made["dataset"], outcome="tv_hours", levers=["education_years"])
    client.wait(sheet.job_id, timeout=120)
    made["generation"] = asked["generation_id"]
    assert_as_mapped("generate", changes)


def test_probe_keeps_nothing(client: Client, changes: Changes, made: dict[str, str]) -> None:
    answer = client._http.post(
        f"/v1/datasets/{made['dataset']}/probe", json={"row_count": 3}, timeout=120
    )
    assert answer.status_code == 200, answer.text
    # the record of the erasure follows the objects, and the resource goes last
    eventually(lambda: not [one for one in changes.installation.resources() if "probe-" in one])
    assert set(changes.installation.objects()) == changes.before
    changes.recorded()


def test_download_keeps_what_the_map_says(
    client: Client, changes: Changes, made: dict[str, str], tmp_path: Path
) -> None:
    client.download(made["generation"], tmp_path / "rows.csv", "csv")
    assert (tmp_path / "rows.csv").read_text().count("\n") == 201
    assert_as_mapped("download", changes)


def test_deletion_keeps_what_the_map_says(
    client: Client, changes: Changes, made: dict[str, str]
) -> None:
    client.delete_dataset(made["dataset"])
    assert_as_mapped("erase", changes, without=frozenset({"dev.simulacra.resource.expired"}))
    assert changes.installation.objects() == []
    for one in (made["dataset"], made["generation"]):
        assert client._http.get(f"/v1/erasure-certificates/{one}").status_code == 200


def test_expiry_keeps_what_the_map_says(client: Client, changes: Changes, tmp_path: Path) -> None:
    small = tmp_path / "small.csv"
    small.write_text("".join(SURVEY.open().readlines()[:300]))
    name = client.upload(small, retention_seconds=10)["dataset_id"].removeprefix("ds-")
    eventually(lambda: not [one for one in changes.installation.resources() if name in one], 60)
    recorded = changes.recorded() - {event.value for event in STEP["upload"].logged}
    recorded -= {"dev.simulacra.job.stopped"}  # its fit may have been running
    assert recorded == {"dev.simulacra.resource.expired", "dev.simulacra.resource.erased"}
    assert changes.installation.objects() == []


def test_custody_page_shows_every_step(shared_installation: Installation) -> None:
    with httpx2.Client(base_url=shared_installation.connection["api_url"]) as http:
        page = http.get("/custody")
    assert "unsafe" not in page.headers["content-security-policy"]
    for step in CUSTODY_MAP.steps:
        assert f'id="{step.key}"' in page.text
        for event in step.logged:
            # Each event is in the panel and in the table.
            assert page.text.count(event.value.removeprefix("dev.simulacra.")) >= 2, event
    # test_e2e_custody_servers covers the mode with the customer's key.
    assert all(mode.offered for mode in CUSTODY_MAP.modes)


def test_deleted_resumable_upload_leaves_nothing_and_was_encrypted(
    client: Client, changes: Changes
) -> None:
    """The operator's tests cover the deletion of an upload that is idle for an hour."""
    content, name = SURVEY.read_bytes(), {"Idempotency-Key": "custody-map-pieces"}
    begun = client._http.post("/v1/uploads", json={"bytes": len(content)}, headers=name).json()
    headers = {"Content-Type": "application/octet-stream", "Upload-Offset": "0"}
    piece = client._http.patch(
        f"/v1/uploads/{begun['upload_id']}", content=content[:100_000], headers=headers
    )
    assert piece.json()["offset"] == 100_000
    folder = changes.installation.data_dir
    stored = [path for path in folder.rglob("upload-pieces/*") if path.is_file()]
    assert len(stored) == 1
    assert b"very happy" not in stored[0].read_bytes()
    client.delete_dataset(begun["dataset_id"])
    assert not stored[0].exists()
