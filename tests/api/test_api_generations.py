"""Generations: validation, quota, idempotency, failures and progress."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pyarrow as pa
import pytest
import pytest_asyncio

from api_world import TABLE
from simulacra_api.tenancy.repository import snake_case
from simulacra_crds.kube.client import DATASETS, GENERATION_JOBS, MODELS
from simulacra_crds.names import model_name
from simulacra_crds.tasks import IDENTIFICATION, REPORT, SCHEMA
from simulacra_schema.table import ColumnSchema

URL = "/v1/datasets/{}/generations"
PLAIN = {"row_count": 10}


async def _request(
    http: httpx2.AsyncClient, dataset: str, key: str, body: Any = PLAIN
) -> httpx2.Response:
    return await http.post(URL.format(dataset), json=body, headers={"Idempotency-Key": key})


def _categorical(column: str, **shares: float) -> dict[str, Any]:
    return {"row_count": 1, "conditions": {"categorical": {column: shares}}}


def _numeric(column: str, minimum: Any) -> dict[str, Any]:
    return {"row_count": 1, "conditions": {"numeric": {column: {"min": minimum}}}}


def _do(column: str, value: Any) -> dict[str, Any]:
    return {"row_count": 1, "interventions": {column: value}}


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/row_count"]),
        ({"row_count": 0}, ["/row_count"]),
        ({"row_count": "10"}, ["/row_count"]),
        ({"persons": 5}, ["/persons"]),
        ({"persons": 5, "row_count": 10}, ["/persons"]),
        ({"persons": 0}, ["/persons"]),
        ({"row_count": 1_000_001}, ["/row_count"]),
        ({"row_count": 1, "retention_seconds": 604_801}, ["/retention_seconds"]),
        ({"row_count": 1, "format": "ods"}, ["/format"]),
        ({"row_count": 1, "color": 1}, ["/color"]),
        ({"row_count": 1, "seed": -1}, ["/seed"]),
        (
            _categorical("segment", genz_switcher=1.5),
            ["/conditions/categorical/segment/genz_switcher"],
        ),
        (_categorical("segment", none=0.5), ["/conditions/categorical/segment/none"]),
        (
            _categorical("segment", loyal=0.7, genz_switcher=0.7),
            ["/conditions/categorical/segment"],
        ),
        (
            {
                "row_count": 1,
                "conditions": {
                    "categorical": {"no/pe": {"x": 1}},
                    "numeric": {"price": {"min": 20}},
                },
            },
            ["/conditions/categorical/no~1pe", "/conditions/numeric/price"],
        ),
        (
            {
                "row_count": 1,
                "conditions": {
                    "quotas": [
                        {"where": {"segment": "loyall", "price": {"min": 5}}, "share": 0.1},
                        {"where": {"segment": ["loyal"]}, "min": 0.3, "max": 0.2},
                    ]
                },
            },
            ["/conditions/quotas/0/where/segment/levels/0", "/conditions/quotas/1"],
        ),
        (
            {
                "row_count": 1,
                "conditions": {
                    "categorical": {"segment": {"loyal": 0.2}},
                    "quotas": [
                        {"where": {"segment": "loyal", "price": {"min": 5}}, "share": 0.3},
                    ],
                },
            },
            ["/conditions/quotas/0"],
        ),
        (_numeric("price", "a"), ["/conditions/numeric/price/min"]),
        (_numeric("id", 1), ["/conditions/numeric/id"]),
        (_do("segment", "none"), ["/interventions/segment"]),
        ({"row_count": 1, "counterfactual": True}, ["/counterfactual", "/row_count"]),
        (_do("price", 5) | {"row_count": 2, "counterfactual": "maybe"}, ["/counterfactual"]),
        (_do("price", "dear"), ["/interventions/price"]),
        (_do("price", True), ["/interventions/price"]),
        (_do("price", [1]), ["/interventions/price"]),
        (_do("price", 10**400), ["/interventions/price"]),
    ],
)
async def test_each_wrong_field_is_named_and_no_resource_is_created(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, body: Any, pointers: list[str]
) -> None:
    answer = await _request(http, ready, key, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    made = [item async for item in world.cluster.list(GENERATION_JOBS, "tenant-acme")]
    labels = [item["metadata"].get("labels", {}) for item in made]
    assert ready not in [one.get("simulacra.dev/dataset") for one in labels]


async def test_counterfactual_can_set_a_column_with_a_condition(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    body = {
        "row_count": 10,
        "conditions": {"categorical": {"segment": {"loyal": 1.0}}},
        "interventions": {"segment": "genz_switcher"},
        "counterfactual": True,
    }
    answer = await _request(http, ready, key, body)
    assert answer.status_code == 202
    made = await world.cluster.get(GENERATION_JOBS, answer.json()["generation_id"], "tenant-acme")
    assert made["spec"]["counterfactual"] is True
    shown = (await http.get(f"/v1/generations/{answer.json()['generation_id']}")).json()
    assert (shown["counterfactual"], shown["identification"]) == (True, None)
    other = await _request(http, ready, f"{key}-do", body | {"counterfactual": False})
    assert other.json()["errors"][0]["pointer"] == "/interventions/segment"


async def test_true_is_a_level_of_a_yes_no_column(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    levels = [{"value": word, "share": 0.5} for word in ("false", "true")]
    paid = ColumnSchema.model_validate(
        {"name": "paid", "kind": "boolean", "storage": "string", "levels": levels}
    )
    table = TABLE.model_copy(update={"columns": [*TABLE.columns, paid]})
    await acme.write(DATASETS, ready, SCHEMA, table.model_dump_json(by_alias=True).encode())
    answer = await _request(http, ready, key, _do("paid", True))
    await acme.write(DATASETS, ready, SCHEMA, TABLE.model_dump_json(by_alias=True).encode())
    assert answer.status_code == 202
    shown = (await http.get(f"/v1/generations/{answer.json()['generation_id']}")).json()
    assert shown["interventions"] == {"paid": "true"}


@pytest.mark.parametrize("kind", ["assumed", "open", None])
async def test_rows_under_do_carry_the_verdict_of_an_effect(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any, kind: str | None
) -> None:
    body = {"row_count": 2, "interventions": {"price": 3}}
    name = (await _request(http, ready, key, body)).json()["generation_id"]
    stored: dict[str, Any] = {"identified": True, "warnings": ["thin"]}
    if kind is not None:
        stored["verdict"] = {"kind": kind, "text": "words", "restsOn": [], "asks": None}
    await acme.write(GENERATION_JOBS, name, IDENTIFICATION, json.dumps(stored).encode())
    await acme.generate(name, [pa.table({"price": [3.0, 3.0]})])
    shown = (await http.get(f"/v1/generations/{name}")).json()["identification"]
    assert (shown["identified"], shown["warnings"]) == (kind == "assumed", ["thin"])
    words = {"kind": kind, "text": "words", "rests_on": [], "asks": None}
    assert shown["verdict"] == (None if kind is None else words)


async def test_rows_are_judged_by_their_models_figures_or_by_their_report_without_it(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    async def judged() -> dict[str, str]:
        shown = (await http.get(f"/v1/generations/{name}")).json()["verdicts"]
        return {one["code"]: one["level"] for one in shown}

    name = (await _request(http, ready, key)).json()["generation_id"]
    assert await judged() == {}
    await acme.generate(name, [pa.table({"price": [3.0] * 10})])
    await acme.status(GENERATION_JOBS, name, worth=9.0)
    model = model_name(ready)
    pairs = dict.fromkeys(("pairs_kept", "pairs_weakened", "pairs_lost", "pairs_unmeasured"), 0.0)
    await acme.status(MODELS, model, figures={"c2st_auc": 0.55, "kept_ratio": 0.5, **pairs})
    assert await judged() == {"likeness": "fair", "privacy": "unknown", "worth": "fair"}
    told = {"code": "privacy", "level": "poor", "sentence": "Copies.", "remedy": None}
    content = json.dumps({"verdicts": [told]}).encode()
    await acme.write(GENERATION_JOBS, name, REPORT, content)
    # As the operator does at the end (ADR 0051), so that the rows outlive the model.
    free = {"metadata": {"ownerReferences": []}}
    await world.cluster.patch(GENERATION_JOBS, name, free, "tenant-acme")
    await world.cluster.delete(MODELS, model, "tenant-acme")
    await acme.erase(MODELS, model)
    assert await judged() == {"privacy": "poor"}


async def test_generation_can_leave_out_the_evidence_weight(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    specs = []
    for name, body in ((key, {"row_count": 10}), (f"{key}-none", {"row_count": 10})):
        wanted = body | ({"evidence": False} if name != key else {})
        made = (await _request(http, ready, name, wanted)).json()["generation_id"]
        specs.append((await world.cluster.get(GENERATION_JOBS, made, "tenant-acme"))["spec"])
    assert [spec.get("evidence", True) for spec in specs] == [True, False]
    # The key of a request from before the field is good for the same request with its default.
    again = await _request(http, ready, key, {"row_count": 10, "evidence": True})
    assert again.status_code == 202
    other = await _request(http, ready, key, {"row_count": 10, "evidence": False})
    assert other.json()["code"] == "simio_idempotency_conflict"


async def test_row_limit_error_names_the_limit(world: Any, key: str) -> None:
    async with world.client("tiny") as http:
        files = {"file": ("t.csv", b"a,b\n1,2\n")}
        dataset = (
            await http.post("/v1/datasets", files=files, headers={"Idempotency-Key": key})
        ).json()["dataset_id"]
        answer = await _request(http, dataset, key, {"row_count": 5001})
        assert answer.status_code == 400
        assert "5000 rows" in answer.json()["errors"][0]["detail"]


@pytest.mark.one_case_real
@pytest.mark.parametrize("content", [b"{", b"", b"[]", b'"x"', b"null", b'{"row_count": NaN}'])
async def test_body_that_is_not_an_object_is_refused(
    http: httpx2.AsyncClient, ready: str, key: str, content: bytes
) -> None:
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    answer = await http.post(URL.format(ready), content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    "content",
    [
        b'{"row_count": 1, "\\ud800": 1}',
        b'{"row_count": 1, "interventions": {"segment": "\\ud800"}}',
        b'{"row_count": 1, "interventions": {"\\ud800": 1}}',
        b'{"row_count": 1, "conditions": {"categorical": {"\\ud800": {"x": 1}}}}',
        b'{"row_count": 1, "conditions": {"numeric": {"price": {"min": NaN}}}}',
        b'{"row_count": 1, "conditions": {"numeric": {"price": {"min": 1e999}}}}',
        b'{"row_count": 1, "interventions": {"price": Infinity}}',
        b'{"row_count": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"row_count": 1, "conditions": ' + b'{"a":' * 50_000,
    ],
)
async def test_hostile_json_is_a_400(
    http: httpx2.AsyncClient, ready: str, key: str, content: bytes
) -> None:
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    answer = await http.post(URL.format(ready), content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")


async def test_other_content_types_and_large_bodies_are_refused(
    http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    headers = {"Idempotency-Key": key, "Content-Type": "application/x-www-form-urlencoded"}
    assert (
        await http.post(URL.format(ready), content=b"row_count=1", headers=headers)
    ).status_code == 415
    headers["Content-Type"] = "application/json"
    answer = await http.post(URL.format(ready), content=b" " * (2 << 20) + b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "simio_file_too_large")


async def test_key_repeats_its_generation_and_conflicts_with_another_body(
    http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    body = {"row_count": 10, "interventions": {"price": 5, "segment": "loyal"}}
    first = await _request(http, ready, key, body)
    second = await _request(http, ready, key, dict(reversed(body.items())))
    assert first.status_code == 202
    assert first.json() == second.json()
    conflict = await _request(http, ready, key, {"row_count": 11})
    assert (conflict.status_code, conflict.json()["code"]) == (409, "simio_idempotency_conflict")
    shown = (await http.get(f"/v1/generations/{first.json()['generation_id']}")).json()
    assert shown["interventions"] == {"price": 5, "segment": "loyal"}
    assert shown["artifact_url"] is None


async def test_concurrent_requests_create_one_generation(
    http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    answers = await asyncio.gather(*(_request(http, ready, key) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1


async def test_many_rows_are_split_into_shards(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    name = (await _request(http, ready, key, {"row_count": 500_001, "seed": 7})).json()[
        "generation_id"
    ]
    spec = (await world.cluster.get(GENERATION_JOBS, name, "tenant-acme"))["spec"]
    assert (spec["shards"], spec["seed"], spec["rowCount"]) == (2, 7, 500_001)


@pytest_asyncio.fixture(loop_scope="session")
async def of_persons(world: Any, ready: str) -> AsyncIterator[str]:
    """A dataset of 100 rows of 25 persons; `segment` is constant within each."""
    person = ColumnSchema(
        name="person", kind="identifier", storage="string", learned=False, role="subject"
    )
    columns = [c.model_copy(update={"per_person": c.name == "segment"}) for c in TABLE.columns]
    linked = TABLE.model_copy(update={"persons": 25, "columns": [*columns, person]})
    for schema in (linked, TABLE):
        content = schema.model_dump_json(by_alias=True).encode()
        await world.stand_in().write(DATASETS, ready, SCHEMA, content)
        if schema is linked:
            yield ready


async def test_persons_are_requested_with_the_rows_that_are_expected(
    world: Any, http: httpx2.AsyncClient, of_persons: str, key: str
) -> None:
    shares = {"categorical": {"segment": {"loyal": 0.5}}}
    answer = await _request(http, of_persons, key, {"persons": 10, "conditions": shares})
    assert answer.json()["row_count"] == 40
    name = answer.json()["generation_id"]
    spec = (await world.cluster.get(GENERATION_JOBS, name, "tenant-acme"))["spec"]
    assert (spec["persons"], spec["rowCount"], spec["shards"]) == (10, 40, 1)
    assert (await http.get(f"/v1/generations/{name}")).json()["persons"] == 10


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"persons": 10, "interventions": {"price": 5}}, "/interventions/price"),
        ({"persons": 300_000}, "/persons"),
    ],
)
async def test_what_persons_cannot_have_is_refused_by_its_pointer(
    http: httpx2.AsyncClient, of_persons: str, key: str, body: Any, where: str
) -> None:
    refused = await _request(http, of_persons, key, body)
    assert refused.status_code == 400
    assert [one["pointer"] for one in refused.json()["errors"]] == [where]


async def test_generation_needs_the_schema_and_can_wait_for_the_model(
    http: httpx2.AsyncClient, uploaded: str, acme: Any, key: str
) -> None:
    early = await _request(http, uploaded, key)
    assert (early.status_code, early.json()["code"]) == (409, "simio_dataset_not_ready")
    assert early.headers["retry-after"]
    assert (await http.get(f"/v1/datasets/{uploaded}/schema")).status_code == 409
    await acme.prepare(uploaded)
    assert (await http.get(f"/v1/datasets/{uploaded}/report")).status_code == 409
    assert (await _request(http, uploaded, key)).status_code == 202


async def test_failed_prepare_gives_the_customer_the_reason(
    http: httpx2.AsyncClient, uploaded: str, acme: Any, key: str
) -> None:
    await acme.fail(
        DATASETS, uploaded, "UploadInvalid", "two columns are called price", "/columns/1"
    )
    job = (await http.get(f"/v1/jobs/job-{uploaded}")).json()
    assert job["status"] == "failed"
    expected = {
        "code": "simio_upload_invalid",
        "detail": "two columns are called price",
        "pointer": "/columns/1",
        "errors": [],
    }
    assert job["error"] == expected
    refused = await _request(http, uploaded, key)
    assert (refused.status_code, refused.json()["code"]) == (409, "simio_dataset_failed")
    assert (await http.get(f"/v1/datasets/{uploaded}/schema")).json()[
        "code"
    ] == "simio_dataset_failed"


async def test_failed_fit_fails_the_job_and_later_generations(
    http: httpx2.AsyncClient, ready: str, acme: Any, key: str
) -> None:
    await acme.status(
        MODELS, model_name(ready), phase="Failed", lastFailure=_failure("OutOfMemory")
    )
    job = (await http.get(f"/v1/jobs/job-{ready}")).json()
    assert (job["status"], job["error"]["code"]) == ("failed", "simio_processing_failed")
    assert (await _request(http, ready, key)).json()["code"] == "simio_dataset_failed"


async def test_infeasible_conditions_fail_the_generation(
    http: httpx2.AsyncClient, ready: str, acme: Any, key: str
) -> None:
    name = (await _request(http, ready, key)).json()["generation_id"]
    await acme.fail(GENERATION_JOBS, name, "ConditionsInfeasible", "no row has both", "/conditions")
    shown = (await http.get(f"/v1/generations/{name}")).json()
    assert shown["status"] == "failed"
    assert shown["error"]["code"] == "simio_conditions_infeasible"
    assert shown["artifact_url"] is None


async def test_progress_comes_from_the_report_of_the_job(
    http: httpx2.AsyncClient, ready: str, acme: Any, key: str
) -> None:
    answer = (await _request(http, ready, key)).json()
    await acme.progress(GENERATION_JOBS, answer["generation_id"], 40, 3)
    job = (await http.get(f"/v1/jobs/{answer['job_id']}")).json()
    assert (job["status"], job["progress_percent"], job["eta_seconds"]) == ("running", 40, 3)


@pytest.mark.parametrize(("silent", "left"), [(3, 10), (60, 60), (960, 960)])
async def test_work_that_stands_still_is_not_promised_to_end_soon(
    http: httpx2.AsyncClient, ready: str, acme: Any, key: str, silent: int, left: int
) -> None:
    answer = (await _request(http, ready, key)).json()
    await acme.progress(GENERATION_JOBS, answer["generation_id"], 91, 10, silent=silent)
    job = (await http.get(f"/v1/jobs/{answer['job_id']}")).json()
    assert left <= job["eta_seconds"] <= left + 30


def _failure(reason: str) -> dict[str, Any]:
    return {"reason": reason, "message": "m", "time": "2026-01-01T00:00:00Z"}


def test_columns_of_a_cell_are_called_as_the_table_calls_them() -> None:
    made = {"quotas": [{"where": {"NetIncome": {"min": 900}}, "effectiveRows": 17.0}]}
    shown = {"quotas": [{"where": {"NetIncome": {"min": 900}}, "effective_rows": 17.0}]}
    assert snake_case(made) == shown
