"""Support access over REST: who has it, what it reads, when it ends, and what is on record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from simulacra_api.auth import tenant_lookup
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kinds.support_access import SupportAccess
from simulacra_crds.kube.client import TENANTS
from simulacra_crds.names import support_id

REASON = "A fit of today fails."
NOW = utcnow().replace(microsecond=0)
HOUR = timedelta(hours=1)


def token_of(name: str) -> str:
    return f"sim_support_{name}"


def access(name: str, **fields: Any) -> SupportAccess:
    """Return an open access, or with `fields` another."""
    digest = hashlib.sha256(token_of(name).encode()).hexdigest()
    made = {"id": name, "person": "Kim@example.com", "reason": REASON, "hours": 2}
    made |= {"opened_at": NOW - HOUR, "ends_at": NOW + HOUR, "recorded": True}
    return SupportAccess.model_validate({**made, "token_sha256": digest, **fields})


@asynccontextmanager
async def opened(world: Any, *made: SupportAccess, tenant: str = "acme") -> AsyncIterator[None]:
    """Have these in a Tenant's status, as the operator leaves them there."""
    for entries in (made, ()):
        patch = {"status": {"supportAccess": [one.to_wire() for one in entries]}}
        await world.cluster.patch(TENANTS, tenant, patch, subresource="status")
        if entries:
            yield


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the Tenants at each request."""
    monkeypatch.setattr(tenant_lookup, "CACHE_SECONDS", -1.0)
    monkeypatch.setattr(tenant_lookup, "UNKNOWN_SECONDS", -1.0)


async def ask(world: Any, name: str, path: str = "/v1/jobs") -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token_of(name)}"}
    async with httpx2.AsyncClient(base_url=world.url, headers=headers) as http:
        return await http.get(path)


def records(world: Any, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in world.audit_text().splitlines() if '"type"' in line]
    return [one["data"] for one in lines if one["data"].get("uid") == name]


async def test_support_reads_status_and_every_use_is_recorded(
    world: Any, http: httpx2.AsyncClient, ready: str
) -> None:
    one = access("sup-used")
    async with opened(world, one):
        jobs = await ask(world, one.id)
        assert ready in jobs.text
        refused = await ask(world, one.id, f"/v1/datasets/{ready}/schema")
        assert (refused.status_code, refused.json()["code"]) == (403, "simio_support_refused")
        shown = (await http.get(f"/v1/audit-events?support_id={one.id}")).json()["items"]
    written = [(each["operation"], each["outcome"]) for each in records(world, one.id)]
    assert written[-2:] == [("listJobs", "success"), ("getDatasetSchema", "refused")]
    assert [each["operation"] for each in shown[:2]] == ["getDatasetSchema", "listJobs"]
    assert {each["client"] for each in shown} == {one.subject}
    assert shown[0]["request_id"] == refused.headers["x-request-id"]
    assert "example.com" not in world.audit_text()
    assert REASON not in world.audit_text()


async def test_the_tenant_sees_who_has_access_and_why(world: Any, http: httpx2.AsyncClient) -> None:
    past = access("sup-past", ended_at=NOW - HOUR / 2)
    due = access("sup-due", ends_at=NOW - HOUR / 2)
    async with opened(world, past, due, access("sup-open")):
        items = (await http.get("/v1/support-access")).json()["items"]
        async with world.client("globex") as other:
            assert (await other.get("/v1/support-access")).json() == {"items": []}
    stated = [(one["support_access_id"], one["status"]) for one in items]
    assert stated == [("sup-open", "open"), ("sup-due", "ended"), ("sup-past", "ended")]
    assert (items[0]["person"], items[0]["reason"]) == ("Kim@example.com", REASON)
    assert items[0]["client"].startswith("support:")
    assert "token" not in json.dumps(items)


@pytest.mark.parametrize(
    "fields",
    [
        {"ends_at": NOW - timedelta(seconds=1)},
        {"ended_at": NOW},
        {"ended_at": NOW, "recorded": False},
        {"recorded": False},
        {"token_sha256": "0" * 64},
    ],
    ids=["its time is over", "closed", "closed, not recorded yet", "not recorded", "another token"],
)
async def test_a_token_without_open_access_is_refused(world: Any, fields: Any) -> None:
    one = access("sup-refused", **fields)
    async with opened(world, one):
        answer = await ask(world, one.id)
    assert (answer.status_code, answer.json()["code"]) == (401, "simio_unauthenticated")
    assert "support access has ended or is unknown" in answer.json()["detail"].lower()
    assert records(world, one.id) == []


async def test_support_reads_a_suspended_tenant_and_no_other(world: Any, ready: str) -> None:
    one = access("sup-asleep")
    async with opened(world, one, tenant="asleep"):
        answer = await ask(world, one.id)
    assert answer.json() == {"items": [], "next_cursor": None}


async def test_nothing_is_answered_that_cannot_be_recorded(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulacra_custody.audit.log import SegmentedAuditLog
    from simulacra_custody.errors import AuditUnavailable

    def full(*_: Any) -> None:
        raise AuditUnavailable("the disk is full")

    async with opened(world, access("sup-full")):
        monkeypatch.setattr(SegmentedAuditLog, "append", full)
        answer = await ask(world, "sup-full")
    assert answer.status_code == 503


async def test_a_support_id_finds_the_records_of_a_resource_and_of_a_request(
    world: Any, http: httpx2.AsyncClient, ready: str
) -> None:
    job = (await http.get(f"/v1/jobs/job-{ready}")).json()
    listed = (await http.get("/v1/jobs?limit=100")).json()["items"]
    assert job["support_id"] in {one["support_id"] for one in listed}
    events = (await http.get("/v1/audit-events?limit=100&kind=")).json()
    assert events["code"] == "simio_invalid_field"
    extended = await http.patch(f"/v1/datasets/{ready}", json={"retention_seconds": 3600})
    request = extended.headers["x-request-id"]
    found = (await http.get(f"/v1/audit-events?support_id={request}")).json()["items"][-1]
    assert (found["type"], found["request_id"]) == ("dev.simulacra.resource.extended", request)
    same = (await http.get(f"/v1/audit-events?support_id={found['support_id']}")).json()["items"]
    assert found["id"] in {one["id"] for one in same}
    assert {one["uid"] for one in same} == {found["uid"]}
    assert found["support_id"] == support_id(found["uid"])
