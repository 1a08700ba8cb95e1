"""Jobs: lists and cursors, Prefer: wait, events, cancellation."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import httpx2
import pyarrow as pa
import pytest

from simulacra_api.jobs import waiting
from simulacra_crds.kinds.base import LABEL_DATASET
from simulacra_crds.kube.client import DATASETS, EFFECT_ESTIMATES, GENERATION_JOBS, MODELS
from simulacra_crds.names import model_name

ROWS = pa.table({"segment": ["loyal"] * 10})
CSV = b"segment,price\nloyal,1\nloyal,2\n"


async def _generation(
    http: httpx2.AsyncClient, dataset: str, key: str, **headers: str
) -> httpx2.Response:
    given = {"Idempotency-Key": key} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return await http.post(
        f"/v1/datasets/{dataset}/generations", json={"row_count": 10}, headers=given
    )


async def _all_pages(http: httpx2.AsyncClient, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    url: str | None = path
    while url:
        answer = await http.get(url)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        assert ("next" in answer.links) == (answer.json()["next_cursor"] is not None)
        url = answer.links.get("next", {}).get("url")
    return items


async def test_cursor_visits_every_item_once(
    http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    made = [
        (await _generation(http, ready, f"{key}-{i}")).json()["generation_id"] for i in range(5)
    ]
    path = f"/v1/generations?dataset_id={ready}&limit=2"
    items = await _all_pages(http, path)
    assert {item["generation_id"] for item in items} == set(made)
    assert len(items) == 5
    places = [(item["created_at"], item["generation_id"]) for item in items]
    assert places == sorted(places, reverse=True)


async def test_cursor_stays_valid_while_items_change(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    for i in range(4):
        await _generation(http, ready, f"{key}-{i}")
    first = (await http.get(f"/v1/generations?dataset_id={ready}&limit=2")).json()
    last_shown = first["items"][-1]["generation_id"]
    erased = asyncio.gather(acme.erase(GENERATION_JOBS, last_shown))
    await http.delete(f"/v1/generations/{last_shown}")
    await erased
    await _generation(http, ready, f"{key}-new")
    rest = await _all_pages(
        http, f"/v1/generations?dataset_id={ready}&limit=2&cursor={first['next_cursor']}"
    )
    seen = {item["generation_id"] for item in first["items"] + rest}
    assert len(first["items"] + rest) == len(seen) >= 4


async def test_job_says_that_nothing_works_on_it(
    http: httpx2.AsyncClient, uploaded: str, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reasons() -> set[str | None]:
        paths = (f"/v1/jobs/job-{uploaded}", f"/v1/datasets/{uploaded}")
        single = {(await http.get(path)).json()["waiting_reason"] for path in paths}
        lists = (f"/v1/jobs?dataset_id={uploaded}", "/v1/datasets")
        items = [one for path in lists for one in (await http.get(path)).json()["items"]]
        listed = [one["waiting_reason"] for one in items if one["dataset_id"] == uploaded]
        assert len(listed) == 2
        return {*single, *listed}

    assert await reasons() == {None}, "the operator has a minute for a new resource"
    monkeypatch.setattr(waiting, "UNSEEN", timedelta(seconds=-1))
    (absent,) = await reasons()
    assert absent is not None
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d UTC: the operator .* is away", absent)
    await acme.status(DATASETS, uploaded, **_pending("AwaitingQuota"))
    (full,) = await reasons()
    assert full is not None
    assert full.startswith("The quota of concurrent jobs")
    await acme.status(DATASETS, uploaded, **_pending("CustodyUnavailable"))
    (broken,) = await reasons()
    assert broken is not None
    assert "do not answer" in broken
    await acme.status(DATASETS, uploaded, **_pending("AwaitingConfirmation") | {"phase": "Held"})
    assert await reasons() == {None}, "it waits for a person, as its status says"
    await acme.prepare(uploaded)
    await acme.status(MODELS, model_name(uploaded), **_pending("AwaitingQuota"))
    assert await reasons() == {full}, "now its model waits"
    await acme.fit(uploaded)
    assert await reasons() == {None}


def _pending(reason: str) -> dict[str, Any]:
    now = "2026-01-01T00:00:00Z"
    ready = {"type": "Ready", "status": "False", "reason": reason, "lastTransitionTime": now}
    return {"phase": "Pending", "conditions": [ready]}


@pytest.mark.one_case_real
@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/generations", "/v1/jobs", "/v1/effects"])
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("cursor=nothing", "/cursor"),
        ("cursor=1.a.b.c", "/cursor"),
        ("cursor=1.A", "/cursor"),
        ("status=done", "/status"),
        ("color=blue", "/color"),
    ],
)
async def test_wrong_query_parameter_is_named(
    http: httpx2.AsyncClient, path: str, query: str, pointer: str
) -> None:
    answer = await http.get(f"{path}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_lists_are_filtered_by_dataset_status_and_kind(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    queued = (await _generation(http, ready, key)).json()
    done = (await _generation(http, ready, key + "2")).json()
    await acme.generate(done["generation_id"], [ROWS])
    found = await _all_pages(http, f"/v1/generations?dataset_id={ready}&status=ready")
    assert [item["generation_id"] for item in found] == [done["generation_id"]]
    jobs = await _all_pages(http, f"/v1/jobs?dataset_id={ready}")
    expected = {
        (f"job-{ready}", "dataset"),
        (queued["job_id"], "generation"),
        (done["job_id"], "generation"),
    }
    assert {(job["job_id"], job["kind"]) for job in jobs} == expected
    jobs = await _all_pages(http, f"/v1/jobs?dataset_id={ready}&kind=generation&status=queued")
    assert [job["job_id"] for job in jobs] == [queued["job_id"]]
    datasets = await _all_pages(http, "/v1/datasets?status=ready&limit=100")
    assert ready in {item["dataset_id"] for item in datasets}
    assert ready not in {
        item["dataset_id"] for item in await _all_pages(http, "/v1/datasets?status=failed")
    }
    async with world.client("globex") as other:
        for path in ("/v1/jobs", "/v1/generations", "/v1/effects"):
            assert ready not in (await other.get(path)).text


async def test_poll_waits_until_the_job_has_ended(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    made = (await _generation(http, ready, key)).json()
    short = await http.get(f"/v1/jobs/{made['job_id']}", headers={"Prefer": "wait=1"})
    assert (short.json()["status"], short.headers["preference-applied"]) == ("queued", "wait=1")
    assert short.headers["retry-after"] == "2"
    poll = asyncio.create_task(
        http.get(f"/v1/jobs/{made['job_id']}", headers={"Prefer": 'respond-async, wait="15"'})
    )
    await asyncio.sleep(0.3)
    assert not poll.done()
    await acme.generate(made["generation_id"], [ROWS])
    assert (await poll).json()["status"] == "ready"
    assert "retry-after" not in (await poll).headers


@pytest.mark.parametrize("prefer", ["wait", "wait=-1", "wait=x", "return=minimal", "await=5", ""])
async def test_unknown_preference_is_ignored(
    http: httpx2.AsyncClient, uploaded: str, prefer: str
) -> None:
    answer = await asyncio.wait_for(
        http.get(f"/v1/jobs/job-{uploaded}", headers={"Prefer": prefer}), 2
    )
    assert "preference-applied" not in answer.headers


async def test_job_that_ends_within_the_wait_is_a_201(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    asked = asyncio.create_task(_generation(http, ready, key, Prefer="wait=15"))
    while not (
        found := [
            g async for g in world.cluster.list(GENERATION_JOBS, "tenant-acme") if _of(g, ready)
        ]
    ):
        await asyncio.sleep(0.05)
    name = found[0]["metadata"]["name"]
    await acme.generate(name, [ROWS], phase="Partial")
    answer = await asked
    assert (answer.status_code, answer.json()["status"]) == (201, "partial")
    assert answer.headers["location"] == f"{world.url}/v1/generations/{name}"
    late = await _generation(http, ready, key + "2", Prefer="wait=1")
    assert (late.status_code, late.json()["status"]) == (202, "queued")


async def test_upload_that_fails_within_the_wait_gives_the_reason(
    world: Any, http: httpx2.AsyncClient, key: str, acme: Any
) -> None:
    headers = {"Idempotency-Key": key, "Prefer": "wait=15"}
    posted = asyncio.create_task(
        http.post("/v1/datasets", files={"file": ("t.csv", CSV)}, headers=headers)
    )
    from simulacra_crds.names import dataset_name

    name = dataset_name("acme", key)
    while (
        not ((await world.cluster.find(DATASETS, name, "tenant-acme")) or {})
        .get("spec", {})
        .get("source", {})
        .get("sha256")
    ):
        await asyncio.sleep(0.05)
    await acme.fail(DATASETS, name, "UploadInvalid", "two columns are called price", "/columns/1")
    body = (await posted).json()
    assert (body["status"], body["error"]["code"]) == ("failed", "simio_upload_invalid")
    failed = (await http.get("/v1/datasets?status=failed")).json()["items"]
    listed = [one for one in failed if one["dataset_id"] == name]  # other tests have failed ones
    assert len(listed) == 1
    for shown in (*listed, (await http.get(f"/v1/datasets/{name}")).json()):
        assert shown["error"]["detail"] == "two columns are called price"


def _of(generation: dict[str, Any], dataset: str) -> bool:
    return bool(generation["metadata"]["labels"]["simulacra.dev/dataset"] == dataset)


async def test_events_report_each_change_and_the_end(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    made = (await _generation(http, ready, key)).json()
    seen: list[tuple[str, dict[str, Any]]] = []
    async with http.stream("GET", f"/v1/jobs/{made['job_id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        name = ""
        async for line in stream.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                seen.append((name, json.loads(value)))
                if len(seen) == 1:
                    await acme.progress(GENERATION_JOBS, made["generation_id"], 40, 3)
                if len(seen) == 2:
                    await acme.generate(made["generation_id"], [ROWS])
    assert [(event, job["status"], job["progress_percent"]) for event, job in seen] == [
        ("progress", "queued", 0),
        ("progress", "running", 40),
        ("end", "ready", 100),
    ]


async def test_events_end_when_the_job_is_deleted(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    made = (await _generation(http, ready, key)).json()
    async with http.stream("GET", f"/v1/jobs/{made['job_id']}/events") as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        erased = asyncio.gather(acme.erase(GENERATION_JOBS, made["generation_id"]))
        await http.delete(f"/v1/generations/{made['generation_id']}")
        await erased
        assert "event: gone" in [line async for line in lines]
    assert (await http.get("/v1/jobs/job-gen-none/events")).status_code == 404


async def test_cancelled_generation_stays_failed(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    made = (await _generation(http, ready, key)).json()
    await acme.progress(GENERATION_JOBS, made["generation_id"], 40, 3)
    for _ in range(2):  # repeating it is no error
        answer = await http.post(f"/v1/jobs/{made['job_id']}/cancel")
        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["error"]["code"]) == (
            "failed",
            "simio_cancelled",
        )
    found = await world.cluster.get(GENERATION_JOBS, made["generation_id"], "tenant-acme")
    assert found["spec"]["suspend"] is True
    await acme.generate(made["generation_id"], [ROWS])  # the Job ended first
    assert (await http.get(f"/v1/generations/{made['generation_id']}")).json()["status"] == "failed"
    assert (await _generation(http, ready, key)).json()["generation_id"] == made["generation_id"]
    uid = found["metadata"]["uid"]
    assert [
        line
        for line in world.audit_text().splitlines()
        if uid in line and "resource.cancelled" in line
    ]


async def test_finished_job_cannot_be_cancelled(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    made = (await _generation(http, ready, key)).json()
    await acme.generate(made["generation_id"], [ROWS])
    for job in (made["job_id"], f"job-{ready}"):
        answer = await http.post(f"/v1/jobs/{job}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "simio_job_finished")
    assert (await http.post("/v1/jobs/job-gen-none/cancel")).json()["code"] == "simio_job_not_found"


async def test_listed_job_of_a_name_given_with_kubectl_is_answered(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    model = {"modelRef": {"name": model_name(ready)}}
    asked = {"treatment": "price", "value": {"number": 2}, "baseline": {"number": 1}}
    name = f"wave-{key.lower()[:20]}"
    for api, spec in (
        (GENERATION_JOBS, {**model, "rowCount": 5}),
        (EFFECT_ESTIMATES, {**model, **asked, "outcome": "segment"}),
    ):
        body = {"apiVersion": api.api_version, "kind": api.kind, "metadata": {"name": name}}
        await world.cluster.create(api, {**body, "spec": spec}, "tenant-acme")
    listed = [one for one in await _all_pages(http, "/v1/jobs") if name in one["job_id"]]
    assert sorted(one["job_id"] for one in listed) == [f"job-eff.{name}", f"job-gen.{name}"]
    for one in listed:
        answer = await http.get(f"/v1/jobs/{one['job_id']}")
        assert (answer.status_code, answer.json()["kind"]) == (200, one["kind"])
        cancelled = await http.post(f"/v1/jobs/{one['job_id']}/cancel")
        assert cancelled.json()["error"]["code"] == "simio_cancelled"
    found = await http.get(f"/v1/generations/{name}")
    assert found.json()["job_id"] == f"job-gen.{name}"
    plain = await http.get(f"/v1/jobs/job-{name}")
    assert (plain.status_code, plain.json()["code"]) == (404, "simio_job_not_found")
    assert f"use job-gen.{name} or job-eff.{name}." in plain.json()["detail"]


async def test_result_of_a_model_named_with_kubectl_names_its_dataset(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    name = f"wave-{key.lower()[:20]}"
    labels = {LABEL_DATASET: ready}  # which the operator adds
    body = {"kind": GENERATION_JOBS.kind, "metadata": {"name": name, "labels": labels}}
    body |= {"apiVersion": GENERATION_JOBS.api_version}
    body |= {"spec": {"modelRef": {"name": "second-model"}, "rowCount": 5}}
    await world.cluster.create(GENERATION_JOBS, body, "tenant-acme")
    assert (await http.get(f"/v1/generations/{name}")).json()["dataset_id"] == ready
    assert (await http.get(f"/v1/jobs/job-gen.{name}")).json()["dataset_id"] == ready
    listed = await _all_pages(http, f"/v1/generations?dataset_id={ready}")
    assert name in [one["generation_id"] for one in listed]


@pytest.mark.parametrize("prepared", [False, True])
async def test_dataset_job_is_cancelled_in_its_current_stage(
    world: Any, http: httpx2.AsyncClient, uploaded: str, key: str, acme: Any, prepared: bool
) -> None:
    if prepared:
        await acme.prepare(uploaded)
    answer = await http.post(f"/v1/jobs/job-{uploaded}/cancel")
    assert (answer.json()["status"], answer.json()["error"]["code"]) == (
        "failed",
        "simio_cancelled",
    )
    dataset = await world.cluster.get(DATASETS, uploaded, "tenant-acme")
    model = await world.cluster.get(MODELS, model_name(uploaded), "tenant-acme")
    assert (dataset["spec"].get("suspend", False), model["spec"].get("suspend", False)) == (
        not prepared,
        prepared,
    )
    refused = await _generation(http, uploaded, key)
    assert (refused.status_code, refused.json()["code"]) == (409, "simio_cancelled")
    assert (await http.post(f"/v1/jobs/job-{uploaded}/cancel")).status_code == 200


async def test_job_of_another_tenant_cannot_be_cancelled(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    made = (await _generation(http, ready, key)).json()
    async with world.client("globex") as other:
        assert (await other.post(f"/v1/jobs/{made['job_id']}/cancel")).status_code == 404
    assert (await http.get(f"/v1/jobs/{made['job_id']}")).json()["status"] == "queued"


async def test_download_of_a_cancelled_generation_is_refused(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    made = (await _generation(http, ready, key)).json()
    await acme.generate(made["generation_id"], [ROWS], phase="Running")
    await acme.status(GENERATION_JOBS, made["generation_id"], phase="Ready")
    url = (await http.get(f"/v1/generations/{made['generation_id']}")).json()["artifact_url"]
    await acme.status(GENERATION_JOBS, made["generation_id"], phase="Running")
    await http.post(f"/v1/jobs/{made['job_id']}/cancel")
    refused = await http.get(url)
    assert (refused.status_code, refused.json()["code"]) == (409, "simio_cancelled")


async def test_effect_job_can_be_cancelled(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    body = {
        "treatment": "price",
        "value": 9,
        "baseline": 5,
        "outcome": "segment",
        "outcome_level": "loyal",
    }
    made = await http.post(
        f"/v1/datasets/{ready}/effects", json=body, headers={"Idempotency-Key": key}
    )
    answer = await http.post(f"/v1/jobs/{made.json()['job_id']}/cancel")
    assert answer.json()["error"]["code"] == "simio_cancelled"
    found = await world.cluster.get(EFFECT_ESTIMATES, made.json()["effect_id"], "tenant-acme")
    assert found["spec"]["suspend"] is True
