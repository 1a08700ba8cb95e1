"""Knowledge of causes: shown, checked before the model is erased, changed by a new model."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from simulacra_api.datasets.refit import records
from simulacra_api.tenancy.idempotency import fingerprint
from simulacra_api.uploads.schemas import UploadFields
from simulacra_crds.kinds.base import API_VERSION
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import MODELS
from simulacra_crds.names import model_name
from simulacra_schema.questions.knowledge import Knowledge

KNOWLEDGE = {
    "tiers": [["segment"], ["price"]],
    "required": [{"source": "segment", "target": "price"}],
    "forbidden": [],
    "confirmed": [],
    "background": "ask",
}
NOTHING: dict[str, Any] = {
    "tiers": [],
    "required": [],
    "forbidden": [],
    "confirmed": [],
    "background": "ask",
}


async def test_new_knowledge_replaces_the_model(
    world: Any, http: httpx2.AsyncClient, ready: str, acme: Any
) -> None:
    url, name = f"/v1/datasets/{ready}/knowledge", model_name(ready)
    assert (await http.get(url)).json() == NOTHING
    asked = {"Idempotency-Key": "of-the-first-model"}
    made = await http.post(
        f"/v1/datasets/{ready}/generations", json={"row_count": 5}, headers=asked
    )
    first = await world.cluster.get(MODELS, name, "tenant-acme")
    waits = await http.put(url, json=KNOWLEDGE)  # nothing erases the first model yet
    assert (waits.status_code, waits.json()["code"]) == (409, "simio_model_in_flight")
    assert (await http.get(url)).status_code == 409
    job = (await http.get(f"/v1/jobs/job-{ready}")).json()
    assert job["status"] == "running"  # not failed: the refit continues
    again = asyncio.create_task(http.put(url, json=KNOWLEDGE))
    await acme.erase(MODELS, name)
    answer = await again
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert answer.headers["location"].endswith(f"/v1/jobs/job-{ready}")
    second = await world.cluster.get(MODELS, name, "tenant-acme")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert second["spec"]["knowledge"] == KNOWLEDGE
    said = {record["part"]: record for record in second["spec"]["stated"]}
    assert set(said) == {"tiers", "required"}
    assert said["tiers"]["author"]
    assert 86_000 < second["spec"]["retentionSeconds"] <= 86_400
    assert second["metadata"]["ownerReferences"] == first["metadata"]["ownerReferences"]
    await acme.fit(ready)
    same = await http.put(url, json=KNOWLEDGE)
    assert (same.status_code, same.json()["status"]) == (202, "ready")
    kept = await world.cluster.get(MODELS, name, "tenant-acme")
    assert kept["metadata"]["uid"] == second["metadata"]["uid"]
    question = {"treatment": "price", "value": 9, "baseline": 5, "outcome": "loyalty"}
    contrary = question | {"blocks": [["price"], ["segment"]]}  # the model knows the other order
    headers = {"Idempotency-Key": "of-the-second-model"}
    refused = await http.post(f"/v1/datasets/{ready}/effects", json=contrary, headers=headers)
    assert refused.status_code == 400, refused.text
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/blocks/0/0"]
    assert made.status_code == 202
    assert "price" not in world.audit_text()


@pytest.mark.one_case_real
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
async def test_knowledge_that_does_not_fit_the_schema_is_refused(
    http: httpx2.AsyncClient, ready: str, wrong: Any, at: str
) -> None:
    answer = await http.put(f"/v1/datasets/{ready}/knowledge", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")
    assert [error["pointer"] for error in answer.json()["errors"]] == [at]
    assert (await http.get(f"/v1/datasets/{ready}")).json()["status"] == "ready"


async def test_knowledge_before_preparation_is_409(http: httpx2.AsyncClient, uploaded: str) -> None:
    answer = await http.put(f"/v1/datasets/{uploaded}/knowledge", json=KNOWLEDGE)
    assert (answer.status_code, answer.json()["code"]) == (409, "simio_dataset_not_ready")


async def test_deleted_model_can_be_fit_again(
    world: Any, http: httpx2.AsyncClient, ready: str, acme: Any
) -> None:
    await world.cluster.delete(MODELS, model_name(ready), "tenant-acme")
    await acme.erase(MODELS, model_name(ready))
    assert (
        "PUT its knowledge" in (await http.get(f"/v1/jobs/job-{ready}")).json()["error"]["detail"]
    )
    answer = await http.put(f"/v1/datasets/{ready}/knowledge", json=NOTHING)
    assert (answer.status_code, answer.json()["status"]) == (202, "running")


async def test_knowledge_of_another_tenant_is_404(world: Any, ready: str) -> None:
    async with world.client("globex") as other:
        for answer in (
            await other.get(f"/v1/datasets/{ready}/knowledge"),
            await other.put(f"/v1/datasets/{ready}/knowledge", json=KNOWLEDGE),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "simio_dataset_not_found")


@pytest.mark.parametrize("gone", ["by refit", "by kubectl"])
async def test_refit_keeps_privacy_and_family_of_a_deleted_model(
    world: Any, http: httpx2.AsyncClient, acme: Any, key: str, gone: str
) -> None:
    form = {"file": ("t.csv", b"segment,price\nloyal,1.5\n" * 200)}
    fields, headers = {"epsilon": "2.5", "family": "forest"}, {"Idempotency-Key": key}
    made = await http.post("/v1/datasets", files=form, data=fields, headers=headers)
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


def test_each_part_of_the_knowledge_keeps_its_author_until_it_changes() -> None:
    knowledge = Knowledge(tiers=[["a"]], confirmed=[["b"]])
    first = records(knowledge, "ada", None)
    assert [(record["part"], record["author"]) for record in first] == [
        ("tiers", "ada"),
        ("confirmed", "ada"),
    ]
    spec = {"datasetRef": {"name": "d"}, "knowledge": knowledge.to_wire(), "stated": first}
    model = Model.model_validate(
        {"apiVersion": API_VERSION, "kind": "Model", "metadata": {"name": "m"}, "spec": spec}
    )
    changed = knowledge.model_copy(update={"tiers": [["c"]], "background": "auto"})
    second = {record["part"]: record["author"] for record in records(changed, "bo", model)}
    assert second == {"tiers": "bo", "confirmed": "ada", "background": "bo"}


def test_knowledge_of_earlier_releases_keeps_the_digest_of_its_upload() -> None:
    """Else a retry across an upgrade would count as another request."""
    former = {"tiers": [["a"]], "required": [], "forbidden": []}
    fields = UploadFields.model_validate({"knowledge": former})
    assert fields.digest == fingerprint(
        {"retention_seconds": 86_400, "family": "auto", "knowledge": former}
    )
    auto = UploadFields.model_validate({"knowledge": former | {"background": "auto"}})
    assert auto.digest != fields.digest
