"""Completions: rows that are given, what is refused, and the answer without a given cell."""

from __future__ import annotations

import uuid
from typing import Any

import httpx2
import pyarrow as pa
import pytest

from simulacra_crds.kinds.base import LABEL_DATASET, LABEL_GIVEN
from simulacra_crds.kube.client import DATASETS, GENERATION_JOBS, MODELS, NotFound
from simulacra_crds.names import model_name
from simulacra_crds.tasks import COMPLETION
from simulacra_schema.completion import CompletionReport, FilledColumn

NAMESPACE = "tenant-acme"
CSV = b"segment,price\n" + b"loyal,\n" * 30
GIVEN = {"given": {}}
REPORT = CompletionReport(
    rows=30,
    implicates=10,
    gaps=30,
    filled=29,
    nested=True,
    sweeps=0,
    columns=[
        FilledColumn(
            column="price",
            gaps=30,
            filled=29,
            left_empty=1,
            donors=97,
            worth=12.5,
            check=None,
            converged=True,
        )
    ],
)


async def _ask(http: httpx2.AsyncClient, dataset: str, body: Any, key: str = "") -> httpx2.Response:
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    return await http.post(f"/v1/datasets/{dataset}/generations", json=body, headers=headers)


async def _upload(http: httpx2.AsyncClient, key: str, **fields: str) -> httpx2.Response:
    return await http.post(
        "/v1/datasets",
        data={"fit": "false", **fields},
        files={"file": ("given.csv", CSV, "text/csv")},
        headers={"Idempotency-Key": key},
    )


async def _given(world: Any, http: httpx2.AsyncClient, rows: int = 30) -> str:
    """Return the id of given rows that were read."""
    answer = await _upload(http, uuid.uuid4().hex)
    assert answer.status_code == 202, answer.text
    name = answer.json()["dataset_id"]
    await world.stand_in().status(DATASETS, name, phase="Ready", rows=rows, columns=2)
    return str(name)


async def test_given_rows_have_no_model_and_are_ready_without_one(
    world: Any, http: httpx2.AsyncClient
) -> None:
    name = await _given(world, http)
    with pytest.raises(NotFound):
        await world.cluster.get(MODELS, model_name(name), NAMESPACE)
    spec = (await world.cluster.get(DATASETS, name, NAMESPACE))["spec"]
    assert spec["purpose"] == "Given"
    found = (await http.get(f"/v1/datasets/{name}")).json()
    assert (found["purpose"], found["status"], found["model"]) == ("given", "ready", None)
    job = (await http.get(f"/v1/jobs/{found['job_id']}")).json()
    assert (job["status"], job["progress_percent"]) == ("ready", 100)


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    "field",
    [
        {"family": "forest"},
        {"weights": "w"},
        {"epsilon": "1"},
        {"privacy": "strict"},
        {"hold": "true"},
        {"keep_source": "true"},
    ],
)
async def test_how_a_model_is_fit_cannot_be_said_of_given_rows(
    http: httpx2.AsyncClient, field: dict[str, str], key: str
) -> None:
    answer = await _upload(http, key, **field)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/fit"
    assert next(iter(field)) in error["detail"]


@pytest.mark.parametrize("what", ["schema", "report", "graph", "knowledge", "description"])
async def test_given_rows_answer_for_no_model(
    world: Any, http: httpx2.AsyncClient, what: str
) -> None:
    answer = await http.get(f"/v1/datasets/{await _given(world, http)}/{what}")
    assert (answer.status_code, answer.json()["code"]) == (409, "simio_given_rows")


async def test_a_model_of_given_rows_generates_nothing(
    world: Any, http: httpx2.AsyncClient
) -> None:
    answer = await _ask(http, await _given(world, http), {"row_count": 10})
    assert (answer.status_code, answer.json()["code"]) == (409, "simio_given_rows")


async def test_a_completion_names_its_rows_and_has_their_label(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    given = await _given(world, http)
    sign = {"first": "price", "second": "spend", "sign": "positive", "levels": ["5", "low"]}
    stated = {"pairs": [{"first": "price", "second": "city"}], "sign": [sign]}
    options = {"columns": ["price"], "implicates": 5, **stated}
    asked = {"given": {"dataset_id": given, **options}, "seed": 3}
    answer = await _ask(http, ready, asked, key)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["row_count"], answer.json()["seed"]) == (0, 3)
    name = answer.json()["generation_id"]
    made = await world.cluster.get(GENERATION_JOBS, name, NAMESPACE)
    labels = made["metadata"]["labels"]
    assert (labels[LABEL_DATASET], labels[LABEL_GIVEN]) == (ready, given)
    assert made["spec"]["given"] == {
        "datasetRef": {"name": given},
        **options,
    }
    body = (await http.get(f"/v1/generations/{name}")).json()
    assert body["given"]["sign"] == [sign]
    assert "rowCount" not in made["spec"]
    again = await _ask(http, ready, asked, key)
    assert again.json()["generation_id"] == name
    other = await _ask(http, ready, {"given": {"dataset_id": given}}, key)
    assert other.json()["code"] == "simio_idempotency_conflict"


