"""The description document: what it accepts, and every fault with its pointer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulacra_schema.description import (
    MAX_DESCRIPTION_BYTES,
    MAX_PROBLEMS,
    DescriptionInvalid,
    load_description,
    parse_description,
)
from simulacra_schema.description_parts import mark

SCHEMA: dict[str, Any] = {
    "fieldsMatch": "subset",
    "primaryKey": "id",
    "missingValues": ["", "n/a"],
    "fields": [
        {"name": "id", "type": "string"},
        {
            "name": "score",
            "categories": [{"value": 1, "label": "bad"}, {"value": 2.0, "label": "good"}],
            "categoriesOrdered": True,
            "x-simulacra": {
                "role": "foreign-key",
                "source": {"role": "detected", "categories": "detected"},
                "found": {"role": mark("foreign_key"), "categories": mark(["1", "2", "3"])},
            },
        },
    ],
    "x-simulacra": {"version": 1},
}


def faults(document: object) -> dict[str, str]:
    with pytest.raises(DescriptionInvalid) as caught:
        parse_description(document)
    return {problem.pointer: problem.detail for problem in caught.value.errors}


@pytest.mark.parametrize(
    ("document", "prefix"),
    [
        (SCHEMA, ""),
        ({"name": "x", "schema": SCHEMA | {"fieldsMatch": ["subset"]}}, "/schema"),
        ({"resources": [{"schema": SCHEMA}]}, "/resources/0/schema"),
    ],
)
def test_three_forms_of_a_document_give_the_same_description(document: object, prefix: str) -> None:
    description = parse_description(document)
    assert description.pointer("fields", 1, "categories") == f"{prefix}/fields/1/categories"
    score = description.fields[1]
    assert [one.value for one in score.categories or ()] == ["1", "2"]
    assert score.stated() == ["categories", "categoriesOrdered"]
    assert score.extension.role == "foreign_key"
    assert description.table.primary_key == ["id"]


def test_all_faults_are_named_at_once_with_their_pointers() -> None:
    found = faults(
        {
            "encoding": "klingon",
            "dialect": {"delimiter": "#", "sheetName": "x"},
            "schema": {
                "fields": [
                    {"name": "a/b", "type": "figure", "x-simulacra": {"rolle": "key"}},
                    {"name": "c", "missingValues": ["x", {"value": "y", "label": "z"}]},
                ],
                "x-simulacra": {"version": 2},
                "unknown": "is ignored",
            },
        }
    )
    assert set(found) == {
        "/encoding",
        "/dialect/delimiter",
        "/dialect/sheetName",
        "/schema/fields/0/type",
        "/schema/fields/0/x-simulacra/rolle",
        "/schema/fields/1/missingValues",
        "/schema/x-simulacra/version",
    }


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        ({"type": "string", "decimalChar": ","}, "/fields/0/decimalChar"),
        ({"decimalChar": ",", "groupChar": ","}, "/fields/0/groupChar"),
        ({"type": "date", "categories": ["x"]}, "/fields/0/categories"),
        ({"type": "date", "format": "DD.MM.YYYY"}, "/fields/0/format"),
        ({"type": "time", "format": "%H:%M"}, "/fields/0/format"),
        ({"type": "string", "delimiter": ";"}, "/fields/0/delimiter"),
        ({"categories": ["a", "a"]}, "/fields/0/categories"),
        ({"x-simulacra": {"role": "pii"}}, "/fields/0/x-simulacra/pii"),
        ({"x-simulacra": {"replace": "fake"}}, "/fields/0/x-simulacra/replace"),
        ({"x-simulacra": {"pii": "email", "publish": True}}, "/fields/0/x-simulacra/publish"),
        ({"x-simulacra": {"role": "key", "pii": "email"}}, "/fields/0/x-simulacra/pii"),
        ({"type": "string", "x-simulacra": {"role": "weight"}}, "/fields/0/type"),
    ],
)
def test_properties_that_contradict_each_other_are_refused(
    field: dict[str, Any], pointer: str
) -> None:
    assert pointer in faults({"fields": [{"name": "a", **field}]})


def test_table_properties_that_contradict_the_fields_are_refused() -> None:
    weight = {"name": "w", "x-simulacra": {"role": "weight"}}
    found = faults(
        {
            "primaryKey": ["a", "b"],
            "fields": [weight, {"name": "w"}, {"name": "day", "x-simulacra": {"use": "drop"}}],
            "x-simulacra": {"weights": "other", "order": "day"},
        }
    )
    assert set(found) == {
        "/primaryKey",
        "/fields/1/name",
        "/fields/0/x-simulacra/role",
        "/x-simulacra/order",
    }


@pytest.mark.parametrize(
    "content",
    [
        b" " * (MAX_DESCRIPTION_BYTES + 1),
        b"[" * 100_000,
        b"{",
        b"[]",
        b'{"schema": "schema.json"}',
        b'{"resources": [{}, {}]}',
        b'{"fields": [{"name": "\\ud800"}]}',
        json.dumps({"fields": [], "x": [[[[[[[[[[[[[[]]]]]]]]]]]]]]}).encode(),
        b'{"fields": ' + json.dumps([{"name": str(i)} for i in range(2_001)]).encode() + b"}",
    ],
)
def test_hostile_documents_are_refused_within_bounds(content: bytes) -> None:
    with pytest.raises(DescriptionInvalid):
        load_description(content)


def test_the_number_of_faults_is_bounded() -> None:
    fields = [{"name": str(i), "type": "?"} for i in range(500)]
    assert len(faults({"fields": fields})) == MAX_PROBLEMS
