"""Segment estimates: validation, shares, list, erasure."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from simulacra_crds.kube.client import SEGMENT_ESTIMATES
from simulacra_crds.tasks import SEGMENTS

QUESTION: dict[str, Any] = {
    "segment": [{"column": "region", "levels": ["north"]}],
    "questions": ["segment"],
}


async def _request(http: httpx2.AsyncClient, dataset: str, key: str, body: Any) -> httpx2.Response:
    return await http.post(
        f"/v1/datasets/{dataset}/segments", json=body, headers={"Idempotency-Key": key}
    )


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"segment": [{"column": "none"}]}, "/segment/0/column"),
        ({"segment": [{"column": "region", "levels": ["west"]}]}, "/segment/0/levels"),
        ({"segment": []}, "/segment"),
        ({"questions": ["price"]}, "/questions/0"),
        ({"questions": []}, "/questions"),
        ({"color": 1}, "/color"),
        ({"targets": {"categorical": {"region": {"north": 0.5}}}}, "/targets"),
        ({"segment": [{"column": "region", "levels": ["next"]}]}, "/segment/0/levels"),
        ({"prices": {}}, "/prices"),
    ],
)
async def test_each_wrong_field_is_named(
    http: httpx2.AsyncClient, ready: str, key: str, change: dict[str, Any], pointer: str
) -> None:
    answer = await _request(http, ready, key, QUESTION | change)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field"), answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_price_question_is_answered_without_shares(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    none = await _request(http, ready, key, {"prices": {}})
    assert [error["pointer"] for error in none.json()["errors"]] == ["/prices"]
    question = {"method": "gabor_granger", "columns": ["price"]}
    asked = await _request(http, ready, key, {"prices": question})
    assert asked.status_code == 202, asked.text
    segment = asked.json()["segment_id"]
    spec = (await world.cluster.get(SEGMENT_ESTIMATES, segment, "tenant-acme"))["spec"]
    assert spec["prices"].items() >= question.items()
    assert not {"segment", "questions"} & set(spec)
    answer = {"question": question, "respondents": 90.0, "inconsistent": 0.0, "prices": [1, 2]}
    answer |= {"curves": [{"name": "would buy", "values": [0.7, 0.4]}], "points": []}
    summary = {"intervals": 4, "boosted": 0, "slightly": 0, "noBetter": 0}
    stored = {"summary": summary, "priceAnswer": answer | {"text": "At 1: 70.0 %."}}
    await acme.write(SEGMENT_ESTIMATES, segment, SEGMENTS, json.dumps(stored).encode())
    await acme.status(SEGMENT_ESTIMATES, segment, phase="Ready", segments=summary)
    shown = (await http.get(f"/v1/segments/{segment}")).json()
    assert shown["price_answer"]["curves"][0]["values"] == [0.7, 0.4]
    assert (shown["prices"]["columns"], shown["shares"]) == (["price"], [])


async def test_segment_estimate_from_request_to_erasure(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    asked = await _request(http, ready, key, QUESTION)
    assert asked.status_code == 202, asked.text
    segment, job = asked.json()["segment_id"], asked.json()["job_id"]
    assert (await _request(http, ready, key, QUESTION)).json() == asked.json()
    other = await _request(http, ready, key, QUESTION | {"segment": [{"column": "region"}]})
    assert other.json()["code"] == "simio_idempotency_conflict"
    waiting = (await http.get(f"/v1/segments/{segment}")).json()
    assert (waiting["status"], waiting["shares"]) == ("queued", None)
    spec = (await world.cluster.get(SEGMENT_ESTIMATES, segment, "tenant-acme"))["spec"]
    assert {name: spec[name] for name in QUESTION} == QUESTION

    await acme.boost(segment)
    assert (await http.get(f"/v1/jobs/{job}")).json()["segment_id"] == segment
    shown = (await http.get(f"/v1/segments/{segment}")).json()
    assert shown["shares"][0]["verdict"] == "boosted"
    assert shown["shares"][0]["segment"] == [{"column": "region", "level": "north"}]
    assert shown["summary"]["no_better"] == 0
    made = await http.post(
        f"/v1/datasets/{ready}/generations",
        json={"row_count": 10, "conditions": shown["conditions"]},
        headers={"Idempotency-Key": f"{key}-rows"},
    )
    assert made.status_code == 202, made.text
    listed = (await http.get(f"/v1/segments?dataset_id={ready}&status=ready")).json()["items"]
    assert [item["segment_id"] for item in listed] == [segment]
    for other in (f"dataset_id={ready}&status=failed", "dataset_id=ds-other&status=ready"):
        assert (await http.get(f"/v1/segments?{other}")).json()["items"] == []
    async with world.client("globex") as other_tenant:
        for call in (other_tenant.get, other_tenant.delete):
            code = (await call(f"/v1/segments/{segment}")).json()["code"]
            assert code == "simio_segment_not_found"

    erased = asyncio.gather(acme.erase(SEGMENT_ESTIMATES, segment))
    assert (await http.delete(f"/v1/segments/{segment}")).status_code == 204
    await erased
    assert (await http.get(f"/v1/segments/{segment}")).status_code == 404


async def test_segment_estimate_can_be_canceled(
    http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    job = (await _request(http, ready, key, QUESTION)).json()["job_id"]
    canceled = (await http.post(f"/v1/jobs/{job}/cancel")).json()
    assert (canceled["kind"], canceled["error"]["code"]) == ("segment", "simio_cancelled")
