"""A token of support access on every documented route: status and audit events, never data."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from api_world import World
from attack_requests import BODIES, ROUTES
from simulacra_api.tenancy.caller import SUPPORT_OPERATIONS
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kinds.support_access import SupportAccess
from simulacra_crds.kube.client import GENERATION_JOBS, TENANTS

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.embedded,
    pytest.mark.usefixtures("own_environment"),
]
TOKEN = "sim_support_" + "a" * 43
DATA = ("loyal", "price", "genz_switcher", "region")
"""Names and levels of the tenant's table."""


@pytest_asyncio.fixture(loop_scope="session")
async def support(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    now = utcnow()
    access = SupportAccess(
        id="sup-1",
        person="kim@example.com",
        reason="A fit fails.",
        hours=1,
        token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest(),
        opened_at=now,
        ends_at=now + timedelta(hours=1),
        recorded=True,
    )
    patch: dict[str, Any] = {"status": {"supportAccess": [access.to_wire()]}}
    await world.cluster.patch(TENANTS, "acme", patch, subresource="status")
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "support"}
    async with httpx2.AsyncClient(base_url=world.url, headers=headers, timeout=60) as http:
        while (await http.get("/v1/jobs")).status_code == 401:
            pass  # the list of Tenants is a moment old
        yield http
    patch = {"status": {"supportAccess": []}}
    await world.cluster.patch(TENANTS, "acme", patch, subresource="status")


async def test_support_access_reaches_only_its_operations(
    world: World, owned: dict[str, str], support: httpx2.AsyncClient
) -> None:
    document = (await support.get("/openapi.json")).json()["paths"]
    reached, refused = set(), 0
    for method, path in ROUTES:
        found = document[path][method]
        if not found.get("security"):
            continue  # a public route, which asks for no token
        answer = await support.request(
            method, path.format_map(owned), json=BODIES.get(path), headers={"Upload-Offset": "0"}
        )
        assert not any(word in answer.text for word in DATA), path
        if answer.is_success:
            reached.add(found["operationId"])
            continue
        refused += 1
        assert answer.status_code in (400, 403, 415), (path, answer.status_code)
        if answer.status_code == 403 and method != "head":
            assert answer.json()["code"] == "simio_support_refused"
    assert reached == SUPPORT_OPERATIONS
    assert refused > 40


async def test_a_failed_jobs_report_to_its_customer_is_not_shown_to_support(
    world: World, owned: dict[str, str], support: httpx2.AsyncClient
) -> None:
    async with world.client() as http:
        made = await http.post(
            f"/v1/datasets/{owned['dataset_id']}/generations",
            json={"row_count": 3},
            headers={"Idempotency-Key": "for-support"},
        )
        detail = "genz_switcher is too rare"
        generation = made.json()["generation_id"]
        await world.stand_in().fail(GENERATION_JOBS, generation, "ConditionsInfeasible", detail)
        job = f"/v1/jobs/{made.json()['job_id']}"
        assert (await http.get(job)).json()["error"]["detail"] == detail
    shown = (await support.get(job)).json()
    assert (shown["status"], shown["error"]["detail"]) == ("failed", "without data")
