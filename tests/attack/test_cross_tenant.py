"""Every route with an id, called with the ids of another tenant: the same as for unknown ids."""

from __future__ import annotations

import os
import random
import re
from typing import Any

import httpx2
import pytest

from api_world import World
from attack_requests import BODIES, ROUTES

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.embedded,
    pytest.mark.usefixtures("own_environment"),
]
PUBLIC = {"code", "request_id"}
"""Parameters that name nothing of a tenant, or carry their own proof."""
WITH_IDS = [
    (method, path)
    for method, path in ROUTES
    if (names := set(re.findall(r"\{(\w+)\}", path))) and not names & PUBLIC
]
LISTS = [
    "datasets",
    "generations",
    "effects",
    "segments",
    "sheets",
    "jobs",
    "webhooks",
    "erasure-certificates",
]
LISTS += ["audit-events"]

REQUESTS = int(os.environ.get("ATTACK_REQUESTS", "200"))
SPELLINGS = ["", "", "%20", "%00", "%2f", "%2f..", "/", "/.", "//", ";x", ".", "%c3%a9", "\u212a"]


def _unknown(value: str) -> str:
    """Return another id of the same form."""
    return value[:-4] + ("0000" if not value.endswith("0000") else "1111")


async def _told(http: httpx2.AsyncClient, method: str, url: str, path: str) -> dict[str, Any]:
    headers = {"Idempotency-Key": "cross-tenant", "Upload-Offset": "0"}
    if path == "/v1/uploads/{upload_id}":
        headers["Content-Type"] = "application/octet-stream"
    body = {"row_count": 1} if path.endswith("/probe") else BODIES.get(path)
    answer = await http.request(method, url, json=body, headers=headers)
    told = answer.json() if answer.content else {}
    named = {name: answer.headers[name] for name in answer.headers if name.startswith("content-t")}
    return {"status": answer.status_code, **named, **told, "request_id": ""}


@pytest.mark.parametrize(("method", "path"), WITH_IDS, ids=lambda value: value.replace("/", "."))
async def test_foreign_id_is_answered_like_an_unknown_one(
    world: World, owned: dict[str, str], method: str, path: str
) -> None:
    unknown = {name: _unknown(value) for name, value in owned.items()}
    query = ""
    if path.endswith("/artifact"):
        query = "?" + owned["artifact"].partition("?")[2]
    async with world.client("globex") as http:
        foreign = await _told(http, method.upper(), path.format_map(owned) + query, path)
        nothing = await _told(http, method.upper(), path.format_map(unknown) + query, path)
    # The detail may repeat the id that was asked for.
    texts = [str(sorted(one.items())) for one in (foreign, nothing)]
    for name, value in owned.items():
        texts = [text.replace(value, name).replace(unknown[name], name) for text in texts]
    assert texts[0] == texts[1]
    assert foreign["status"] in (403, 404)


async def test_no_mixed_request_reaches_another_tenant(world: World, owned: dict[str, str]) -> None:
    """Any method, id for any parameter, spelling and query; ATTACK_REQUESTS sets how many."""
    draw = random.Random(REQUESTS)
    ids = list(owned.values())
    async with world.client("globex") as http:
        for _ in range(REQUESTS):
            _, path = draw.choice(WITH_IDS)
            named = {name: draw.choice(ids) + draw.choice(SPELLINGS) for name in owned}
            query = {name: draw.choice(ids) for name in draw.sample([*owned, "cursor"], 2)}
            url = path.format_map(named if draw.random() < 0.5 else owned)
            method = draw.choice(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
            headers = {"Idempotency-Key": f"mixed-{draw.random()}", "Upload-Offset": "0"}
            answer = await http.request(
                method, url, params=query, json=BODIES.get(path), headers=headers
            )
            assert 400 <= answer.status_code < 500, (method, url, answer.status_code)
            assert not any(word in answer.text for word in ("loyal", "price")), url


@pytest.mark.parametrize("name", LISTS)
async def test_lists_hold_nothing_of_another_tenant(
    world: World, owned: dict[str, str], name: str
) -> None:
    async with world.client("globex") as http:
        answer = await http.get(f"/v1/{name}", params={"limit": 100})
    assert answer.status_code == 200
    for key in (
        "dataset_id",
        "generation_id",
        "effect_id",
        "segment_id",
        "sheet_id",
        "webhook_id",
        "upload_id",
    ):
        assert owned[key] not in answer.text


async def test_nothing_of_the_owner_was_changed(world: World, owned: dict[str, str]) -> None:
    paths = {
        "dataset_id": "datasets",
        "generation_id": "generations",
        "effect_id": "effects",
        "segment_id": "segments",
        "sheet_id": "sheets",
        "webhook_id": "webhooks",
        "upload_id": "uploads",
        "rotation_id": "credential-rotations",
        "job_id": "jobs",
    }
    async with world.client() as http:
        for name, path in paths.items():
            assert (await http.get(f"/v1/{path}/{owned[name]}")).status_code == 200, name


async def test_cursor_of_the_audit_log_is_of_one_tenant_and_says_nothing(
    world: World, owned: dict[str, str]
) -> None:
    async with world.client() as http:
        first = (await http.get("/v1/audit-events", params={"limit": 1})).json()
        cursor = first["next_cursor"]
        again = (await http.get("/v1/audit-events", params={"limit": 1})).json()["next_cursor"]
        assert re.fullmatch("[A-Za-z0-9_-]{48}", cursor)
        assert cursor != again  # two seals of one position cannot be compared
        query = {"limit": 1, "cursor": cursor}
        second = (await http.get("/v1/audit-events", params=query)).json()
        assert {one["id"] for one in first["items"]}.isdisjoint(
            one["id"] for one in second["items"]
        )
        changed = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
        for wrong in (changed, "5", "9" * 18, "A" * 48):
            refused = await http.get("/v1/audit-events", params={"cursor": wrong})
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/cursor")
    async with world.client("globex") as http:
        foreign = await http.get("/v1/audit-events", params=query)
    assert (foreign.status_code, foreign.json()["errors"][0]["pointer"]) == (400, "/cursor")
