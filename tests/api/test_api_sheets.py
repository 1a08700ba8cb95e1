"""Answer sheets: validation, answers and files, list, erasure."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from simulacra_crds.kube.client import ANSWER_SHEETS

LEVER = {"column": "price", "value": 9, "baseline": 5, "before": ["region"], "after": []}
QUESTION: dict[str, Any] = {
    "outcome": "segment",
    "outcome_level": "loyal",
    "levers": [LEVER],
    "after": ["segment"],
}


async def _request(http: httpx2.AsyncClient, dataset: str, key: str, body: Any) -> httpx2.Response:
    return await http.post(
        f"/v1/datasets/{dataset}/sheets", json=body, headers={"Idempotency-Key": key}
    )


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"outcome": "none"}, "/outcome"),
        ({"outcome_level": "none"}, "/outcome_level"),
        ({"levers": [{"column": "none"}]}, "/levers/0/column"),
        ({"levers": [LEVER | {"value": 5}]}, "/levers/0/baseline"),
        ({"levers": [{"column": "price", "value": 5}]}, "/levers/0/value"),
        ({"levers": [{"column": "region", "value": "west", "baseline": "x"}]}, "/levers/0/value"),
        ({"levers": [{"column": "region", "value": "x" * 513}]}, "/levers/0/value"),
        ({"levers": [LEVER, LEVER | {"value": str(LEVER["value"])}]}, "/levers/1"),
        ({"before": ["price"]}, "/before/0"),
        ({"color": 1}, "/color"),
    ],
)
async def test_each_wrong_field_is_named(
    http: httpx2.AsyncClient, ready: str, key: str, change: dict[str, Any], pointer: str
) -> None:
    answer = await _request(http, ready, key, QUESTION | change)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field"), answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_answer_sheet_from_request_to_erasure(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    asked = await _request(http, ready, key, QUESTION)
    assert asked.status_code == 202, asked.text
    sheet, job = asked.json()["sheet_id"], asked.json()["job_id"]
    path = f"/v1/sheets/{sheet}"
    assert (await _request(http, ready, key, QUESTION)).json() == asked.json()
    other = await _request(http, ready, key, QUESTION | {"levers": []})
    assert other.json()["code"] == "simio_idempotency_conflict"
    waiting = (await http.get(path)).json()
    assert (waiting["status"], waiting["levers"], waiting["asked"]) == ("queued", None, [LEVER])
    first = (await http.get(f"/v1/sheets?dataset_id={ready}")).json()["items"][0]
    assert (first["sheet_id"], first["job_id"], first["status"]) == (sheet, job, "queued")
    for form in ("page", "xlsx", "program"):
        early = await http.get(f"{path}/{form}")
        assert (early.status_code, early.json()["code"]) == (409, "simio_sheet_not_ready")
    spec = (await world.cluster.get(ANSWER_SHEETS, sheet, "tenant-acme"))["spec"]
    assert spec["levers"][0]["value"] == {"number": 9}
    assert spec["statedBy"]

    await acme.sheet(sheet)
    assert (await http.get(f"/v1/jobs/{job}")).json()["sheet_id"] == sheet
    shown = (await http.get(path)).json()
    (lever,) = shown["levers"]
    assert (lever["rank"], lever["verdict"]["kind"]) == (1, "assumed")
    assert lever["ace"]["effect"] == -0.4
    assert lever["curve"]["points"][0]["mean"] == 1.5
    page = await http.get(f"{path}/page")
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.startswith("<!DOCTYPE html>")
    workbook = await http.get(f"{path}/xlsx")
    assert workbook.headers["content-type"].endswith("spreadsheetml.sheet")
    program = await http.get(f"{path}/program")
    assert program.headers["content-type"].startswith("text/x-python")
    compile(program.text, "answers.py", "exec")
    assert "'treatment': 'price'" in program.text
    listed = (await http.get(f"/v1/sheets?dataset_id={ready}&status=ready")).json()["items"]
    assert [item["sheet_id"] for item in listed] == [sheet]
    async with world.client("globex") as other_tenant:
        for url in (path, f"{path}/page", f"{path}/xlsx", f"{path}/program"):
            assert (await other_tenant.get(url)).json()["code"] == "simio_sheet_not_found"
        assert (await other_tenant.delete(path)).json()["code"] == "simio_sheet_not_found"

    erased = asyncio.gather(acme.erase(ANSWER_SHEETS, sheet))
    assert (await http.delete(path)).status_code == 204
    await erased
    assert (await http.get(path)).status_code == 404


@pytest.mark.parametrize("kind", ["unanswerable", "contradicted"])
async def test_lever_that_claims_nothing_has_no_figures(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any, kind: str
) -> None:
    sheet = (await _request(http, ready, key, QUESTION)).json()["sheet_id"]
    await acme.sheet(sheet, kind)
    (lever,) = (await http.get(f"/v1/sheets/{sheet}")).json()["levers"]
    assert (lever["ace"], lever["union"], lever["alternatives"]) == (None, None, [])


async def test_open_lever_has_intervals_without_points(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    sheet = (await _request(http, ready, key, QUESTION)).json()["sheet_id"]
    await acme.sheet(sheet, "open")
    (lever,) = (await http.get(f"/v1/sheets/{sheet}")).json()["levers"]
    assert lever["ace"]["low"] == lever["union"]["low"] == -0.6
    assert [lever["ace"]["effect"], lever["sensitivity"]] == [None, None]
    assert [one["effect"] for one in lever["alternatives"]] == [None, None]


async def test_levels_are_levels_in_the_spec(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    lever = {"column": "region", "value": "south", "baseline": "north"}
    asked = await _request(http, ready, key, QUESTION | {"levers": [lever]})
    assert asked.status_code == 202, asked.text
    made = await world.cluster.get(ANSWER_SHEETS, asked.json()["sheet_id"], "tenant-acme")
    found = made["spec"]["levers"][0]
    assert (found["value"], found["baseline"]) == ({"level": "south"}, {"level": "north"})


async def test_answer_sheet_can_be_canceled(http: httpx2.AsyncClient, ready: str, key: str) -> None:
    job = (await _request(http, ready, key, QUESTION)).json()["job_id"]
    canceled = (await http.post(f"/v1/jobs/{job}/cancel")).json()
    assert (canceled["kind"], canceled["error"]["code"]) == ("sheet", "simio_cancelled")
