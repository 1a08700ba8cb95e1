"""Probes: a sample in the answer, erased afterwards; infeasible conditions fail at once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import pyarrow as pa
import pytest

from simulacra_crds.kube.client import GENERATION_JOBS
from simulacra_crds.tasks import IDENTIFICATION

ROWS = pa.table(
    {
        "segment": ["loyal", None],
        "price": [5.49, float("nan")],
        "day": [datetime(2026, 1, 2, tzinfo=UTC), None],
    }
)


async def _probes(world: Any) -> list[str]:
    listed = world.cluster.list(GENERATION_JOBS, "tenant-acme")
    return [
        item["metadata"]["name"]
        async for item in listed
        if item["metadata"]["name"].startswith("probe-")
    ]


async def _probe_of(world: Any) -> str:
    while not (names := await _probes(world)):
        await asyncio.sleep(0.02)
    return names[0]


async def _gone(world: Any, acme: Any) -> None:
    for name in await _probes(world):
        await acme.erase(GENERATION_JOBS, name)
    assert not await _probes(world)


async def test_probe_returns_rows_and_is_erased(
    world: Any, http: httpx2.AsyncClient, ready: str, acme: Any
) -> None:
    body = {"row_count": 2, "conditions": {"categorical": {"segment": {"loyal": 1.0}}}, "seed": 3}
    answering = asyncio.create_task(http.post(f"/v1/datasets/{ready}/probe", json=body))
    name = await _probe_of(world)
    spec = (await world.cluster.get(GENERATION_JOBS, name, "tenant-acme"))["spec"]
    assert spec["evidence"] is False  # a look at rows is not for analysis
    assert name not in (await http.get("/v1/generations")).text
    assert name not in (await http.get("/v1/jobs")).text
    figures = {
        "status": "partial",
        "asked": 1,
        "met": 0,
        "effectiveSampleSize": 12.5,
        "klNats": 0.4,
    }
    await acme.generate(name, [ROWS], phase="Running")
    await acme.status(GENERATION_JOBS, name, phase="Partial", attainment=figures)
    answer = await answering
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["rows"] == [
        {"segment": "loyal", "price": 5.49, "day": "2026-01-02T00:00:00+00:00"},
        {"segment": None, "price": None, "day": None},
    ]
    assert found["feasibility"] == {
        "status": "partial",
        "effective_sample_size": 12.5,
        "kl_nats": 0.4,
    }
    assert (found["seed"], found["row_count"]) == (3, 2)
    await _gone(world, acme)


async def test_probe_says_what_an_intervention_beyond_the_table_rests_on(
    world: Any, http: httpx2.AsyncClient, ready: str, acme: Any
) -> None:
    body = {"row_count": 2, "interventions": {"price": 999.0}}
    answering = asyncio.create_task(http.post(f"/v1/datasets/{ready}/probe", json=body))
    name = await _probe_of(world)
    warning = "What comes before 'price' is open."
    verdict = {"kind": "unanswerable", "text": "No answer: '999' lies outside the observed values."}
    rests_on = {"identified": False, "verdict": verdict, "warnings": [warning]}
    content = json.dumps(rests_on).encode()
    await acme.write(GENERATION_JOBS, name, IDENTIFICATION, content)
    await acme.generate(name, [ROWS])
    found = (await answering).json()
    assert (found["verdict"], found["warnings"]) == (verdict, [warning])
    shown = await world.cluster.get(GENERATION_JOBS, name, "tenant-acme")
    assert "outside the observed" not in json.dumps(shown) + world.audit_text()
    await _gone(world, acme)


async def test_infeasible_conditions_are_a_400(
    world: Any, http: httpx2.AsyncClient, ready: str, acme: Any
) -> None:
    answering = asyncio.create_task(http.post(f"/v1/datasets/{ready}/probe", json={}))
    await acme.fail(
        GENERATION_JOBS,
        await _probe_of(world),
        "ConditionsInfeasible",
        "no row has both",
        "/conditions",
    )
    answer = await answering
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_conditions_infeasible")
    assert answer.json()["detail"] == "no row has both"
    await _gone(world, acme)


async def test_internal_failure_is_a_500(
    world: Any, http: httpx2.AsyncClient, ready: str, acme: Any
) -> None:
    answering = asyncio.create_task(http.post(f"/v1/datasets/{ready}/probe", json={}))
    last = {"reason": "OutOfMemory", "message": "m", "time": "2026-01-01T00:00:00Z"}
    await acme.status(GENERATION_JOBS, await _probe_of(world), phase="Failed", lastFailure=last)
    answer = await answering
    assert (answer.status_code, answer.json()["code"]) == (500, "simio_processing_failed")
    await _gone(world, acme)


async def test_late_sample_is_a_504(
    world: Any, http: httpx2.AsyncClient, ready: str, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra_api.generations.probe.WAIT_SECONDS", 0.3)
    answer = await http.post(f"/v1/datasets/{ready}/probe", json={"row_count": 1})
    assert (answer.status_code, answer.json()["code"]) == (504, "simio_probe_timeout")
    assert answer.headers["retry-after"]
    await _gone(world, acme)


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"row_count": 101}, "/row_count"),
        ({"row_count": 0}, "/row_count"),
        ({"conditions": {"categorical": {"none": {"x": 1}}}}, "/conditions/categorical/none"),
        (
            {"interventions": {"price": 5}, "conditions": {"numeric": {"price": {"min": 2}}}},
            "/interventions/price",
        ),
        ({"format": "csv"}, "/format"),
    ],
)
async def test_wrong_field_is_named_and_no_resource_is_created(
    world: Any, http: httpx2.AsyncClient, ready: str, body: dict[str, Any], pointer: str
) -> None:
    answer = await http.post(f"/v1/datasets/{ready}/probe", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)
    assert not await _probes(world)
