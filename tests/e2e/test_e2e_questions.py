"""Probe, effect, lists and cancel by SDK and command line on the real product."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from installation import Installation, eventually
from simulacra import ApiError, Client, JobFailed

pytestmark = pytest.mark.e2e
HAPPY = {"categorical": {"happiness": {"very happy": 1.0}}}


def _command(installation: Installation, *arguments: str) -> dict[str, Any]:
    simulacra = str(Path(sys.executable).with_name("simulacra"))
    connection = str(installation.data_dir / "connection.json")
    done = subprocess.run(
        [simulacra, *arguments, "-c", connection], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_probe_meets_its_conditions_and_stores_nothing(
    shared_installation: Installation, client: Client, dataset: str
) -> None:
    before = set(shared_installation.objects())
    found = client.probe(dataset, 40, conditions=HAPPY, seed=5)
    assert [row["happiness"] for row in found["rows"]] == ["very happy"] * 40
    assert found["feasibility"]["status"] == "exact"
    assert found["feasibility"]["effective_sample_size"] > 100
    assert client.probe(dataset, 40, conditions=HAPPY, seed=5)["rows"] == found["rows"]
    assert client.generations(dataset_id=dataset) == []
    eventually(lambda: set(shared_installation.objects()) <= before)


def test_probe_rejects_infeasible_conditions_at_once(client: Client, dataset: str) -> None:
    conditions = {"numeric": {"babies": {"min": 4, "max": 4}, "teens": {"min": 3, "max": 3}}}
    with pytest.raises(ApiError) as refused:
        client.probe(dataset, conditions=conditions)
    assert (refused.value.status, refused.value.code) == (400, "simio_conditions_infeasible")
    assert "babies" in refused.value.detail or "teens" in refused.value.detail


def test_effect_is_estimated_with_segments(
    shared_installation: Installation, client: Client, dataset: str
) -> None:
    asked = [
        "--treatment",
        "education_years",
        "--value",
        "16",
        "--baseline",
        "12",
        "--outcome",
        "job_prestige",
    ]
    found = _command(shared_installation, "effect", dataset, *asked, "--segment", "happiness")
    ace = found["ace"]
    assert (found["verdict"]["kind"] in ("suggested", "open"), ace["effect"]) == (True, None)
    # Four more years of school, on a prestige scale of 17 to 86.
    assert -10 < ace["low"] < ace["high"] < 30
    assert ace["high"] > 0
    assert {segment["level"] for segment in found["segments"]} >= {"very happy", "pretty happy"}
    assert [one["effect_id"] for one in client.effects(dataset_id=dataset)] == [found["effect_id"]]
    client.delete_effect(found["effect_id"])
    assert client.effects(dataset_id=dataset) == []


def test_segment_is_certified_and_its_rows_agree(
    shared_installation: Installation, client: Client, dataset: str, tmp_path: Path
) -> None:
    asked = ["--segment", "region=pacific,female=1", "--questions", "happiness"]
    path = tmp_path / "conditions.json"
    found = _command(shared_installation, "boost", dataset, *asked, "--conditions-out", str(path))
    assert {share["answer"] for share in found["shares"]} >= {"very happy", "pretty happy"}
    for share in found["shares"]:
        assert 0 < share["low"] < share["share"] < share["high"] < 1
        assert share["worth"] >= share["respondents"] > 5
    rows = client.probe(dataset, 40, conditions=json.loads(path.read_text()))["rows"]
    assert {row["region"] for row in rows} == {"pacific"}
    client.delete(found["segment_id"])
    assert client.segments(dataset_id=dataset) == []


def test_canceled_generation_stops_at_once(
    shared_installation: Installation, client: Client, dataset: str
) -> None:
    asked = client.generate(dataset, 1_000_000)
    eventually(lambda: client.job(asked["job_id"])["status"] == "running")
    _command(shared_installation, "cancel", asked["job_id"])
    with pytest.raises(JobFailed) as failed:
        client.wait(asked["job_id"], timeout=60)
    assert failed.value.code == "simio_cancelled"
    uid_of = f"jsonpath={{.items[?(@.metadata.name=='{asked['generation_id']}')].metadata.uid}}"
    uid = shared_installation.kubectl("get", "generationjobs", "-A", "-o", uid_of)
    pods = (
        "get",
        "pods",
        "-A",
        "-l",
        f"simulacra.dev/uid={uid}",
        "-o",
        "name",
        "--field-selector=status.phase=Running",
    )
    eventually(lambda: not shared_installation.kubectl(*pods).strip())
    client.delete_generation(asked["generation_id"])


def test_small_dataset_is_ready_in_one_call(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "small.csv"
    file.write_text("a,b,c\n" + "".join(f"{i % 7},{i % 3},{'xyz'[i % 3]}\n" for i in range(300)))
    headers = {"Idempotency-Key": "one-call", "Prefer": "wait=60"}
    with file.open("rb") as table:
        answer = client._http.post(
            "/v1/datasets", files={"file": table}, headers=headers, timeout=90
        )
    assert (answer.status_code, answer.json()["status"]) == (201, "ready"), answer.text


def test_quality_report_is_an_html_page(client: Client, dataset: str) -> None:
    page = client._http.get(f"/v1/datasets/{dataset}/report", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>Quality report</h1>" in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    assert client.graph(dataset)["edges"]
