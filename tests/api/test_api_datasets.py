"""Datasets: list, entity tags, retention, deletion, and isolation of tenants."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import httpx2
import pytest

from outage import blocked
from simulacra_crds.kinds.base import ANNOTATION_DELETED
from simulacra_crds.kube.client import DATASETS, GENERATION_JOBS, MODELS
from simulacra_crds.names import model_name

_WAITS = {
    "type": "Ready",
    "status": "False",
    "reason": "AwaitingQuota",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


async def test_dataset_shows_status_and_expiry(http: httpx2.AsyncClient, ready: str) -> None:
    body = (await http.get(f"/v1/datasets/{ready}")).json()
    assert (body["status"], body["rows"], body["columns"]) == ("ready", 100, 3)
    judged = [(one["code"], one["level"]) for one in body["model"].pop("verdicts")]
    assert judged == [("likeness", "unknown"), ("privacy", "unknown"), ("worth", "unknown")]
    assert body["model"] == {"status": "ready", "family": "forest", "figures": {"fidelity": 0.9}}
    lifetime = datetime.fromisoformat(body["expires_at"]) - datetime.fromisoformat(
        body["created_at"]
    )
    assert lifetime.total_seconds() == 86_400


async def test_dataset_list_is_newest_first_and_of_one_tenant(
    world: Any, http: httpx2.AsyncClient, uploaded: str
) -> None:
    items = (await http.get("/v1/datasets")).json()["items"]
    assert uploaded in {item["dataset_id"] for item in items}
    assert [item["created_at"] for item in items] == sorted(
        (item["created_at"] for item in items), reverse=True
    )
    async with world.client("globex") as other:
        assert uploaded not in (await other.get("/v1/datasets")).text


async def test_retention_changes_on_dataset_and_model(
    world: Any, http: httpx2.AsyncClient, ready: str
) -> None:
    answer = await http.patch(f"/v1/datasets/{ready}", json={"retention_seconds": 604_800})
    assert answer.status_code == 200
    assert answer.json()["retention_seconds"] == 604_800
    for resource, name in ((DATASETS, ready), (MODELS, model_name(ready))):
        assert (await world.cluster.get(resource, name, "tenant-acme"))["spec"][
            "retentionSeconds"
        ] == 604_800


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    "body", [{"retention_seconds": 604_801}, {"retention_seconds": 1}, {}, {"rows": 1}]
)
async def test_retention_outside_the_limits_is_refused(
    http: httpx2.AsyncClient, uploaded: str, body: Any
) -> None:
    answer = await http.patch(f"/v1/datasets/{uploaded}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")


async def test_if_match_guards_against_lost_updates(http: httpx2.AsyncClient, ready: str) -> None:
    url = f"/v1/datasets/{ready}"
    tag = (await http.get(url)).headers["etag"]
    first = await http.patch(url, json={"retention_seconds": 100_000}, headers={"If-Match": tag})
    second = await http.patch(url, json={"retention_seconds": 200_000}, headers={"If-Match": tag})
    assert (first.status_code, second.status_code) == (200, 412)
    assert first.headers["etag"] == (await http.get(url)).headers["etag"] != tag
    third = await http.patch(
        url, json={"retention_seconds": 200_000}, headers={"If-Match": first.headers["etag"]}
    )
    assert third.status_code == 200


async def test_delete_is_202_until_erased_then_204(
    world: Any, http: httpx2.AsyncClient, uploaded: str, acme: Any
) -> None:
    url = f"/v1/datasets/{uploaded}"
    await acme.prepare(uploaded)
    await acme.status(MODELS, model_name(uploaded), phase="Pending", conditions=[_WAITS])
    assert (await http.get(url)).json()["waiting_reason"] is not None
    first = await http.delete(url)
    assert (first.status_code, first.headers["location"]) == (202, world.url + url)
    deleting = await http.get(url)
    assert (deleting.status_code, deleting.json()["status"]) == (200, "deleting")
    assert deleting.json()["waiting_reason"] is None  # though its model waits
    for gone in (f"{url}/schema", f"/v1/jobs/job-{uploaded}"):
        assert (await http.get(gone)).status_code == 404
    assert (await http.patch(url, json={"retention_seconds": 60})).status_code == 404
    body, headers = {"row_count": 1}, {"Idempotency-Key": "k"}
    assert (await http.post(f"{url}/generations", json=body, headers=headers)).status_code == 404
    again = asyncio.create_task(http.delete(url))
    await asyncio.sleep(0.2)
    await acme.erase(DATASETS, uploaded)
    assert (await again).status_code == 204
    assert (await http.get(url)).status_code == 404
    assert (await http.delete(url)).status_code == 404


async def test_deletion_is_marked_as_requested_even_during_an_expiry(
    world: Any, http: httpx2.AsyncClient, uploaded: str
) -> None:
    await world.cluster.delete(DATASETS, uploaded, "tenant-acme")  # as the expiry does
    for _ in range(2):
        assert (await http.delete(f"/v1/datasets/{uploaded}")).status_code == 202
    found = (await world.cluster.get(DATASETS, uploaded, "tenant-acme"))["metadata"]
    assert datetime.fromisoformat(found["annotations"][ANNOTATION_DELETED])
    lines = [line for line in world.audit_text().splitlines() if found["uid"] in line]
    assert sum("resource.deleted" in line for line in lines) == 1


async def test_a_dataset_that_waited_and_is_being_erased_waits_for_nothing(
    http: httpx2.AsyncClient, uploaded: str, acme: Any
) -> None:
    url = f"/v1/datasets/{uploaded}"
    await acme.status(DATASETS, uploaded, phase="Pending", conditions=[_WAITS])
    assert (await http.get(url)).json()["waiting_reason"] is not None
    await http.delete(url)
    assert (await http.get(url)).json()["waiting_reason"] is None
    await acme.erase(DATASETS, uploaded)


async def test_key_of_a_dataset_being_erased_is_409(
    http: httpx2.AsyncClient, key: str, uploaded: str, acme: Any
) -> None:
    await http.delete(f"/v1/datasets/{uploaded}")
    files, headers = {"file": ("t.csv", b"a,b\n1,2\n")}, {"Idempotency-Key": key}
    waiting = await http.post("/v1/datasets", files=files, headers=headers)
    assert (waiting.status_code, waiting.json()["code"]) == (409, "simio_idempotency_in_flight")
    await acme.erase(DATASETS, uploaded)


async def test_delete_needs_an_audit_record_first(
    world: Any, http: httpx2.AsyncClient, uploaded: str
) -> None:
    uid = (await world.cluster.get(DATASETS, uploaded, "tenant-acme"))["metadata"]["uid"]
    with blocked(world.folder / "audit"):
        refused = await http.delete(f"/v1/datasets/{uploaded}")
    assert refused.status_code == 503
    assert not (await world.cluster.get(DATASETS, uploaded, "tenant-acme"))["metadata"].get(
        "deletionTimestamp"
    )
    await http.delete(f"/v1/datasets/{uploaded}")
    assert [
        line
        for line in world.audit_text().splitlines()
        if uid in line and "resource.deleted" in line
    ]


async def test_ids_of_another_tenant_are_the_same_404_as_unknown_ids(
    world: Any, http: httpx2.AsyncClient, ready: str, acme: Any, key: str
) -> None:
    headers = {"Idempotency-Key": key}
    answer = await http.post(
        f"/v1/datasets/{ready}/generations", json={"row_count": 1}, headers=headers
    )
    generation = answer.json()["generation_id"]
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/v1/datasets/{ds}", {}),
        ("GET", "/v1/datasets/{ds}/schema", {}),
        ("GET", "/v1/datasets/{ds}/report", {}),
        ("GET", "/v1/datasets/{ds}/graph", {}),
        ("PATCH", "/v1/datasets/{ds}", {"json": {"retention_seconds": 60}}),
        ("POST", "/v1/datasets/{ds}/generations", {"json": {"row_count": 1}, "headers": headers}),
        ("DELETE", "/v1/datasets/{ds}", {}),
        ("GET", "/v1/jobs/job-{ds}", {}),
        ("GET", "/v1/jobs/job-{gen}", {}),
        ("GET", "/v1/generations/{gen}", {}),
        ("DELETE", "/v1/generations/{gen}", {}),
    ]
    unknown = {"ds": "ds-" + "0" * 24, "gen": "gen-" + "0" * 24}
    async with world.client("globex") as other:
        for method, path, options in calls:
            theirs = await other.request(method, path.format(ds=ready, gen=generation), **options)
            nobodys = await other.request(method, path.format(**unknown), **options)
            assert theirs.status_code == nobodys.status_code == 404
            first, second = theirs.json(), nobodys.json()
            assert first.pop("request_id") != second.pop("request_id")
            assert first == second
    assert await world.cluster.get(GENERATION_JOBS, generation, "tenant-acme")


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    "name", ["..", "x/y", "%2e%2e", "A", "a" * 64, "ds-%00", "%2F..%2Fsecrets"]
)
async def test_malformed_id_is_404(http: httpx2.AsyncClient, name: str) -> None:
    for path in (
        f"/v1/datasets/{name}/schema",
        f"/v1/generations/{name}",
        f"/v1/jobs/job-{name}",
        f"/v1/jobs/{name}",
    ):
        assert (await http.get(path)).status_code == 404
