"""Custody on the running product: tenants are isolated, nothing leaks, deletion is complete."""

import csv
import json
import re
from pathlib import Path

import httpx2
import pytest

from installation import SURVEY, Installation, eventually, survey_part
from simulacra import ApiError, Client

pytestmark = pytest.mark.e2e
ALONE = True
KINDS = "tenants,datasets,models,generationjobs,effectestimates"


@pytest.fixture(scope="module")
def dataset(client: Client) -> str:
    """A ready dataset with one finished generation under conditions."""
    uploaded = client.upload(SURVEY)
    client.wait(uploaded["job_id"], timeout=240)
    conditions = {
        "categorical": {"happiness": {"very happy": 0.5}},
        "numeric": {"tv_hours": {"min": 1, "max": 4}},
    }
    asked = client.generate(uploaded["dataset_id"], 500, conditions=conditions)
    client.wait(asked["job_id"], timeout=120)
    return str(uploaded["dataset_id"])


def survey_words() -> set[str]:
    """Return every column name and every level that is not a bare number."""
    rows = list(csv.reader(SURVEY.open()))
    levels = {
        value for row in rows[1:] for value in row if value and not re.fullmatch(r"[\d.]+", value)
    }
    return {*rows[0], *levels}


def everything_written(installation: Installation) -> dict[str, str]:
    """Return logs, audit records, metrics, statuses, events, Jobs and Pods by source."""
    said = {
        str(path.relative_to(installation.data_dir)): path.read_text(errors="replace")
        for folder in ("logs", "pods", "audit")
        for path in (installation.data_dir / folder).rglob("*")
        if path.is_file()
    }
    for kind in ("events", "jobs", "pods", "configmaps"):
        said[kind] = installation.kubectl("get", kind, "-A", "-o", "json")
    listed = installation.kubectl("get", KINDS, "-A", "-o", "json")
    said["status"] = json.dumps([item.get("status") for item in json.loads(listed)["items"]])
    ports = json.loads((installation.data_dir / "ports.json").read_text())
    for program in ("api", "operator"):
        answer = httpx2.get(f"http://127.0.0.1:{ports[program]}/metrics").raise_for_status()
        said[f"metrics/{program}"] = answer.text
    return said


def test_no_log_or_status_shows_a_column_name_level_or_condition(
    shared_installation: Installation, dataset: str
) -> None:
    said = everything_written(shared_installation)
    assert {name.partition("/")[0] for name in said} >= {"logs", "pods", "audit"}
    # The dataset of this test is in the metrics: by its route, and by its kind.
    assert 'route="/v1/datasets/{dataset_id}/generations"' in said["metrics/api"]
    assert 'kind="GenerationJob"' in said["metrics/operator"]
    # Short words such as "year", "income" or "never" occur in the product's own messages.
    words = {word for word in survey_words() if len(word) > 7 or "_" in word or " " in word}
    assert len(words) > 40
    pattern = re.compile(
        "|".join(sorted((re.escape(word) for word in words), key=len, reverse=True))
    )
    leaks = {
        where: sorted(set(pattern.findall(text)))[:5]
        for where, text in said.items()
        if pattern.search(text)
    }
    assert not leaks


def test_store_holds_no_plaintext(shared_installation: Installation, dataset: str) -> None:
    names = shared_installation.objects()
    assert names
    for name in names:
        raw = (shared_installation.data_dir / "objects" / name).read_bytes()
        assert b"very happy" not in raw, name
        assert b"tv_hours" not in raw, name


def test_raw_upload_is_deleted_once_prepared(
    shared_installation: Installation, dataset: str
) -> None:
    assert not [name for name in shared_installation.objects() if name.endswith("/upload")]


def problem(client: Client, dataset_id: str) -> ApiError:
    """Return the error of reading a dataset."""
    with pytest.raises(ApiError) as refused:
        client.dataset(dataset_id)
    return refused.value


def test_tenant_cannot_see_the_resources_of_another(
    shared_installation: Installation, client: Client, dataset: str
) -> None:
    generation = shared_installation.resources("generationjobs")[0].rpartition("/")[2]
    with shared_installation.add_tenant("rival") as rival:
        assert rival.datasets() == []
        calls = [
            lambda: rival.dataset(dataset),
            lambda: rival.schema(dataset),
            lambda: rival.report(dataset),
            lambda: rival.job(f"job-{dataset}"),
            lambda: rival.generation(generation),
            lambda: rival.generate(dataset, 10),
            lambda: rival.delete_dataset(dataset),
            lambda: rival.extend(dataset, 100_000),
        ]
        for call in calls:
            with pytest.raises(ApiError) as foreign:
                call()
            assert foreign.value.status == 404
        unknown, foreign = problem(rival, "ds-" + "0" * 24), problem(rival, dataset)
        assert unknown.code == foreign.code == "simio_dataset_not_found"
        assert unknown.detail == foreign.detail
    assert client.dataset(dataset)["status"] == "ready"


def test_download_link_needs_the_token_of_its_tenant(
    shared_installation: Installation, client: Client, dataset: str
) -> None:
    generation = shared_installation.resources("generationjobs")[0].rpartition("/")[2]
    url = client.generation(generation)["artifact_url"]
    with shared_installation.add_tenant("rival2") as rival:
        stolen = rival._http.get(url)
        assert stolen.status_code in (403, 404)
        assert stolen.headers["content-type"].startswith("application/problem+json")
    assert client._http.get(url).status_code == 200
    assert client._http.get(url, auth=None).status_code == 401  # type: ignore[arg-type]


def test_expiry_erases_everything(
    shared_installation: Installation, client: Client, tmp_path: Path
) -> None:
    before = set(shared_installation.objects())
    small = tmp_path / "small.csv"
    small.write_text("".join(SURVEY.open().readlines()[:300]))
    uploaded = client.upload(small, retention_seconds=12)
    name = uploaded["dataset_id"]

    def gone() -> bool:
        return not [r for r in shared_installation.resources() if name.removeprefix("ds-") in r]

    assert not gone()
    eventually(gone)
    assert set(shared_installation.objects()) <= before


def test_kubectl_delete_erases_everything(
    shared_installation: Installation, client: Client, tmp_path: Path
) -> None:
    uploaded = client.upload(survey_part(tmp_path / "few.csv"))
    client.wait(uploaded["job_id"], timeout=240)
    rows = client.generate(uploaded["dataset_id"], 50)
    client.wait(rows["job_id"], timeout=120)
    assert f"generationjob.simulacra.dev/{rows['generation_id']}" in shared_installation.resources()
    uid = shared_installation.kubectl(
        "get",
        "dataset",
        uploaded["dataset_id"],
        "-n",
        "tenant-default",
        "-o",
        "jsonpath={.metadata.uid}",
    )
    assert any(uid in name for name in shared_installation.objects())
    shared_installation.kubectl(
        "delete", "dataset", uploaded["dataset_id"], "-n", "tenant-default", "--timeout=60s"
    )
    assert not any(rows["generation_id"] in one for one in shared_installation.resources())
    assert not any(uid in name for name in shared_installation.objects())
