"""Our own walk through a schema must find the same problems as jsonschema."""

from __future__ import annotations

from typing import Any

import pytest

from simulacra_controlplane.schema import validation
from simulacra_controlplane.schema.validation import validate

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["spec", "note"],
    "properties": {
        "note": {"type": "string", "nullable": True},
        "spec": {
            "type": "object",
            "required": ["size"],
            "minProperties": 1,
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9, "exclusiveMaximum": True},
                "name": {
                    "type": "string",
                    "maxLength": 3,
                    "pattern": "^[a-z]*$",
                    "format": "date-time",
                },
                "port": {"x-kubernetes-int-or-string": True},
                "list": {
                    "type": "array",
                    "maxItems": 2,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                    "items": {
                        "type": "object",
                        "required": ["k"],
                        "properties": {"k": {"enum": ["a", "b"]}},
                    },
                },
                "map": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "required": ["x"]},
                },
                "one": {
                    "allOf": [{"minLength": 2}, {"pattern": "^b"}],
                    "not": {"enum": ["no"]},
                    "type": "string",
                },
            },
        },
    },
}
SPECS: list[Any] = [
    {"size": 3},
    {},
    None,
    {"size": 9, "name": "ABCD", "port": {}},
    {"size": "3", "list": [{"k": "a"}, {"k": "a"}, {"k": "c"}, {}, 4]},
    {"size": 0, "map": {"p": {}, "q": {"x": 1}, "r": []}, "one": "no"},
]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("note", [{"note": None}, {"note": 3}, {}])
def test_validation_finds_the_same_problems_as_jsonschema(
    monkeypatch: pytest.MonkeyPatch, spec: Any, note: dict[str, Any]
) -> None:
    obj = {**note, "spec": spec}
    found = validate(obj, SCHEMA)
    plain = validation._Validator(SCHEMA, format_checker=validation._formats)
    monkeypatch.setattr(validation, "_problems", lambda obj, node, old: plain.iter_errors(obj))
    assert sorted(map(str, found)) == sorted(map(str, validate(obj, SCHEMA)))


def test_unchanged_fields_are_not_validated_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[Any] = []
    check = validation._BASE.VALIDATORS["minimum"]
    node = validation._node(validation.Held(SCHEMA)).child("spec")
    assert node is not None
    size = node.child("size")
    assert size is not None
    noting = [
        (word, (lambda *a: looked.append(a[2]) or check(*a)) if word == "minimum" else one, limit)
        for word, one, limit in size._checks
    ]
    monkeypatch.setattr(size, "_checks", noting)
    old = {"note": None, "spec": {"size": 3}}
    assert validate({"note": "x", "spec": {"size": 3}}, SCHEMA, old) == []
    assert looked == []
    assert [one.path for one in validate({"note": "x", "spec": {"size": 0}}, SCHEMA, old)] == [
        "spec.size"
    ]
    assert [one.path for one in validate({"spec": {"size": 3}}, SCHEMA, old)] == ["note"]
    assert looked == [0]


def test_true_and_one_are_different_values() -> None:
    flag = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"on": {"type": "boolean"}}}},
    }
    assert [one.path for one in validate({"spec": {"on": 1}}, flag, {"spec": {"on": True}})] == [
        "spec.on"
    ]
    old = {"spec": {"on": "wrong, but there already", "as": 1}}
    assert validate({"spec": {"as": 1, "on": "wrong, but there already"}}, flag, old) == [], (
        "fields have no order"
    )
