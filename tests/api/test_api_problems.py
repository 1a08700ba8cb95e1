"""Errors: one envelope, every code explained, nothing of the request in a log."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from log_lines import written
from simulacra_api.http.error_codes import CATALOG
from simulacra_api.http.problems import field_errors
from simulacra_crds.kinds.base import API_VERSION
from simulacra_crds.kube.client import Cluster, NotFound
from simulacra_schema.conditions import ConditionSet


async def _get(world: Any, path: str, **kwargs: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=world.url) as http:
        return await http.request(kwargs.pop("method", "GET"), path, **kwargs)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "simio_not_found"),
        ("GET", "/v1/datasets/", 404, "simio_not_found"),
        ("PUT", "/v1/datasets", 405, "simio_method_not_allowed"),
        ("GET", "/v1/datasets", 401, "simio_unauthenticated"),
        ("POST", "/v1/datasets", 401, "simio_unauthenticated"),
        ("GET", "/errors/nothing", 404, "simio_error_code_not_found"),
    ],
)
async def test_every_error_has_the_same_envelope(
    world: Any, method: str, path: str, status: int, code: str
) -> None:
    answer = await _get(world, path, method=method)
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(body) == {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert body["request_id"] == answer.headers["x-request-id"]
    explained = await _get(world, body["type"].removeprefix(world.url))
    assert explained.json()["code"] == code
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/datasets", "GET, POST"),
        ("/v1/datasets/ds-1", "DELETE, GET, PATCH"),
        ("/v1/generations/gen-1/artifact", "GET, HEAD"),
        ("/metrics", "GET"),
    ],
)
async def test_allow_names_all_methods_of_a_path(world: Any, path: str, methods: str) -> None:
    assert (await _get(world, path, method="PUT")).headers["allow"] == methods


@pytest.mark.parametrize(
    "conditions", [{"segment": {"loyal": 1}}, {"numeric": {"price": 3}}, {"categorical": 1}]
)
def test_unknown_field_error_points_to_openapi(conditions: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        ConditionSet.model_validate(conditions)
    (error,) = field_errors(refused.value)
    assert "/openapi.json" in error.detail


async def test_valid_request_id_is_kept_and_others_replaced(world: Any) -> None:
    for sent, kept in (
        ("abcdefgh-1", True),
        ("x", False),
        ("a b c d e f g h", False),
        ("x" * 65, False),
    ):
        answer = await _get(world, "/healthz", headers={"X-Request-Id": sent})
        assert (answer.headers["x-request-id"] == sent) is kept


async def test_error_catalog_is_served_as_json_and_html(world: Any) -> None:
    items = (await _get(world, "/errors")).json()["items"]
    assert [item["code"] for item in items] == list(CATALOG)
    page = await _get(world, "/errors", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert all(code in page.text for code in CATALOG)


async def test_openapi_has_unique_operation_ids_and_problem_bodies(world: Any) -> None:
    document = (await _get(world, "/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert {
        "issueToken",
        "uploadDataset",
        "getJob",
        "createGeneration",
        "downloadArtifact",
        "deleteDataset",
    } <= set(ids)
    assert "HTTPValidationError" not in json.dumps(document)
    of_descriptions = {op["operationId"] for op in operations if "422" in op["responses"]}
    assert of_descriptions == {"uploadDataset", "describeDataset", "beginUpload", "makeDraft"}
    assert "ProblemBody" in document["components"]["schemas"]


async def test_health_and_readiness_answer_ok(world: Any) -> None:
    assert (await _get(world, "/healthz")).json() == {"status": "ok"}
    assert (await _get(world, "/readyz")).json() == {"status": "ready"}


@pytest.mark.parametrize("gone", [["answersheets", "tenants"], None], ids=["two", "all"])
async def test_api_is_not_ready_while_kinds_are_not_served(
    world: Any, monkeypatch: pytest.MonkeyPatch, gone: list[str] | None
) -> None:
    """As when the chart does not install the definitions, and one of them is an older one's."""
    real = Cluster.request

    async def request(self: Cluster, method: str, path: str, **options: Any) -> Any:
        answer = await real(self, method, path, **options)
        if path != f"/apis/{API_VERSION}":
            return answer
        if gone is None:
            raise NotFound(404, "NotFound", "no such group")
        return {"resources": [one for one in answer["resources"] if one["name"] not in gone]}

    monkeypatch.setattr(Cluster, "request", request)
    answer = await _get(world, "/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "simio_unavailable")
    told = "answersheets, tenants." if gone else "accessrequests, answersheets, datasets,"
    assert f"does not serve {told}" in answer.json()["detail"]


async def test_unexpected_exception_is_500_without_its_message_in_logs(
    world: Any,
    http: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def explode(*_: object) -> None:
        raise KeyError("genz_switcher")

    monkeypatch.setattr("simulacra_api.jobs.prefer_wait.find_job", explode)
    with caplog.at_level(logging.INFO):
        answer = await http.get("/v1/jobs/job-ds-x?secret=genz_switcher")
    assert (answer.status_code, answer.json()["code"]) == (500, "simio_internal")
    ours = written(caplog)
    assert "KeyError" in ours
    assert answer.headers["x-request-id"] in ours
    assert "genz_switcher" not in ours


async def test_access_log_has_route_templates_and_no_values(
    http: httpx2.AsyncClient, uploaded: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "simulacra_api.access"):
        await http.get(f"/v1/datasets/{uploaded}/schema?column=genz_switcher")
        await http.get("/v1/genz_switcher")
        await http.get("/healthz")
        await http.get("/readyz")
    lines = written(caplog, "simulacra_api.access").splitlines()
    assert len(lines) == 2, "probes of health are not logged"
    assert '"route": "/v1/datasets/{dataset_id}/schema"' in lines[0]
    assert '"tenant": "acme"' in lines[0]
    assert "genz_switcher" not in "".join(lines)
