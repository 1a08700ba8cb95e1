"""Effect estimates: validation, answer, list, erasure."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from simulacra_crds.kube.client import EFFECT_ESTIMATES

QUESTION = {
    "treatment": "price",
    "value": 9,
    "baseline": 5,
    "outcome": "segment",
    "outcome_level": "loyal",
}


async def _request(http: httpx2.AsyncClient, dataset: str, key: str, body: Any) -> httpx2.Response:
    return await http.post(
        f"/v1/datasets/{dataset}/effects", json=body, headers={"Idempotency-Key": key}
    )


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"treatment": "none"}, ["/treatment"]),
        ({"treatment": "id"}, ["/treatment"]),
        ({"value": "dear"}, ["/value"]),
        ({"value": 5}, ["/baseline"]),
        ({"value": True}, ["/value"]),
        ({"outcome": "none"}, ["/outcome"]),
        ({"outcome": "price", "outcome_level": None}, ["/outcome"]),
        ({"outcome_level": None}, ["/outcome_level"]),
        ({"outcome_level": "nobody"}, ["/outcome_level"]),
        ({"segment": "none"}, ["/segment"]),
        ({"segment": "price"}, ["/segment"]),
        (
            {
                "treatment": "segment",
                "value": "x",
                "baseline": "loyal",
                "outcome": "price",
                "outcome_level": "1",
            },
            ["/value", "/outcome_level"],
        ),
        ({"retention_seconds": 604_801}, ["/retention_seconds"]),
        ({"color": 1}, ["/color"]),
    ],
)
async def test_each_wrong_field_is_named(
    world: Any,
    http: httpx2.AsyncClient,
    ready: str,
    key: str,
    change: dict[str, Any],
    pointers: list[str],
) -> None:
    answer = await _request(http, ready, key, QUESTION | change)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field"), answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    made = [item async for item in world.cluster.list(EFFECT_ESTIMATES, "tenant-acme")]
    assert not [
        item for item in made if item["metadata"]["labels"]["simulacra.dev/dataset"] == ready
    ]


async def test_effect_from_request_to_erasure(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    asked = await _request(http, ready, key, QUESTION)
    assert asked.status_code == 202, asked.text
    effect, job = asked.json()["effect_id"], asked.json()["job_id"]
    assert asked.headers["location"] == f"{world.url}/v1/jobs/{job}"
    assert (await _request(http, ready, key, QUESTION)).json() == asked.json()
    assert (await _request(http, ready, key, QUESTION | {"value": 8})).json()[
        "code"
    ] == "simio_idempotency_conflict"
    waiting = await http.get(f"/v1/effects/{effect}")
    assert (waiting.json()["status"], waiting.json()["ace"]) == ("queued", None)
    assert waiting.headers["retry-after"] == "2"
    spec = (await world.cluster.get(EFFECT_ESTIMATES, effect, "tenant-acme"))["spec"]
    assert (spec["treatment"], spec["value"], spec["outcome"]) == (
        "price",
        {"number": 9},
        "segment=loyal",
    )

    await acme.estimate(effect)
    assert (await http.get(f"/v1/jobs/{job}")).json()["effect_id"] == effect
    shown = (await http.get(f"/v1/effects/{effect}")).json()
    assert shown["ace"] == {"effect": -0.4, "low": -0.6, "high": -0.2, "rows": 100, "support": 0.9}
    assert shown["segments"][0]["level"] == "loyal"
    assert (shown["identified"], shown["method"], shown["warnings"]) == (True, "aipw", ["few rows"])
    listed = (await http.get(f"/v1/effects?dataset_id={ready}&status=ready")).json()["items"]
    assert [item["effect_id"] for item in listed] == [effect]
    async with world.client("globex") as other:
        for call in (other.get, other.delete):
            assert (await call(f"/v1/effects/{effect}")).json()["code"] == "simio_effect_not_found"

    erased = asyncio.gather(acme.erase(EFFECT_ESTIMATES, effect))
    assert (await http.delete(f"/v1/effects/{effect}")).status_code == 204
    await erased
    assert (await http.get(f"/v1/effects/{effect}")).status_code == 404


async def test_failed_effect_gives_the_reason(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    effect = (await _request(http, ready, key, QUESTION)).json()["effect_id"]
    await acme.fail(EFFECT_ESTIMATES, effect, "RequestInvalid", "nobody paid 9", "/value")
    shown = (await http.get(f"/v1/effects/{effect}")).json()
    assert shown["error"] == {
        "code": "simio_invalid_field",
        "detail": "nobody paid 9",
        "pointer": "/value",
    }
    assert shown["ace"] is None


async def test_effect_is_refused_until_the_dataset_is_ready(
    http: httpx2.AsyncClient, uploaded: str, key: str
) -> None:
    refused = await _request(http, uploaded, key, QUESTION)
    assert (refused.status_code, refused.json()["code"]) == (409, "simio_dataset_not_ready")
