"""The wave summary over REST: signed, read on record, and refused from anybody else."""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx2
import pytest

from api_world import WAVES, StandIn
from proofs import KEYS, Proofs, sign_summary
from simulacra_crds.kinds.base import ANNOTATION_SUMMARY_READ
from simulacra_crds.kube.client import DATASETS, MODELS, TENANTS
from simulacra_crds.names import model_name
from simulacra_crds.tasks import EARLIER, SUMMARY
from simulacra_custody.audit.installation_keys import verified_summary
from simulacra_custody.refs import ResourceRef
from simulacra_schema.wave_summary import MAX_SUMMARY_BYTES, WaveSummary

pytestmark = pytest.mark.asyncio(loop_scope="session")
CSV = b"segment,price\n" + b"".join(b"loyal,%d.5\n" % (row % 9) for row in range(200))


async def signed(world: Any, summary: WaveSummary = WAVES, tenant: str = "acme") -> dict[str, Any]:
    """Return a summary as this installation has signed it for a tenant."""
    await Proofs(world.folder / "audit").publish(world.cluster)
    owner = (await world.cluster.get(TENANTS, tenant))["metadata"]["uid"]
    return {"summary": summary.model_dump(mode="json"), "signature": sign_summary(owner, summary)}


async def upload(http: httpx2.AsyncClient, key: str, earlier: Any) -> httpx2.Response:
    text = earlier if isinstance(earlier, str) else json.dumps(earlier)
    return await http.post(
        "/v1/datasets",
        data={"earlier": text},
        files={"file": ("t.csv", CSV)},
        headers={"Idempotency-Key": key},
    )


async def test_a_summary_is_signed_and_its_read_is_on_record(
    world: Any, http: httpx2.AsyncClient, ready: str
) -> None:
    answer = await http.get(f"/v1/datasets/{ready}/summary")
    body = answer.json()
    assert WaveSummary.model_validate(body["summary"]) == WAVES
    stated = json.loads(verified_summary(body["signature"], KEYS.public_document()))
    assert body["statement"] == stated
    assert stated["sha256"] == WAVES.digest()
    model = await world.cluster.get(MODELS, model_name(ready), "tenant-acme")
    assert ANNOTATION_SUMMARY_READ in model["metadata"]["annotations"]
    lines = [json.loads(line).get("data", {}) for line in world.audit_text().splitlines()]
    assert SUMMARY in [one.get("artefact") for one in lines]
    assert "genz_switcher" not in world.audit_text()


async def test_a_handed_back_summary_belongs_to_the_new_dataset(
    world: Any, http: httpx2.AsyncClient, key: str, acme: StandIn
) -> None:
    answer = await upload(http, key, await signed(world))
    assert answer.status_code == 202, answer.text
    name = answer.json()["dataset_id"]
    dataset = await world.cluster.get(DATASETS, name, "tenant-acme")
    assert dataset["spec"]["earlier"] == {"sha256": WAVES.digest()}
    ref = ResourceRef("acme", DATASETS.plural, dataset["metadata"]["uid"]).artifact(EARLIER)
    stored = world.custody.read_bytes(ref, dataset["status"]["wrappedKey"], limit=1 << 20)
    assert stored == WAVES.content()
    assert "genz_switcher" not in json.dumps(dataset)
    again = await upload(http, key, await signed(world))
    assert again.json()["dataset_id"] == name
    other = WAVES.model_copy(update={"column": "wave"})
    assert (await upload(http, key, await signed(world, other))).status_code == 409


async def refused(http: httpx2.AsyncClient, key: str, earlier: Any) -> tuple[int, str, str, str]:
    answer = await upload(http, key, earlier)
    body = answer.json()
    return answer.status_code, body["code"], body["errors"][0]["pointer"], body["detail"]


async def test_what_this_installation_did_not_sign_for_the_tenant_is_refused(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    good = await signed(world)
    changed = copy.deepcopy(good)
    changed["summary"]["waves"][0]["questions"][0]["hits"][0] = 300.0
    forged = good | {"signature": good["signature"][:-6] + "AAAAAA"}
    certificate = good | {"signature": KEYS.sign_certificate(b"{}")}
    newer = copy.deepcopy(good)
    newer["summary"]["version"] = 2
    large = good | {"note": "x" * MAX_SUMMARY_BYTES}
    none = await signed(world, WaveSummary(waves=[], reason="Few rows."))
    cases = [
        (changed, "The file was changed"),
        (forged, "The file was changed"),
        (certificate, "The file was changed"),
        (good | {"signature": None}, "The file was changed"),
        (await signed(world, tenant="globex"), "belongs to another tenant"),
        (newer, "of version 2"),
        (large, "exceeds 1 MiB"),
        (none, "has no waves"),
        ({"waves": []}, "no wave summary"),
    ]
    for earlier, detail in cases:
        found = await refused(http, key, earlier)
        assert found[:3] == (422, "simio_summary_invalid", "/earlier"), (detail, found)
        assert detail in found[3]
    plan = {"bytes": 10, "sha256": "0" * 64, "earlier": large}
    begun = await http.post("/v1/uploads", json=plan, headers={"Idempotency-Key": key})
    assert (begun.status_code, begun.json()["code"]) == (422, "simio_summary_invalid"), begun.text
    assert (await upload(http, key, "{")).status_code == 400
    assert (await upload(http, key, good)).status_code == 202, "nothing was made of the others"


async def test_a_table_without_a_summary_says_why(
    http: httpx2.AsyncClient, ready: str, acme: StandIn
) -> None:
    why = WaveSummary(waves=[], reason="No wave has 100 rows.").content()
    await acme.write(MODELS, model_name(ready), SUMMARY, why)
    answer = await http.get(f"/v1/datasets/{ready}/summary")
    assert (answer.status_code, answer.json()["code"]) == (409, "simio_no_summary")
    assert answer.json()["detail"] == "No wave has 100 rows."


async def test_another_tenant_reads_no_summary(world: Any, ready: str) -> None:
    async with world.client("globex") as http:
        answer = await http.get(f"/v1/datasets/{ready}/summary")
    assert answer.status_code == 404
