"""Fixtures of the attacks: a served API on the embedded control plane, with several tenants."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import pytest_asyncio

from api_world import (  # noqa: F401 - fixtures
    CSV,
    SECRET,
    World,
    embedded_plane,
    environment,
    own_environment,
    world,
)
from simulacra_crds.kube.client import TENANTS

EFFECT = {"treatment": "price", "value": 9, "baseline": 5, "outcome": "segment"}
EFFECT |= {"outcome_level": "loyal"}
SHEET = {"outcome": "segment", "outcome_level": "loyal"}
SEGMENT = {"segment": [{"column": "region"}], "questions": ["segment"]}


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's kubeconfig of the embedded control plane."""
    with embedded_plane(tmp_path_factory.mktemp("plane")) as kubeconfig:
        yield kubeconfig


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def owned(world: World) -> dict[str, str]:  # noqa: F811 - a fixture
    """Return ids of what tenant acme has, by the name of the path parameter; `artifact` is a link.

    Both common tenants get room for the requests of an attack.
    """
    for tenant in ("acme", "globex"):
        quotas = {"concurrentJobs": 1000, "requestsPerMinute": 100_000}
        await world.cluster.patch(TENANTS, tenant, {"spec": {"quotas": quotas}})
    acme = world.stand_in()

    def key() -> dict[str, str]:
        return {"Idempotency-Key": uuid.uuid4().hex}

    async with world.client() as http:

        async def made(path: str, **body: Any) -> dict[str, Any]:
            answer = await http.post(path, headers=key(), **body)
            assert answer.is_success, answer.text
            return dict(answer.json())

        dataset = (await made("/v1/datasets", files={"file": ("t.csv", CSV)}))["dataset_id"]
        await acme.prepare(dataset)
        await acme.fit(dataset)
        base = f"/v1/datasets/{dataset}"
        generation = (await made(f"{base}/generations", json={"row_count": 3}))["generation_id"]
        await acme.generate(generation, [pa.table({"price": [1.0, -2.0, 3.0]})])
        effect = (await made(f"{base}/effects", json=EFFECT))["effect_id"]
        await acme.estimate(effect)
        segment = (await made(f"{base}/segments", json=SEGMENT))["segment_id"]
        await acme.boost(segment)
        sheet = (await made(f"{base}/sheets", json=SHEET))["sheet_id"]
        await acme.sheet(sheet)
        hook = await made("/v1/webhooks", json={"url": "https://hooks.example.com/acme"})
        upload = await made("/v1/uploads", json={"bytes": 1000})
        rotation = await made("/v1/credential-rotations", json={"client_secret": SECRET})
        link = (await http.get(f"/v1/generations/{generation}")).json()["artifact_url"]
    return {
        "dataset_id": dataset,
        "resource_id": dataset,
        "job_id": f"job-{dataset}",
        "generation_id": generation,
        "effect_id": effect,
        "segment_id": segment,
        "sheet_id": sheet,
        "webhook_id": hook["webhook_id"],
        "upload_id": upload["upload_id"],
        "rotation_id": rotation["rotation_id"],
        "request_id": "req_" + "a" * 43,
        "code": "simio_internal",
        "artifact": link,
    }
