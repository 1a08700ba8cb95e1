"""Limits of a tenant: rate limit over several processes, jobs, daily rows, stored bytes; usage."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from proofs import KEYS
from simulacra_api.auth import tenant_lookup
from simulacra_api.http.problems import Problem
from simulacra_api.quotas import quota_usage, rate_limit
from simulacra_api.quotas.quota_usage import Consumption
from simulacra_api.quotas.rate_limit import Rates
from simulacra_api.uploads import upload_lease
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kinds.tenant import Quotas
from simulacra_crds.kube.client import CONFIGMAPS, DATASETS, GENERATION_JOBS, TENANTS
from simulacra_crds.names import AUDIT_CHECK, dataset_name, system_namespace
from simulacra_crds.tombstone import Tombstone, manifest
from simulacra_custody.audit.check import CheckState

CSV = b"segment,price\n" + b"loyal,5.5\n" * 100
TABLE_BYTES = len(CSV)
SEGMENT: dict[str, Any] = {"segment": [{"column": "segment"}], "questions": ["price"]}


@asynccontextmanager
async def _quotas(
    world: Any, tenant: str, retention: int | None = None, **quotas: int
) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client of a tenant while the tenant has these quotas and this longest retention."""
    before = (await world.cluster.get(TENANTS, tenant))["spec"].get("quotas", {})
    spec = {"quotas": quotas, "maxRetentionSeconds": retention}
    async with world.client(tenant) as http:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tenant_lookup, "CACHE_SECONDS", -1.0)  # each request reads the Tenants
            await world.cluster.patch(TENANTS, tenant, {"spec": spec})
            try:
                yield http
            finally:
                kept = {name: before.get(name) for name in quotas}
                spec = {"quotas": kept, "maxRetentionSeconds": None}
                await world.cluster.patch(TENANTS, tenant, {"spec": spec})
                await http.get("/v1/usage")


async def _upload(http: httpx2.AsyncClient, key: str, content: bytes = CSV) -> httpx2.Response:
    return await http.post(
        "/v1/datasets", files={"file": ("t.csv", content)}, headers={"Idempotency-Key": key}
    )


async def test_every_answer_has_rate_limit_headers(http: httpx2.AsyncClient) -> None:
    first = await http.get("/v1/usage")
    second = await http.get("/v1/datasets/ds-none")
    for answer in (first, second):
        assert answer.headers["ratelimit-policy"] == '"requests";q=60000;w=60'
        name, remaining, reset = answer.headers["ratelimit"].split(";")
        assert name == '"requests"'
        assert 0 < int(remaining.removeprefix("r=")) < 60_000
        assert 0 < int(reset.removeprefix("t=")) <= 60


async def test_request_above_the_rate_limit_is_429_with_retry_after(world: Any) -> None:
    while int(time.time()) % 60 > 45:  # all within one minute
        await asyncio.sleep(0.5)
    async with world.client("globex") as http:
        used = (await http.get("/v1/usage")).json()["requests"]["used"]
    async with _quotas(world, "globex", requestsPerMinute=used + 5) as http:
        answers = [await http.get("/v1/jobs/job-ds-none") for _ in range(10)]
        codes = [answer.status_code for answer in answers]
        assert codes[-5:] == [429] * 5
        assert 404 in codes
        refused = answers[-1]
        assert refused.json()["code"] == "simio_rate_limited"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert '"requests";r=0;' in refused.headers["ratelimit"]
        async with world.client("acme") as other:  # other tenants are not affected
            assert (await other.get("/v1/jobs/job-ds-none")).status_code == 404


