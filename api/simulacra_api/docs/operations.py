"""Introduction, steps, rules and operations: the content of the page and of llms.txt."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
INTRODUCTION = (
    "Upload a seed table. A causal generative model is fit on it within seconds. Generate synthetic"
    " tables under conditions or interventions. All data belongs to one tenant, is encrypted under"
    " that tenant's key, and is erased after its retention (24 hours by default, 7 days at most)."
)
STEPS = (
    ("issueToken", "Get a token. Send it as `Authorization: Bearer` on every call below."),
    ("uploadDataset", "Upload a table under an Idempotency-Key of your choice."),
    ("getJob", "Poll the job until `status` is ready. A 202 means that it is not finished yet."),
    ("getDatasetSchema", "Read the cleaned schema: conditions use its columns and levels."),
    ("createGeneration", "Request rows under conditions."),
    (
        "getGeneration",
        "Poll until ready or partial. Then GET `artifact_url` with the same token, within 15"
        " minutes.",
    ),
    ("deleteDataset", "Erase the dataset, its model and everything generated from it."),
)
RULES = (
    "Errors are RFC 9457 problem details with a stable `code`. `type` is a URL that explains it;"
    " `errors[]` has one entry per wrong field, by JSON pointer.",
    "Retry 429, 500, 502, 503 and 504 with the same Idempotency-Key, after Retry-After. Do not"
    " retry 400 to 404.",
    "Send `Prefer: wait=30` with a POST or getJob to get the answer as soon as the job has ended.",
    "Lists are newest first; follow `Link: rel=next`. Resources have an ETag for If-None-Match and"
    " If-Match.",
    "An unknown id and an id of another tenant give the same 404.",
)


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    Attributes:
        parameters: name, place (path, query, header) and description of each.
        request: example of the body.
        answers: status, meaning and example of each.
    """

    operation_id: str
    tag: str
    method: str
    path: str
    summary: str
    description: str
    parameters: list[tuple[str, str, str]]
    request: str | None
    answers: list[tuple[str, str, str | None]]
    needs_token: bool


def operations(document: Json) -> Iterator[Operation]:
    """Yield the operations of an OpenAPI document, in its order."""
    for path, methods in document["paths"].items():
        for method, found in methods.items():
            yield Operation(
                operation_id=found["operationId"],
                tag=found["tags"][0],
                method=method.upper(),
                path=path,
                summary=found["summary"],
                description=found.get("description", ""),
                parameters=[
                    (p["name"], p["in"], p.get("description", ""))
                    for p in found.get("parameters", [])
                ],
                request=_request(found.get("requestBody", {}).get("content", {})),
                answers=[
                    _answer(status, answer) for status, answer in sorted(found["responses"].items())
                ],
                needs_token=bool(found.get("security")),
            )


def _request(content: Json) -> str | None:
    for media_type, body in content.items():
        if media_type == "multipart/form-data":
            return "\n".join(f"-F {name}={value}" for name, value in body["example"].items())
        return _text(body.get("example"))
    return None


def _answer(status: str, answer: Json) -> tuple[str, str, str | None]:
    examples = [
        body
        for body in answer.get("content", {}).values()
        if "example" in body or "examples" in body
    ]
    if not examples:
        return status, answer["description"], None
    if "examples" in examples[0]:
        return status, ", ".join(examples[0]["examples"]), None
    return status, answer["description"], _text(examples[0]["example"])


def _text(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2)
