"""Digests, knowledge, privacy and weights sent with an upload."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import Any

import httpx2
import pytest

from simulacra_crds.kube.client import DATASETS, MODELS
from simulacra_crds.names import dataset_name, model_name

CSV = b"segment,price\n" + b"".join(b"loyal,%d.5\n" % (row % 9) for row in range(200))
KNOWLEDGE = {
    "tiers": [["segment"], ["price"]],
    "required": [{"source": "segment", "target": "price"}],
}


def digest(content: bytes, algorithm: str = "sha-256") -> str:
    raw = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(raw).decode()}:"


def form(http: httpx2.AsyncClient, key: str, part: dict[str, str], **data: str) -> httpx2.Request:
    files = {"file": ("t.csv", CSV, "text/csv", part)}
    return http.build_request(
        "POST", "/v1/datasets", files=files, data=data, headers={"Idempotency-Key": key}
    )


@pytest.mark.parametrize("name", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize("on_part", [True, False])
async def test_right_digest_is_accepted_and_wrong_one_stores_nothing(
    world: Any, http: httpx2.AsyncClient, acme: Any, key: str, name: str, on_part: bool
) -> None:
    wrong = form(http, key, {name: digest(b"other")} if on_part else {})
    await wrong.aread()
    if not on_part:
        wrong.headers[name] = f"md5=:AAAA:, {digest(wrong.content + b'x', 'sha-512')}"
    answer = await http.send(wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_digest_mismatch")
    await asyncio.wait_for(acme.erase(DATASETS, dataset_name("acme", key)), 60)
    assert await world.cluster.find(DATASETS, dataset_name("acme", key), "tenant-acme") is None
    right = form(http, f"{key}-2", {name: digest(CSV)} if on_part else {})
    await right.aread()
    if not on_part:
        right.headers[name] = digest(right.content, "sha-512")
    assert (await http.send(right)).status_code == 202


@pytest.mark.one_case_real
@pytest.mark.parametrize("value", ["sha-256=abc", "sha-256", ":", ""])
async def test_malformed_digest_is_named(
    world: Any, http: httpx2.AsyncClient, key: str, value: str
) -> None:
    answer = await http.send(form(http, key, {"Content-Digest": value}))
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")
    assert "RFC 9530" in answer.json()["errors"][0]["detail"]
    assert await world.cluster.find(DATASETS, dataset_name("acme", key), "tenant-acme") is None


async def test_replay_must_match_its_digest(http: httpx2.AsyncClient, key: str) -> None:
    assert (await http.send(form(http, key, {"Content-Digest": digest(CSV)}))).status_code == 202
    answer = await http.send(form(http, key, {"Content-Digest": digest(b"other")}))
    assert answer.json()["code"] == "simio_digest_mismatch"


async def test_knowledge_of_the_form_reaches_the_model(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    assert (
        await http.send(form(http, key, {}, knowledge=json.dumps(KNOWLEDGE)))
    ).status_code == 202
    model = await world.cluster.get(MODELS, model_name(dataset_name("acme", key)), "tenant-acme")
    assert model["spec"]["knowledge"] == KNOWLEDGE | {
        "forbidden": [],
        "confirmed": [],
        "background": "ask",
    }
    other = await http.send(form(http, key, {}, knowledge=json.dumps(KNOWLEDGE | {"required": []})))
    assert other.json()["code"] == "simio_idempotency_conflict"
    assert (
        await http.send(form(http, key, {}, knowledge=json.dumps(KNOWLEDGE)))
    ).status_code == 202


async def test_differential_privacy_of_the_form_reaches_the_model(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    assert (await http.send(form(http, key, {}, epsilon="2.5", delta="1e-5"))).status_code == 202
    model = await world.cluster.get(MODELS, model_name(dataset_name("acme", key)), "tenant-acme")
    assert model["spec"]["privacy"] == {"epsilon": 2.5, "delta": 1e-5}
    wrongs = (
        ({"epsilon": "0"}, "/epsilon"),
        ({"epsilon": "nan"}, "/epsilon"),
        ({"delta": "1e-5"}, "/delta"),
        ({"epsilon": "1", "delta": "0.1"}, "/delta"),
        ({"epsilon": "1", "weights": "price"}, "/epsilon"),
        ({"privacy": "loose"}, "/privacy"),
        ({"privacy": "strict", "epsilon": "1"}, "/privacy"),
        ({"privacy": "strict", "family": "neural"}, "/privacy"),
    )
    for number, (wrong, at) in enumerate(wrongs):
        answer = await http.send(form(http, f"{key}-{number}", {}, **wrong))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, at)


async def test_strict_privacy_of_the_form_reaches_the_model(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    assert (await http.send(form(http, key, {}, privacy="strict"))).status_code == 202
    model = await world.cluster.get(MODELS, model_name(dataset_name("acme", key)), "tenant-acme")
    assert model["spec"]["privacyLevel"] == "strict"
    assert "privacy" not in model["spec"]


async def test_weights_of_the_form_reach_the_dataset(
    world: Any, http: httpx2.AsyncClient, key: str
) -> None:
    assert (await http.send(form(http, key, {}, weights="price"))).status_code == 202
    dataset = await world.cluster.get(DATASETS, dataset_name("acme", key), "tenant-acme")
    assert dataset["spec"]["weights"] == "price"
    other = await http.send(form(http, key, {}))
    assert other.json()["code"] == "simio_idempotency_conflict"
    for wrong in ("", "x" * 257):
        answer = await http.send(form(http, f"{key}-{len(wrong)}", {}, weights=wrong))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/weights")


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("{", "/knowledge"),
        ("[" * 60_000, "/knowledge"),
        ("[]", "/knowledge"),
        ('{"tiers": [[]]}', "/knowledge/tiers/0"),
        ('{"required": [{"source": "segment"}]}', "/knowledge/required/0/target"),
        ('{"surprise": 1}', "/knowledge/surprise"),
    ],
)
async def test_wrong_knowledge_field_is_named(
    http: httpx2.AsyncClient, key: str, text: str, at: str
) -> None:
    answer = await http.send(form(http, key, {}, knowledge=text))
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")
    assert answer.json()["errors"][0]["pointer"] == at
