"""Description of a dataset: sent with an upload, returned completed, corrected, confirmed."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import httpx2
import pytest

from api_world import COMPLETED, CSV
from simulacra_api.http.descriptions import description_bytes, salted_description
from simulacra_crds.kube.client import DATASETS, MODELS
from simulacra_crds.names import model_name
from simulacra_crds.tasks import READ_TABLE, STATED_DESCRIPTION, UPLOAD
from simulacra_custody.refs import ResourceRef

STATED = {"fields": [{"name": "price", "type": "number", "missingValues": ["", "k.A."]}]}
STATED_ALL = {"schema": STATED}
WRONG = {"fields": [{"name": "price", "type": "numberz", "x-simulacra": {"rol": "key"}}]}
KNOWN = {"required": [{"source": "segment", "target": "price"}]}


async def post(http: httpx2.AsyncClient, key: str, **fields: Any) -> httpx2.Response:
    data = {n: v if isinstance(v, str) else json.dumps(v) for n, v in fields.items()}
    headers = {"Idempotency-Key": key}
    return await http.post(
        "/v1/datasets", files={"file": ("t.csv", CSV)}, data=data, headers=headers
    )


async def made(http: httpx2.AsyncClient, key: str, **fields: Any) -> str:
    answer = await post(http, key, **fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["dataset_id"])


async def spec_of(world: Any, dataset: str) -> Any:
    return (await world.cluster.get(DATASETS, dataset, "tenant-acme"))["spec"]


async def stated(world: Any, dataset: str) -> Any:
    """Return the stored description, after comparing its digest with the one in the spec."""
    found = await world.cluster.get(DATASETS, dataset, "tenant-acme")
    ref = ResourceRef("acme", "datasets", found["metadata"]["uid"]).artifact(STATED_DESCRIPTION)
    content = world.custody.read_bytes(ref, found["status"]["wrappedKey"], limit=1 << 20)
    digest = hashlib.sha256(content).hexdigest()
    assert found["spec"]["tableDescription"] == {"sha256": digest}
    return json.loads(content)


async def corrected(world: Any, dataset: str) -> Any:
    """Return the description stored by a PUT, without what the service adds, after checking it."""
    found = await stated(world, dataset)
    salt = found.pop("nonce")
    assert len(bytes.fromhex(salt)) == 16
    assert found.pop("name", "t") == "t"
    return found


async def test_description_is_stored_encrypted_and_its_digest_in_the_spec(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    dataset = await made(http, key, description=STATED, hold=True, keep_source=True)
    spec = await spec_of(world, dataset)
    assert (spec["hold"], spec["keepSource"]) == (True, True)
    assert await stated(world, dataset) == STATED
    assert "k.A." not in json.dumps(spec) + world.audit_text()
    again = await post(http, key, description=STATED, hold=True, keep_source=True)
    assert again.json()["dataset_id"] == dataset
    other = await post(http, key, description={"fields": []}, hold=True, keep_source=True)
    assert (other.status_code, other.json()["code"]) == (409, "simio_idempotency_conflict")


async def test_description_of_an_upload_in_pieces(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    plan = {"bytes": len(CSV), "description": STATED, "hold": True}
    begun = await http.post("/v1/uploads", json=plan, headers={"Idempotency-Key": key})
    assert begun.status_code == 201, begun.text
    assert await stated(world, begun.json()["dataset_id"]) == STATED
    wrong = {"bytes": 1, "description": WRONG}
    refused = await http.post("/v1/uploads", json=wrong, headers={"Idempotency-Key": key + "x"})
    assert refused.status_code == 422


async def test_malformed_description_is_422_with_pointers_and_creates_nothing(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    answer = await post(http, key, description=WRONG)
    assert (answer.status_code, answer.json()["code"]) == (422, "simio_description_invalid")
    pointers = {one["pointer"] for one in answer.json()["errors"]}
    assert pointers == {
        "/description/fields/0/type",
        "/description/fields/0/x-simulacra/rol",
    }
    not_json = await post(http, key, description="{")
    assert not_json.json()["errors"][0]["pointer"] == "/description"
    large = await post(http, key, description=json.dumps({"fields": [], "note": "x" * (1 << 20)}))
    assert large.status_code == 400
    assert (await post(http, key)).status_code == 202  # the key was not used


async def test_completed_description_has_an_etag(http: httpx2.AsyncClient, ready: str) -> None:
    url = f"/v1/datasets/{ready}/description"
    shown = await http.get(url)
    assert shown.json() == COMPLETED
    again = await http.get(url, headers={"If-None-Match": shown.headers["etag"]})
    assert again.status_code == 304
    dataset = (await http.get(f"/v1/datasets/{ready}")).json()
    assert dataset["reading"]["to_confirm"] == 1
    assert (dataset["source_kept"], dataset["source_until"]) == (False, None)


async def test_description_before_the_table_is_read_is_409(
    http: httpx2.AsyncClient, uploaded: str
) -> None:
    url = f"/v1/datasets/{uploaded}/description"
    for answer in (await http.get(url), await http.put(url, json=STATED)):
        assert (answer.status_code, answer.json()["code"]) == (409, "simio_dataset_not_ready")


async def test_held_dataset_is_confirmed_by_its_own_description(
    world: Any, http: httpx2.AsyncClient, key: str, acme: Any
) -> None:
    dataset = await made(http, key, hold=True)
    await acme.prepare(dataset, phase="Held", kept=UPLOAD)
    assert (await http.get(f"/v1/jobs/job-{dataset}")).json()["status"] == "held"
    assert (await http.get(f"/v1/datasets/{dataset}/schema")).status_code == 200
    model = await world.cluster.get(MODELS, model_name(dataset), "tenant-acme")
    url = f"/v1/datasets/{dataset}/description"
    answer = await http.put(url, json=COMPLETED)
    assert answer.status_code == 202, answer.text
    spec = await spec_of(world, dataset)
    assert (spec["hold"], "tableDescription" in spec) == (False, False)
    kept = await world.cluster.get(MODELS, model_name(dataset), "tenant-acme")
    assert kept["metadata"]["uid"] == model["metadata"]["uid"]


async def test_held_dataset_is_corrected_and_its_waiting_model_stays(
    world: Any, http: httpx2.AsyncClient, key: str, acme: Any
) -> None:
    dataset = await made(http, key, hold=True)
    await acme.prepare(dataset, phase="Held", kept=UPLOAD)
    answer = await http.put(f"/v1/datasets/{dataset}/description", json=STATED)
    assert answer.status_code == 202, answer.text
    assert (await spec_of(world, dataset))["hold"] is False
    assert await corrected(world, dataset) == STATED
    await world.cluster.get(MODELS, model_name(dataset), "tenant-acme")


async def test_other_description_erases_the_model_and_keeps_its_knowledge(
    world: Any, http: httpx2.AsyncClient, key: str, acme: Any
) -> None:
    dataset = await made(http, key, keep_source=True, knowledge=KNOWN, family="forest")
    await acme.prepare(dataset, kept=READ_TABLE)
    await acme.fit(dataset)
    url, name = f"/v1/datasets/{dataset}/description", model_name(dataset)
    first = await world.cluster.get(MODELS, name, "tenant-acme")
    etag = (await http.get(url)).headers["etag"]
    stale = await http.put(url, json=STATED, headers={"If-Match": '"other"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "simio_precondition_failed")
    waits = await http.put(url, json=STATED, headers={"If-Match": etag})
    assert (waits.status_code, waits.json()["code"]) == (409, "simio_model_in_flight")
    assert "tableDescription" not in await spec_of(world, dataset)
    again = asyncio.create_task(http.put(url, json=STATED, headers={"If-Match": etag}))
    await acme.erase(MODELS, name)
    answer = await again
    assert answer.status_code == 202, answer.text
    assert await corrected(world, dataset) == STATED
    second = await world.cluster.get(MODELS, name, "tenant-acme")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert second["spec"]["knowledge"]["required"] == KNOWN["required"]
    assert second["spec"]["family"] == "forest"
    assert "k.A." not in world.audit_text()


async def test_description_of_an_erased_source_says_what_to_do(
    world: Any, http: httpx2.AsyncClient, ready: str
) -> None:
    url = f"/v1/datasets/{ready}/description"
    answer = await http.put(url, json=STATED)
    assert (answer.status_code, answer.json()["code"]) == (409, "simio_source_erased")
    assert "--source" in answer.json()["detail"]
    same = await http.put(url, json=COMPLETED)  # nothing to read
    assert (same.status_code, same.json()["status"]) == (202, "ready")
    malformed = await http.put(url, json=WRONG)
    assert {one["pointer"] for one in malformed.json()["errors"]} == {
        "/fields/0/type",
        "/fields/0/x-simulacra/rol",
    }


async def test_contradicted_description_is_told_with_pointers_and_can_be_replaced(
    world: Any, http: httpx2.AsyncClient, key: str, acme: Any
) -> None:
    dataset = await made(http, key, description=STATED, hold=True)
    await acme.write(DATASETS, dataset, UPLOAD, CSV)
    fault = {"pointer": "/fields/0/type", "detail": "More than 1 % of the cells are no numbers."}
    await acme.fail(DATASETS, dataset, "DescriptionMismatch", "1 fault", errors=[fault])
    error = (await http.get(f"/v1/jobs/job-{dataset}")).json()["error"]
    assert (error["code"], error["errors"]) == ("simio_description_invalid", [fault])
    entry = {"name": UPLOAD, "bytes": 3, "sha256": "a" * 64}
    await acme.status(DATASETS, dataset, artefacts=[entry], sourceUntil="2026-11-27T12:00:00Z")
    url = f"/v1/datasets/{dataset}/description"
    assert (await http.get(url)).json()["code"] == "simio_dataset_failed"
    other = {"fields": [{"name": "price", "type": "string"}]}
    for description in (other, STATED):  # wrong again, and corrected again
        answer = await http.put(url, json=description)
        assert answer.status_code == 202, answer.text
        assert await corrected(world, dataset) == description


async def test_digest_of_a_corrected_description_confirms_no_guess_and_keeps_the_name(
    world: Any, http: httpx2.AsyncClient, key: str, acme: Any
) -> None:
    """The digest stays in the audit log, so it must not be that of what can be guessed."""
    digests = []
    for one in ("a", "b"):
        dataset = await made(http, key + one, hold=True)
        await acme.prepare(dataset, phase="Held", kept=UPLOAD)
        answer = await http.put(f"/v1/datasets/{dataset}/description", json=STATED)
        assert answer.status_code == 202, answer.text
        content = await stated(world, dataset)
        assert content["name"] == COMPLETED["name"]
        digests.append((await spec_of(world, dataset))["tableDescription"]["sha256"])
        guesses = (STATED, {**STATED, "name": "t"})
        tried = {hashlib.sha256(description_bytes(guess)).hexdigest() for guess in guesses}
        assert digests[-1] not in tried
    assert digests[0] != digests[1]  # equal descriptions of two datasets are not to be told either
    a, b = (salted_description(STATED, None, salt, "u") for salt in (b"a", b"b"))
    assert a != b


async def test_name_stays_when_the_first_description_was_wrong(
    world: Any, http: httpx2.AsyncClient, key: str, acme: Any
) -> None:
    dataset = await made(http, key, description={**STATED, "name": "survey.csv"}, hold=True)
    await acme.write(DATASETS, dataset, UPLOAD, CSV)
    await acme.fail(DATASETS, dataset, "DescriptionMismatch", "1 fault")
    entry = {"name": UPLOAD, "bytes": 3, "sha256": "a" * 64}
    await acme.status(DATASETS, dataset, artefacts=[entry], sourceUntil="2026-11-27T12:00:00Z")
    answer = await http.put(f"/v1/datasets/{dataset}/description", json={"resources": [STATED_ALL]})
    assert answer.status_code == 202, answer.text
    assert (await stated(world, dataset))["resources"][0]["name"] == "survey.csv"


@pytest.mark.parametrize("method", ["get", "put"])
async def test_description_of_another_tenant_is_404(world: Any, ready: str, method: str) -> None:
    async with world.client("globex") as other:
        body = {"json": STATED} if method == "put" else {}
        answer = await other.request(method, f"/v1/datasets/{ready}/description", **body)
    assert (answer.status_code, answer.json()["code"]) == (404, "simio_dataset_not_found")
