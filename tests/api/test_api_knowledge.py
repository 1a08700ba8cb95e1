"""What is known of causes: shown, checked before anything is given up, and changed by another model."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from simulacra_crds.contract.names import model_name
from simulacra_crds.kube.client import MODELS

KNOWLEDGE = {
    "tiers": [["segment"], ["price"]],
    "required": [{"source": "segment", "target": "price"}],
    "forbidden": [],
}
NOTHING: dict[str, Any] = {"tiers": [], "required": [], "forbidden": []}


async def test_other_knowledge_is_another_model(
    world: Any, http: httpx2.AsyncClient, ready: str, acme: Any
) -> None:
    url, name = f"/v1/datasets/{ready}/knowledge", model_name(ready)
    assert (await http.get(url)).json() == NOTHING
    asked = {"Idempotency-Key": "of-the-first-model"}
    made = await http.post(
        f"/v1/datasets/{ready}/generations", json={"row_count": 5}, headers=asked
    )
    first = await world.cluster.get(MODELS, name, "tenant-acme")
    waits = await http.put(url, json=KNOWLEDGE)  # nobody erases the first model yet
    assert (waits.status_code, waits.json()["code"]) == (409, "simio_model_in_flight")
    assert (await http.get(url)).status_code == 409
    assert (await http.get(f"/v1/jobs/job-{ready}")).json()[
        "status"
    ] == "running"  # not failed: it goes on
    again = asyncio.create_task(http.put(url, json=KNOWLEDGE))
    await acme.erase(MODELS, name)
    answer = await again
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert answer.headers["location"].endswith(f"/v1/jobs/job-{ready}")
    second = await world.cluster.get(MODELS, name, "tenant-acme")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert second["spec"]["knowledge"] == KNOWLEDGE
    assert 86_000 < second["spec"]["retentionSeconds"] <= 86_400
    assert second["metadata"]["ownerReferences"] == first["metadata"]["ownerReferences"]
    await acme.fit(ready)
    same = await http.put(url, json=KNOWLEDGE)
    assert (same.status_code, same.json()["status"]) == (202, "ready")
    assert (await world.cluster.get(MODELS, name, "tenant-acme"))["metadata"]["uid"] == second[
        "metadata"
    ]["uid"]
    assert made.status_code == 202
    assert "price" not in world.audit_text()


@pytest.mark.parametrize(
    ("wrong", "at"),
    [
        ({"tiers": [["segment"], ["nobody"]]}, "/tiers/1/0"),
        ({"tiers": [["segment"], ["segment"]]}, "/tiers/1/0"),
        ({"forbidden": [{"source": "price", "target": "price"}]}, "/forbidden/0"),
        ({"required": [{"source": "price", "target": "id"}]}, "/required/0"),
        ({"required": [{"source": "price"}]}, "/required/0/target"),
        (
            {
                "tiers": [["price"], ["segment"]],
                "required": [{"source": "segment", "target": "price"}],
            },
            "/required/0",
        ),
    ],
)
async def test_what_does_not_fit_is_refused_at_once(
    http: httpx2.AsyncClient, ready: str, wrong: Any, at: str
) -> None:
    answer = await http.put(f"/v1/datasets/{ready}/knowledge", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")
    assert [error["pointer"] for error in answer.json()["errors"]] == [at]
    assert (await http.get(f"/v1/datasets/{ready}")).json()["status"] == "ready"


async def test_a_dataset_that_is_not_prepared_waits(
    http: httpx2.AsyncClient, uploaded: str
) -> None:
    answer = await http.put(f"/v1/datasets/{uploaded}/knowledge", json=KNOWLEDGE)
    assert (answer.status_code, answer.json()["code"]) == (409, "simio_dataset_not_ready")


async def test_a_model_that_is_gone_can_be_fit_again(
    world: Any, http: httpx2.AsyncClient, ready: str, acme: Any
) -> None:
    await world.cluster.delete(MODELS, model_name(ready), "tenant-acme")
    await acme.erase(MODELS, model_name(ready))
    assert (
        "PUT its knowledge" in (await http.get(f"/v1/jobs/job-{ready}")).json()["error"]["detail"]
    )
    answer = await http.put(f"/v1/datasets/{ready}/knowledge", json=NOTHING)
    assert (answer.status_code, answer.json()["status"]) == (202, "running")


async def test_somebody_elses_is_not_found(world: Any, ready: str) -> None:
    async with world.client("globex") as other:
        for answer in (
            await other.get(f"/v1/datasets/{ready}/knowledge"),
            await other.put(f"/v1/datasets/{ready}/knowledge", json=KNOWLEDGE),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "simio_dataset_not_found")


@pytest.mark.parametrize("gone", ["by refit", "by kubectl"])
async def test_a_model_that_is_gone_leaves_how_it_was_asked_for(
    world: Any, http: httpx2.AsyncClient, acme: Any, key: str, gone: str
) -> None:
    form, asked = (
        {"file": ("t.csv", b"segment,price\nloyal,1.5\n" * 200)},
        {"epsilon": "2.5", "family": "forest"},
    )
    made = await http.post("/v1/datasets", files=form, data=asked, headers={"Idempotency-Key": key})
    dataset = made.json()["dataset_id"]
    await acme.prepare(dataset)
    url, name = f"/v1/datasets/{dataset}/knowledge", model_name(dataset)
    if gone == "by refit":  # the request breaks off while the first model is being erased
        assert (await http.put(url, json=KNOWLEDGE)).status_code == 409
    else:
        await world.cluster.delete(MODELS, name, "tenant-acme")
    await acme.erase(MODELS, name)
    assert (await http.put(url, json=KNOWLEDGE)).status_code == 202
    spec = (await world.cluster.get(MODELS, name, "tenant-acme"))["spec"]
    assert (spec["privacy"], spec["family"]) == ({"epsilon": 2.5, "delta": 1e-6}, "forest")
    assert spec["knowledge"] == KNOWLEDGE
