"""The examples of the documentation, sent to a running service and compared with its answers."""

from __future__ import annotations

import httpx2
import jsonschema

from api_examples import Caller


async def test_every_documented_request_gets_its_documented_answer(walked: Caller) -> None:
    assert not walked.uncalled


async def test_every_example_fits_its_schema(http: httpx2.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, found in methods.items():
            for status, answer in found["responses"].items():
                for media_type, content in answer.get("content", {}).items():
                    if media_type == "text/event-stream":
                        continue  # the schema describes one event
                    shown = [content["example"]] if "example" in content else []
                    shown += [example["value"] for example in content.get("examples", {}).values()]
                    validator = jsonschema.Draft202012Validator(
                        content.get("schema", {}) | {"components": document["components"]}
                    )
                    for value in shown:
                        errors = [error.message for error in validator.iter_errors(value)]
                        assert not errors, (method, path, status, media_type, errors)
