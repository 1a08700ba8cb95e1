"""Interventions in Python, the command line and MCP: one grammar, the same errors."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import httpx2
import pytest

from simulacra.commands.asked import Asked
from simulacra.core import Request
from simulacra.models import Json, Schema
from simulacra.named_values import interventions_of
from simulacra.operations.generations import generate, probe

SCHEMA = Schema(
    {
        "rows": 9,
        "columns": [
            {"name": "price", "kind": "numeric"},
            {"name": "a=b", "kind": "integer"},
            {"name": "plan", "kind": "categorical", "levels": [{"value": "pro"}, {"value": "1"}]},
            {"name": "happy", "kind": "boolean", "levels": [{"value": "true"}]},
            {"name": "media", "kind": "multi", "levels": [{"value": "TV"}]},
        ],
    }
)
RIGHT: list[tuple[str, Json]] = [
    ("price=5.49", {"price": 5.49}),
    ("a=b=2", {"a=b": 2.0}),
    ("plan=pro", {"plan": "pro"}),
    ("media: TV=yes", {"media: TV": "yes"}),
    ("happy=True", {"happy": "true"}),  # as pandas writes it
]
WRONG = [
    ("prise=5", ": the table has no column prise. Did you mean price?"),
    ("plan=por", ": plan has no level por. Did you mean pro?"),
    ("prise=a=b", ": the table has no column prise. Did you mean price?"),
    ("price=high", " price=high: high is not a number."),
    ("price", " price: write COL=VALUE."),
]


def requested(steps: Generator[Any, Any, Any]) -> Request:
    """Return the last request of an operation that reads the schema first."""
    step = next(steps)
    while step.path.endswith("/schema"):
        step = steps.send(httpx2.Response(200, json=SCHEMA))
    assert isinstance(step, Request)
    return step


@pytest.mark.parametrize(("text", "wanted"), RIGHT)
def test_python_reads_interventions_as_the_command_does(text: str, wanted: Json) -> None:
    assert interventions_of(text, SCHEMA) == interventions_of([text], SCHEMA) == wanted
    assert Asked(do=[text]).resolve(lambda: SCHEMA) == (None, wanted)


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_python_refuses_interventions_in_the_words_of_the_command(text: str, words: str) -> None:
    with pytest.raises(ValueError) as in_python:
        interventions_of(text, SCHEMA)
    assert str(in_python.value) == f"do{words}"
    if "=" not in text:  # the command takes it for a file
        return
    with pytest.raises(ValueError) as in_command:
        Asked(do=[text]).resolve(lambda: SCHEMA)
    assert str(in_command.value) == f"--do{words}"


def test_a_mapping_is_checked_like_a_text() -> None:
    mapping = {"price": "5", "plan": 1, "happy": True}
    assert interventions_of(mapping, SCHEMA) == {"price": 5.0, "plan": "1", "happy": "true"}
    assert interventions_of({"plan": 1.0}, SCHEMA) == {"plan": "1"}  # as pandas reads it
    yes_no = {"name": "happy", "kind": "boolean", "levels": [{"value": "Ja"}, {"value": "Nein"}]}
    of_words = Schema({"columns": [yes_no]})
    assert interventions_of({"happy": "Ja"}, of_words) == {"happy": "Ja"}
    with pytest.raises(ValueError, match=r"no column prise\. Did you mean price"):
        interventions_of({"prise": 5}, SCHEMA)
    with pytest.raises(ValueError, match="plan has no level 2"):
        interventions_of({"plan": 2}, SCHEMA)


def test_the_service_gets_interventions() -> None:
    for operation in (generate, probe):
        step = requested(operation("ds-1", 10, do=["price=5", "plan=pro"], counterfactual=True))
        assert step.json["interventions"] == {"price": 5.0, "plan": "pro"}
        assert step.json["counterfactual"] is True
        with pytest.raises(ValueError, match="either do or interventions"):
            next(operation("ds-1", 10, do="price=5", interventions={"price": 5}))
    assert next(generate("ds-1", 10)).path == "/v1/datasets/ds-1/generations"