async def test_processes_share_a_rate_limit_within_the_stated_error(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(time=lambda: 1_000_000.0)  # one window
    monkeypatch.setattr(rate_limit, "time", clock)
    limit, processes = 200, [Rates(world.cluster) for _ in range(3)]
    passed = 0
    for _ in range(30):  # per second: ten requests to each process, then a sync
        for process in processes:
            passed += sum(process.take("initech", limit).used <= limit for _ in range(10))
        await asyncio.gather(*(process.sync() for process in processes))
    assert limit <= passed <= limit + 2 * (limit // 10 + 10)
    assert all(process.used("initech") >= limit for process in processes)
    clock.time = lambda: 1_000_060.0  # the next window
    assert processes[0].take("initech", limit).used == 1
    names = {process._name for process in processes}
    assert names <= await _config_maps(world)
    await processes[0].close()
    clock.time = lambda: 1_000_000.0 + 62 * 60  # the others were killed an hour ago
    late = Rates(world.cluster)
    for _ in range(20):
        late.take("initech", limit)
    await late.sync()
    await late.close()
    assert not {*names, late._name} & await _config_maps(world)


async def _config_maps(world: Any) -> set[str]:
    return {
        one["metadata"]["name"] async for one in world.cluster.list(CONFIGMAPS, "simulacra-system")
    }


async def test_process_far_below_the_limit_writes_nothing(world: Any) -> None:
    quiet = Rates(world.cluster)
    for _ in range(9):
        quiet.take("initech", 100)
    await quiet.sync()
    assert await world.cluster.find(CONFIGMAPS, quiet._name, "simulacra-system") is None


async def test_daily_rows_count_deleted_generations_and_a_tenant_limits_the_retention(
    world: Any, acme: Any, ready: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota_usage, "FRESH_SECONDS", 0.0)
    path = f"/v1/datasets/{ready}/generations"
    async with world.client("acme") as http:
        used = (await http.get("/v1/usage")).json()["rows"]["used"]
    async with _quotas(world, "acme", retention=90_000, rowsPerDay=used + 100) as http:
        for asked, body in (("generations", {"row_count": 1}), ("segments", SEGMENT)):
            refused = await http.post(
                f"/v1/datasets/{ready}/{asked}",
                json=body | {"retention_seconds": 90_001},
                headers={"Idempotency-Key": key + asked},
            )
            assert refused.json()["errors"][0]["pointer"] == "/retention_seconds"
        first = await http.post(path, json={"row_count": 60}, headers={"Idempotency-Key": key})
        assert first.status_code == 202, first.text
        refused = await http.post(
            path, json={"row_count": 60}, headers={"Idempotency-Key": key + "2"}
        )
        assert (refused.status_code, refused.json()["code"]) == (402, "simio_quota_exceeded")
        assert "/row_count: 40 of" in refused.json()["detail"]
        assert 0 < int(refused.headers["retry-after"]) <= 86_400
        replay = await http.post(path, json={"row_count": 60}, headers={"Idempotency-Key": key})
        assert replay.json() == first.json()
        name = first.json()["generation_id"]
        await world.cluster.delete(GENERATION_JOBS, name, "tenant-acme")
        await acme.erase(GENERATION_JOBS, name)
        left = Tombstone(request="a" * 64, rows=60, seed=1, created=utcnow())
        await world.cluster.create(CONFIGMAPS, manifest(name, "tenant-acme", left), "tenant-acme")
        again = await http.post(
            path, json={"row_count": 60}, headers={"Idempotency-Key": key + "3"}
        )
        assert again.status_code == 402


async def test_full_storage_quota_refuses_a_new_upload(
    world: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota_usage, "FRESH_SECONDS", 0.0)
    async with world.client("globex") as http:
        used = (await http.get("/v1/usage")).json()["stored_bytes"]["used"]
    async with _quotas(world, "globex", storedBytes=used + TABLE_BYTES + 10) as http:
        first = await _upload(http, key)
        assert first.status_code == 202, first.text
        second = await _upload(http, key + "2")
        assert (second.status_code, second.json()["code"]) == (402, "simio_quota_exceeded")
        assert (await _upload(http, key)).json() == first.json()
        names = [
            one["spec"]["source"] async for one in world.cluster.list(DATASETS, "tenant-globex")
        ]
        assert all("sha256" in source for source in names) or len(names) > 1


async def test_concurrent_requests_keep_the_quotas(world: Any, ready: str, key: str) -> None:
    """Each of several concurrent requests counts the ones before it."""
    async with world.client("globex") as http:
        bytes_used = (await http.get("/v1/usage")).json()["stored_bytes"]["used"]
    async with world.client("acme") as http:
        rows_used = (await http.get("/v1/usage")).json()["rows"]["used"]
    async with (
        _quotas(world, "globex", storedBytes=bytes_used + 2500) as globex,
        _quotas(world, "acme", rowsPerDay=rows_used + 250) as acme,
    ):
        for http in (globex, acme):
            await http.get("/v1/usage")  # reads what is used now
        begun = await asyncio.gather(
            *(
                globex.post(
                    "/v1/uploads", json={"bytes": 1000}, headers={"Idempotency-Key": f"{key}{turn}"}
                )
                for turn in range(6)
            )
        )
        path, body = f"/v1/datasets/{ready}/generations", {"row_count": 100}
        asked = await asyncio.gather(
            *(
                acme.post(path, json=body, headers={"Idempotency-Key": f"{key}{turn}"})
                for turn in range(6)
            )
        )
    assert sorted(answer.status_code for answer in begun) == [201] * 2 + [402] * 4
    assert sorted(answer.status_code for answer in asked) == [202] * 2 + [402] * 4


async def test_arriving_upload_counts_as_stored_and_can_be_retried(
    world: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota_usage, "FRESH_SECONDS", 0.0)
    table = CSV + b"loyal,5.5\n" * 1000
    form = httpx2.Request("POST", "http://any", files={"file": ("t.csv", table)})
    body, go_on = form.read(), asyncio.Event()
    headers = {
        "Content-Type": form.headers["content-type"],
        "Idempotency-Key": key,
        "Content-Length": str(len(body)),
    }
    name = dataset_name("globex", key)

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:-100]
        await go_on.wait()
        yield body[-100:]

    async with world.client("globex") as http:
        used = (await http.get("/v1/usage")).json()["stored_bytes"]["used"]
    async with _quotas(world, "globex", storedBytes=used + len(body) + len(table) // 2) as http:
        first = asyncio.create_task(http.post("/v1/datasets", content=slowly(), headers=headers))
        while await world.cluster.find(DATASETS, name, "tenant-globex") is None:
            await asyncio.sleep(0.02)
        assert (await http.get("/v1/usage")).json()["stored_bytes"]["used"] == used + len(body)
        second = await _upload(http, key + "2", table)
        assert (second.status_code, second.json()["code"]) == (402, "simio_quota_exceeded")
        await asyncio.wait_for(
            world.stand_in("globex").erase(DATASETS, dataset_name("globex", key + "2")), 20
        )
        # as if the first request's process had died
        lease = {upload_lease.ANNOTATION: "0123456789abcdef 2026-01-01T00:00:00+00:00"}
        stale = {"metadata": {"annotations": lease}}
        await world.cluster.patch(DATASETS, name, stale, "tenant-globex")
        again = await _upload(http, key, table)
        assert again.status_code == 202, again.text
        assert (await http.get("/v1/usage")).json()["stored_bytes"]["used"] == used + len(table)
        go_on.set()
        assert (await first).json()["code"] == "simio_idempotency_in_flight"


async def test_too_many_unfinished_jobs_refuse_a_new_upload(
    world: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota_usage, "FRESH_SECONDS", 0.0)
    async with world.client("tiny") as http:
        first = await _upload(http, key)
        assert first.status_code == 202
        unfinished = (await http.get("/v1/usage")).json()["unfinished_jobs"]["used"]
        assert unfinished >= 2  # the dataset and its model
        monkeypatch.setattr(quota_usage, "QUEUED_JOBS", unfinished - 4)
        refused = await _upload(http, key + "2")
        assert (refused.status_code, refused.json()["code"]) == (429, "simio_too_many_jobs")
        assert refused.headers["retry-after"] == "10"
        assert (await _upload(http, key)).json() == first.json()


def test_retry_after_says_when_the_rows_fit() -> None:
    now = datetime.now(UTC)
    used = Consumption(rows=[(now - timedelta(hours=23), 50), (now - timedelta(hours=1), 50)])
    used.rows.append((now - timedelta(hours=25), 1000))
    with pytest.raises(Problem) as soon:
        used.check_rows(Quotas(rows_per_day=100), 50)
    assert 3590 <= int(soon.value.headers["Retry-After"]) <= 3600
    with pytest.raises(Problem) as late:
        used.check_rows(Quotas(rows_per_day=100), 51)
    assert int(late.value.headers["Retry-After"]) > 80_000
    with pytest.raises(Problem) as never:
        used.check_rows(Quotas(rows_per_day=100), 101)
    assert "Retry-After" not in never.value.headers
    used.check_rows(Quotas(rows_per_day=150), 50)


def test_a_completion_counts_the_rows_that_it_made() -> None:
    used, now = Consumption(), utcnow()
    created = {"metadata": {"creationTimestamp": now.isoformat()}}
    for spec, status in (({"given": {}}, {"rows": 45}), ({"given": {}}, {}), ({"rowCount": 7}, {})):
        used.add(GENERATION_JOBS, {**created, "spec": spec, "status": status})
    assert [count for _, count in used.rows] == [45, 0, 7]
    assert used.rows_of_day(now) == 52


async def test_usage_counts_present_resources(
    world: Any, http: httpx2.AsyncClient, ready: str
) -> None:
    body = (await http.get("/v1/usage")).json()
    assert body["datasets"] >= 1
    assert body["requests"]["limit"] == 60_000
    assert body["requests"]["used"] >= 1
    assert body["rows"]["window_seconds"] == 86_400
    assert body["running_jobs"]["limit"] == 1000


async def test_audit_events_of_a_tenant_are_paged_newest_first(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    for turn in range(4):
        await _upload(http, f"{key}{turn}")
    async with world.client("globex") as other:
        await _upload(other, "audit-of-globex")
        theirs = (await other.get("/v1/audit-events?limit=100")).json()["items"]
    seen: list[dict[str, Any]] = []
    path: str | None = "/v1/audit-events?limit=3"
    for _ in range(500):
        answer = await http.get(path)
        assert answer.status_code == 200, answer.text
        seen += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            assert "link" not in answer.headers
            break
        path = answer.links["next"]["url"].removeprefix(world.url)
    ids = [one["id"] for one in seen]
    assert len(ids) == len(set(ids)) > 3
    assert not {one["id"] for one in theirs} & set(ids)
    log = world.audit_text()  # its order, as the times of two writers may differ from it
    assert [log.index(one) for one in ids] == sorted(map(log.index, ids), reverse=True), (
        "newest first"
    )
    written = [json.loads(line) for line in world.audit_text().splitlines() if '"type"' in line]
    assert set(ids) == {one["id"] for one in written if one["data"].get("tenant") == "acme"}
    only = (
        await http.get("/v1/audit-events?type=dev.simulacra.artefact.written&limit=100")
    ).json()["items"]
    assert only
    assert {one["type"] for one in only} == {"dev.simulacra.artefact.written"}
    assert {"kind", "uid", "client", "sha256", "request_id"} <= set(only[0])


async def test_audit_events_are_followed_oldest_first_in_ocsf(
    world: Any, http: httpx2.AsyncClient, ready: str
) -> None:
    newest = (await http.get("/v1/audit-events?limit=100")).json()["items"]
    path, seen, page = "/v1/audit-events?order=oldest&format=ocsf&limit=3", [], {}
    for _ in range(500):
        page = (await http.get(path)).json()
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        assert page["next_cursor"] == page["resume_cursor"]
        path = f"/v1/audit-events?order=oldest&format=ocsf&limit=3&cursor={page['next_cursor']}"
    assert [one["metadata"]["uid"] for one in seen[: -len(newest) - 1 : -1]] == [
        one["id"] for one in newest
    ]
    assert {(one["class_uid"], one["metadata"]["tenant_uid"]) for one in seen} == {(6003, "acme")}
    assert page["resume_cursor"] is not None
    follow = f"/v1/audit-events?order=oldest&cursor={page['resume_cursor']}"
    nothing = (await http.get(follow)).json()
    assert (nothing["items"], nothing["next_cursor"]) == ([], None)
    await _upload(http, "audit-followed")
    added = (await http.get(follow)).json()
    assert added["items"]
    assert not {one["id"] for one in added["items"]} & {one["metadata"]["uid"] for one in seen}
    assert (added["events_skipped"], added["integrity"]["kept_days"]) == (False, 400)
    assert added["integrity"].get("pruned_until") is None


async def test_audit_events_say_whether_the_log_is_intact(
    world: Any, http: httpx2.AsyncClient
) -> None:
    async def integrity() -> dict[str, Any]:
        answer = await http.get("/v1/audit-events?limit=1")
        assert answer.status_code == 200
        return dict(answer.json()["integrity"])

    kept = {"kept_days": 400, "pruned_until": None}
    nothing = {"status": "unchecked", "checked_events": None, "checked_at": None, **kept}
    assert await integrity() == nothing
    checked = CheckState(events=7, ended=datetime(2026, 3, 1, 12, tzinfo=UTC))
    known = {"checked_events": 7, "checked_at": "2026-03-01T12:00:00Z", **kept}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": AUDIT_CHECK}}
    system = system_namespace()
    await world.cluster.create(CONFIGMAPS, body, system)
    try:
        for state, status in (
            (checked, "intact"),
            (checked.model_copy(update={"corrupt": "segment 3 is missing"}), "corrupt"),
        ):
            data = {"check": state.seal(KEYS.log_name, KEYS.checkpoint)}
            await world.cluster.patch(CONFIGMAPS, AUDIT_CHECK, {"data": data}, system)
            assert await integrity() == known | {"status": status}
        await world.cluster.patch(CONFIGMAPS, AUDIT_CHECK, {"data": {"check": "x"}}, system)
        assert await integrity() == nothing
    finally:
        await world.cluster.delete(CONFIGMAPS, AUDIT_CHECK, system)


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=YXVkaXR8LTE", "limit=0", "limit=101", "type=nothing", "what=1"]
)
async def test_wrong_query_of_audit_events_is_named(http: httpx2.AsyncClient, query: str) -> None:
    answer = await http.get(f"/v1/audit-events?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")
    assert query.partition("=")[0] in answer.json()["errors"][0]["pointer"]
