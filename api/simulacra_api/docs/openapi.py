"""The OpenAPI 3.1 document: the routes as FastAPI sees them, with errors, examples and links."""

import json
import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.alias_generators import to_snake

from simulacra_api.docs.examples import AUDIENCE, BASE, EXAMPLES, LINKS, PARAMETERS, Example
from simulacra_api.http import problems
from simulacra_api.http.error_codes import CATALOG, OPERATIONS, ErrorCode
from simulacra_api.tenancy.idempotency import KEY
from simulacra_crds.registry import BY_KIND, RESULTS
from simulacra_schema.table import TableSchema

Json = dict[str, Any]
REQUEST_ID = "4f1c2a7e9b0d4e35a6c8f0b1d2e3f405"
_RESULTS = [BY_KIND[kind] for kind in RESULTS]
_CREATIONS = frozenset(f"create{info.noun.capitalize()}" for info in _RESULTS)
_KEYED = _CREATIONS | {"uploadDataset", "beginUpload"}
_QUESTIONS = _CREATIONS | {"probeDataset"}
_DOWNLOADS = frozenset({"downloadArtifact", "describeArtifact"})
_SHEET_FILES = frozenset({"getSheetPage", "getSheetWorkbook", "getSheetProgram"})
_NEED_GENERATION = _DOWNLOADS | {"getGenerationReport"}
_NEED_MODEL = _QUESTIONS | {
    "getDatasetSchema",
    "getDatasetReport",
    "getDatasetSummary",
    "getDatasetGraph",
    "getDatasetKnowledge",
    "getDatasetUsualOrder",
    "fitDataset",
    "getDatasetDescription",
    "describeDataset",
}
_GROUPS = {
    "@keyed": _KEYED,
    "@model": _NEED_MODEL,
    "@generation": _NEED_GENERATION,
    "@downloads": _DOWNLOADS,
    "@sheet-files": _SHEET_FILES,
    "@results": frozenset(f"get{info.noun.capitalize()}" for info in _RESULTS),
}
ONLY = {
    code: frozenset().union(*(_GROUPS.get(name, {name}) for name in names))
    for code, names in OPERATIONS.items()
}
"""Operations that can answer a code; any operation can answer the codes that are not here."""
_TAGS = (
    "oauth",
    "access",
    "account",
    "datasets",
    "jobs",
    *(info.collection for info in _RESULTS),
    "drafts",
    "webhooks",
    "proofs",
    "meta",
)
"""Order of the operations in the documentation."""
_MEANINGS = {
    "200": "Done.",
    "201": "Created; its job, if it has one, has ended.",
    "202": "Accepted: poll Location.",
    "204": "Done; no content.",
}
_KEY_SCHEMA = {"type": "string", "pattern": f"^{KEY.pattern}$"}
_NOUN = re.compile(r"simio_([a-z_]+?)_(?:not_found|claim_already_consumed)")


def document(app: FastAPI, base_url: str, audience: str) -> Json:
    """Return the document of an installation with this URL and this audience of its tokens."""
    found = get_openapi(
        title=app.title,
        version=app.version,
        routes=app.routes,
        servers=[{"url": base_url}],
        summary=app.summary,
    )
    schemas = found["components"]["schemas"]
    # No route declares these two models: TableSchema is served in snake_case.
    for model in (problems.ProblemBody, TableSchema):
        own = model.model_json_schema(by_alias=False, ref_template="#/components/schemas/{model}")
        schemas |= own.pop("$defs", {}) | {model.__name__: own}
    for schema in schemas.values():
        _write_in_snake_case(schema)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    found["paths"] = dict(sorted(found["paths"].items(), key=_tag_order))
    for path, operations in found["paths"].items():
        for operation in operations.values():
            if _is_fastapis(operation["responses"].get("422")):
                operation["responses"].pop("422")
            example = EXAMPLES.get(operation["operationId"], Example())
            _illustrate(operation, example, path, base_url)
            _link(operation, example)
    return _fill(found, base_url, audience)


def _write_in_snake_case(schema: Json) -> None:
    """Name the fields of a stored answer as the API does, which writes no aliases."""
    for camel in [name for name in schema.get("properties", {}) if not name.islower()]:
        of, name = schema["properties"], to_snake(camel)
        of[camel]["title"] = name.replace("_", " ").title()
        schema["properties"] = {name if one == camel else one: of[one] for one in of}
        if camel in schema.get("required", []):
            schema["required"] = [name if one == camel else one for one in schema["required"]]


def _is_fastapis(answer: Json | None) -> bool:
    """Return whether this is the 422 that FastAPI documents for every body; ours has our form."""
    return answer is not None and "application/json" in answer.get("content", {})


def _tag_order(path: tuple[str, Json]) -> int:
    return min(_TAGS.index(operation["tags"][0]) for operation in path[1].values())


def _fill(value: Json, base_url: str, audience: str) -> Json:
    text = json.dumps(value)
    for name, given in ((BASE, base_url), (AUDIENCE, audience)):
        text = text.replace(name, json.dumps(given)[1:-1])
    return dict(json.loads(text))


def codes_of(operation_id: str, path: str, status: int) -> list[ErrorCode]:
    """Return the error codes that an operation answers with a status; for 404, of its resource."""
    codes = [entry for entry in CATALOG.values() if entry.status == status]
    own = [entry for entry in codes if operation_id in ONLY.get(entry.code, (operation_id,))]
    if status in (404, 410):
        own = [entry for entry in own if entry.code in ONLY or _is_about(entry.code, path)] or own
    return own or codes


def _is_about(code: str, path: str) -> bool:
    noun = _NOUN.match(code)
    return noun is not None and noun.group(1) in path.replace("-", "_")


def _illustrate(operation: Json, example: Example, path: str, base_url: str) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["name"] in PARAMETERS:
            parameter["example"] = PARAMETERS[parameter["name"]]
        elif parameter["name"] == "Idempotency-Key":
            # FastAPI sees it as optional, so that its absence has its own error code.
            parameter |= {"required": True, "schema": _KEY_SCHEMA}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["example"] = example.request
    if not operation.get("security") and operation["operationId"] != "issueToken":
        for status in ("401", "403"):
            operation["responses"].pop(status, None)
    for status, response in operation["responses"].items():
        if response["description"] == "Successful Response":
            response["description"] = _MEANINGS[status]
        for media_type, content in response.get("content", {}).items():
            if media_type == problems.MEDIA_TYPE:
                content["examples"] = {
                    entry.code: {"value": _problem(entry.code, base_url)}
                    for entry in codes_of(operation["operationId"], path, int(status))
                }
            elif int(status) in example.answers and not _is_file(media_type, content):
                content["example"] = example.answers[int(status)]


def _is_file(media_type: str, content: Json) -> bool:
    is_binary = content.get("schema", {}).get("format") == "binary"
    return is_binary or media_type == "text/html; charset=utf-8"


def _problem(code: str, base_url: str) -> Json:
    return problems.problem_body(problems.Problem(code), base_url, REQUEST_ID)


def _link(operation: Json, example: Example) -> None:
    for status, body in example.answers.items():
        if status in (201, 202):
            operation["responses"][str(status)]["links"] = {
                target: {"operationId": target, "parameters": {name: f"$response.body#/{name}"}}
                for name, targets in LINKS.items()
                if name in body
                for target in targets
            }