async def test_its_own_gaps_are_filled_without_another_dataset(
    world: Any, http: httpx2.AsyncClient, ready: str
) -> None:
    answer = await _ask(http, ready, {**GIVEN, "retention_seconds": 60})
    made = await world.cluster.get(GENERATION_JOBS, answer.json()["generation_id"], NAMESPACE)
    assert made["spec"]["given"] == {}
    assert LABEL_GIVEN not in made["metadata"]["labels"]


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"given": {}, "row_count": 10}, ["/row_count"]),
        ({"given": {}, "persons": 10}, ["/persons"]),
        (
            {"given": {}, "conditions": {"numeric": {"price": {"min": 5}}}},
            ["/conditions"],
        ),
        ({"given": {}, "interventions": {"price": 5}}, ["/interventions"]),
        ({"given": {}, "counterfactual": True}, ["/counterfactual"]),
        ({"given": {"columns": ["prise"]}}, ["/given/columns/0"]),
        ({"given": {"columns": ["price", "price"]}}, ["/given/columns/1"]),
        ({"given": {"columns": []}}, ["/given/columns"]),
        ({"given": {"implicates": 1}}, ["/given/implicates"]),
        ({"given": {"pairs": [{"first": "price", "second": "price"}]}}, ["/given/pairs/0/second"]),
        ({"given": {"pairs": [{"first": "price"}]}}, ["/given/pairs/0/second"]),
        ({"given": {"independent": []}}, ["/given/independent"]),
        (
            {"given": {"sign": [{"first": "price", "second": "z", "sign": "more"}]}},
            ["/given/sign/0/sign"],
        ),
        (
            {"given": {"impossible": [{"first": "price", "second": "z", "levels": ["1"]}]}},
            ["/given/impossible/0/levels"],
        ),
        ({"given": {"implicates": 51}}, ["/given/implicates"]),
        ({"given": {"unknown": "guess"}}, ["/given/unknown"]),
        ({"given": {"rows": [{"price": 1}]}}, ["/given/rows"]),
    ],
)
async def test_what_a_completion_cannot_be_is_refused_by_its_pointer(
    http: httpx2.AsyncClient, ready: str, body: Any, pointers: list[str]
) -> None:
    answer = await _ask(http, ready, body)
    assert answer.status_code == 400, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


async def test_a_misspelled_column_is_answered_with_the_nearest(
    http: httpx2.AsyncClient, ready: str
) -> None:
    answer = await _ask(http, ready, {"given": {"columns": ["prise"]}})
    assert 'Did you mean "price"?' in answer.json()["errors"][0]["detail"]


async def test_rows_of_another_tenant_are_not_found(
    world: Any, http: httpx2.AsyncClient, ready: str
) -> None:
    given = await _given(world, http)
    async with world.client("globex") as other:
        answer = await _ask(other, ready, {"given": {"dataset_id": given}})
        assert answer.json()["code"] == "simio_dataset_not_found"
        theirs = await _upload(other, uuid.uuid4().hex)
    foreign = theirs.json()["dataset_id"]
    for name in (foreign, "ds-nobody", "../secret"):
        answer = await _ask(http, ready, {"given": {"dataset_id": name}})
        assert (answer.status_code, answer.json()["code"]) == (404, "simio_dataset_not_found")


async def test_rows_that_were_cleaned_for_a_model_are_refused(
    http: httpx2.AsyncClient, ready: str, uploaded: str
) -> None:
    answer = await _upload(http, uuid.uuid4().hex, fit="true")
    answer = await _ask(http, ready, {"given": {"dataset_id": answer.json()["dataset_id"]}})
    assert answer.json()["errors"][0]["pointer"] == "/given/dataset_id"
    assert "fit: false" in answer.json()["errors"][0]["detail"]


async def test_rows_that_are_not_read_yet_are_waited_for(
    http: httpx2.AsyncClient, ready: str
) -> None:
    given = (await _upload(http, uuid.uuid4().hex)).json()["dataset_id"]
    answer = await _ask(http, ready, {"given": {"dataset_id": given}})
    assert (answer.status_code, answer.json()["code"]) == (409, "simio_dataset_not_ready")
    assert answer.headers["Retry-After"] == "2"


async def test_more_rows_than_can_be_completed_are_refused(
    world: Any, http: httpx2.AsyncClient, ready: str
) -> None:
    given = await _given(world, http, rows=100_001)
    answer = await _ask(http, ready, {"given": {"dataset_id": given}})
    assert answer.json()["errors"][0]["pointer"] == "/given/dataset_id"
    given = await _given(world, http, rows=100_000)
    asked = {"given": {"dataset_id": given, "implicates": 50}}
    answer = await _ask(http, ready, asked)
    assert answer.json()["errors"][0]["pointer"] == "/given", "the tenant's limit of rows"


async def test_the_answer_has_the_report_and_a_link_to_what_was_filled(
    world: Any, http: httpx2.AsyncClient, ready: str
) -> None:
    answer = await _ask(http, ready, GIVEN)
    name, acme = answer.json()["generation_id"], world.stand_in()
    filled = pa.table({"row": [0], "implicate": pa.array([1], pa.int32()), "price": [9.5]})
    await acme.generate(name, [filled])
    await acme.write(
        GENERATION_JOBS, name, COMPLETION, REPORT.model_dump_json(by_alias=True).encode()
    )
    body = (await http.get(f"/v1/generations/{name}")).json()
    assert body["row_count"] == body["rows"] == 1
    found = body["completion"]
    assert (found["rows"], found["gaps"], found["filled"]) == (30, 30, 29)
    assert (found["columns"][0]["column"], found["columns"][0]["worth"]) == ("price", 12.5)
    assert body["attainment"] is body["evidence"] is None
    assert body["verdicts"] == []
    assert body["given"]["implicates"] == 10
    assert body["given"]["dataset_id"] is None
    listed = (await http.get("/v1/generations")).json()["items"]
    assert next(one for one in listed if one["generation_id"] == name)["given"] is not None
    rows = await http.get(body["artifact_url"] + "&format=csv")
    assert rows.text.splitlines()[0] == '"row","implicate","price"'
