"""Drafts over REST: a file in the answer, nothing stored, faults at their place in the request."""

from __future__ import annotations

import copy
import csv
import io
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulacra_schema.drafts.table import KEY, LABEL, MARK

DESCRIPTION: dict[str, Any] = {
    "name": "panel",
    "schema": {
        "fields": [
            {"name": "region", "type": "string", "categories": ["north", "south"]},
            {"name": "age", "type": "integer", "constraints": {"minimum": 18, "maximum": 79}},
        ]
    },
}
QUOTA = {"where": {"region": "north", "age": {"max": 29}}, "share": 0.2}


async def test_draft_is_a_file_that_nothing_keeps(http: httpx2.AsyncClient) -> None:
    body = {"description": DESCRIPTION, "row_count": 50, "conditions": {"quotas": [QUOTA]}}
    before = (await http.get("/v1/generations")).json()
    answer = await http.post("/v1/drafts", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="draft.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["draft"] for row in rows} == {MARK}
    assert sum(row["region"] == "north" and int(row["age"]) <= 29 for row in rows) == 10
    assert (await http.post("/v1/drafts", json=body)).text == answer.text
    assert (await http.get("/v1/generations")).json() == before


@pytest.mark.parametrize("form", ["parquet", "arrow"])
async def test_draft_says_so_in_the_metadata_of_a_file(http: httpx2.AsyncClient, form: str) -> None:
    answer = await http.post(f"/v1/drafts?format={form}", json={"description": DESCRIPTION})
    content = pa.BufferReader(answer.content)
    rows = pq.read_table(content) if form == "parquet" else pa.ipc.open_file(content).read_all()
    assert rows.num_rows == 500
    assert rows.schema.metadata[KEY] == LABEL.encode()


async def test_faults_of_a_description_have_their_place(http: httpx2.AsyncClient) -> None:
    described = copy.deepcopy(DESCRIPTION)
    del described["schema"]["fields"][0]["categories"]
    del described["schema"]["fields"][1]["constraints"]
    answer = await http.post("/v1/drafts", json={"description": described})
    assert answer.status_code == 422
    assert answer.json()["code"] == "simio_description_invalid"
    said = {one["pointer"]: one["detail"] for one in answer.json()["errors"]}
    assert set(said) == {"/description/schema/fields/0", "/description/schema/fields/1"}
    assert 'the levels of "region"' in said["/description/schema/fields/0"]


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"row_count": 10_001}, "/row_count"),
        ({"row_count": 0}, "/row_count"),
        ({"row_count": "many"}, "/row_count"),
        ({"conditions": {"quotas": [{**QUOTA, "share": 2}]}}, "/conditions/quotas/0/share"),
        (
            {"conditions": {"categorical": {"region": {"west": 0.5}}}},
            "/conditions/categorical/region/west",
        ),
        (
            {"conditions": {"quotas": [QUOTA], "numeric": {"age": {"min": 30}}}},
            "/conditions/quotas/0",
        ),
        ({"rows": 5}, "/rows"),
    ],
)
async def test_wrong_field_of_a_draft_is_named(
    http: httpx2.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    answer = await http.post("/v1/drafts", json={"description": DESCRIPTION, **change})
    assert answer.status_code == 400
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]


async def test_draft_needs_a_token(http: httpx2.AsyncClient) -> None:
    body = {"description": DESCRIPTION}
    answer = await http.post("/v1/drafts", json=body, headers={"Authorization": ""})
    assert answer.status_code == 401
