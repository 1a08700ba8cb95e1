"""Examples of the documentation: one story, operation by operation, from signup to erasure.

They appear in the OpenAPI document, on the documentation page and in llms-full.txt.
`tests/api/test_api_examples.py` sends each request to a running service and compares the answers.

The file of the same name holds them. `{"$body": NAME}` stands for one of its `bodies`, with
`$fields` for those fields of it alone; the fields beside it are added, or replace those of it.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BASE = "{base_url}"
AUDIENCE = "{audience}"
"""Placeholders that `openapi` fills in with the settings of this installation."""
_FILE = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))


@dataclass(frozen=True)
class Example:
    """Example bodies of an operation.

    Attributes:
        request: JSON, the fields of a form, or a file that is sent as it is.
        answers: body of each success, by status.
    """

    request: Any = None
    answers: dict[int, Any] = field(default_factory=dict)


def _written_out(value: Any) -> Any:
    if isinstance(value, list):
        return [_written_out(one) for one in value]
    if not isinstance(value, dict):
        return value
    own = {name: _written_out(one) for name, one in value.items() if name[0] != "$"}
    if "$body" not in value:
        return own
    body = _written_out(_FILE["bodies"][value["$body"]])
    return {name: body[name] for name in value.get("$fields", body)} | own


def _example(request: Any = None, **answers: Any) -> Example:
    return Example(request, {int(status): body for status, body in answers.items()})


EXAMPLES = {name: _example(**_written_out(one)) for name, one in _FILE["examples"].items()}
LINKS: dict[str, list[str]] = _FILE["links"]
"""Operations that take this field of an answer (201 or 202) as their path parameter."""
PARAMETERS: dict[str, str] = _FILE["parameters"]
"""Values of path parameters."""
