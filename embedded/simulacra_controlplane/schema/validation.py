"""Validation of objects against structural schemas, with the causes that a real API server reports.

jsonschema (Draft 4, whose boolean `exclusiveMinimum` is OpenAPI's) finds the violations; this
module adds the Kubernetes keywords (`nullable`, int-or-string, list types) and words each violation
as kube-openapi does.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from jsonschema import Draft4Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from pydantic_core import to_json

from simulacra_controlplane.errors import FieldError, invalid_value
from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Schema

_FORMATS: dict[str, Callable[[str], object]] = {
    "date-time": lambda text: "T" in text.upper() and datetime.fromisoformat(text).tzinfo,
    "date": date.fromisoformat,
    "uuid": UUID,
    "byte": lambda text: base64.b64decode(text, validate=True) is not None,
    "duration": re.compile(r"-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w))+|0").fullmatch,
}
"""Each raises ValueError or returns something false for a text of another form."""
_formats = FormatChecker(formats=())
for _name, _check in _FORMATS.items():
    _formats.checks(_name, ValueError)(
        lambda value, check=_check: not isinstance(value, str) or bool(check(value))
    )


Problems = Iterator[ValidationError]


def _type(validator: Any, expected: str, instance: Any, schema: Schema) -> Problems:
    if (instance is None and schema.get("nullable")) or schema.get("x-kubernetes-int-or-string"):
        return
    whole = expected == "integer" and isinstance(instance, float) and instance.is_integer()
    if not whole and not validator.is_type(instance, expected):
        yield ValidationError("")


def _required(validator: Any, names: list[str], instance: Any, schema: Schema) -> Problems:
    """A field is missing as well when it is null and may not be."""
    if not isinstance(instance, dict):
        return
    for name in names:
        nullable = schema.get("properties", {}).get(name, {}).get("nullable")
        if instance.get(name) is None and not (name in instance and nullable):
            yield ValidationError(name)


def _int_or_string(validator: Any, on: bool, instance: Any, schema: Schema) -> Problems:
    if on and (isinstance(instance, bool) or not isinstance(instance, int | float | str | None)):
        yield ValidationError("")


def _list_type(validator: Any, kind: str, instance: Any, schema: Schema) -> Problems:
    if not isinstance(instance, list) or kind == "atomic":
        return
    seen: list[Any] = []
    for index, item in enumerate(instance):
        identity = item
        if kind == "map" and isinstance(item, dict):
            keys = schema.get("x-kubernetes-list-map-keys", [])
            identity = {key: item[key] for key in keys if key in item}
        if identity in seen:
            yield ValidationError("", path=[index], instance=identity)
        seen.append(identity)


_Validator = extend(
    Draft4Validator,
    {
        "type": _type,
        "required": _required,
        "x-kubernetes-int-or-string": _int_or_string,
        "x-kubernetes-list-type": _list_type,
    },
    format_checker=_formats,
)
"""Draft 4 with the Kubernetes keywords."""

_BASE = _Validator({}, format_checker=_formats)
"""What the checks of all schemas ask for types and formats."""


class Held:
    """A schema as the key of a cache: compared by identity, and kept alive by the key."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and other.schema is self.schema


def path_text(parts: Iterable[Any]) -> str:
    """`spec.list[0].name` from `["spec", "list", 0, "name"]`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


_TYPES: dict[type, str] = {dict: "object", list: "array", str: "string"}
_TYPES |= {bool: "boolean", int: "integer", float: "number"}


def type_name(value: Any) -> str:
    """The JSON type as OpenAPI names it."""
    return _TYPES.get(type(value), "null")


def shown(value: Any) -> str:
    """A value as an error shows it: scalars as they are, structures by their type."""
    scalar = type_name(value) if isinstance(value, dict | list) else value
    return json.dumps(scalar, ensure_ascii=False)


_LIMITS = {
    "pattern": "should match '{limit}'",
    "minLength": "should be at least {limit} chars long",
    "minItems": "should have at least {limit} items",
    "minProperties": "should have at least {limit} properties",
    "multipleOf": "should be a multiple of {limit}",
    "anyOf": "must validate at least one schema (anyOf)",
    "oneOf": "must validate one and only one schema (oneOf)",
    "not": "must not validate the schema (not)",
}


def _bound(problem: ValidationError) -> str:
    exclusive = problem.schema.get(f"exclusive{str(problem.validator).capitalize()}")
    word = "less than" if problem.validator == "maximum" else "greater than"
    return f"should be {word}{'' if exclusive else ' or equal to'} {problem.validator_value}"


def _word(problem: ValidationError) -> FieldError:
    path, limit, value = path_text(problem.absolute_path), problem.validator_value, problem.instance
    keyword = problem.validator
    if keyword == "required":
        missing = f"{path}.{problem.message}" if path else problem.message
        return FieldError(missing, "FieldValueRequired")
    if keyword in ("type", "x-kubernetes-int-or-string", "format"):
        got = shown(value) if keyword == "format" else f'"{type_name(value)}"'
        wanted = "integer,string" if keyword == "x-kubernetes-int-or-string" else limit
        detail = f"{got}: {path} in body must be of type {wanted}: {got}"
        return FieldError(path, "FieldValueTypeInvalid", detail)
    if keyword == "enum":
        allowed = ", ".join(map(json.dumps, limit))
        detail = f"{json.dumps(value)}: supported values: {allowed}"
        return FieldError(path, "FieldValueNotSupported", detail)
    if keyword == "maxLength":
        return FieldError(path, "FieldValueTooLong", f"may not be more than {limit} bytes")
    if keyword in ("maxItems", "maxProperties"):
        detail = f"{len(value)}: must have at most {limit} items"
        return FieldError(path, "FieldValueTooMany", detail)
    if keyword == "x-kubernetes-list-type":
        return FieldError(path, "FieldValueDuplicate", json.dumps(value, separators=(",", ":")))
    is_bound = keyword in ("minimum", "maximum")
    rule = _bound(problem) if is_bound else _LIMITS[str(keyword)].format(limit=limit)
    seen = len(value) if keyword in ("minItems", "minProperties") else shown(value)
    return invalid_value(path, f"{seen}: {path} in body {rule}")


class _Node:
    """A schema taken apart once: the checks of a value itself, and the schemas of what it holds,
    found when needed.

    jsonschema makes a validator for each value on its way down, which costs several times what the
    checks do.
    """

    __slots__ = ("_checks", "_children", "_items", "_properties", "_rest", "_schema", "by_field")

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._properties: Schema = schema.get("properties", {})
        self._items, self._rest = schema.get("items"), schema.get("additionalProperties")
        holds = ("items", "additionalProperties")
        inside = {"properties", *(word for word in holds if isinstance(schema.get(word), dict))}
        own = _BASE.VALIDATORS.keys() - inside
        self._checks = [
            (word, _BASE.VALIDATORS[word], limit) for word, limit in schema.items() if word in own
        ]
        self._children: dict[str | None, _Node | None] = {}
        self.by_field = {word for word, _, _ in self._checks} <= {"type", "required"}

    def problems(self, value: Any, path: tuple[Any, ...] = ()) -> Problems:
        """Every violation, under its path from the root."""
        for word, check, limit in self._checks:
            for problem in check(_BASE, limit, value, self._schema) or ():
                if word != "allOf":  # those are set by the schemas inside
                    problem.validator, problem.validator_value = word, limit
                    problem.schema = self._schema
                    problem.instance = problem.instance if problem.path else value
                problem.path.extendleft(reversed(path))
                yield problem
        if isinstance(value, dict):
            for name, child in value.items():
                node = self.child(name)
                if node is not None:
                    yield from node.problems(child, (*path, name))
        elif isinstance(value, list) and (node := self.child(None)) is not None:
            for index, child in enumerate(value):
                yield from node.problems(child, (*path, index))

    def child(self, name: str | None) -> _Node | None:
        """The schema of a property, of the items for None; None where there is none."""
        if name is not None and name not in self._properties:
            name = ""  # entries of a map share one; no property has this name
        if name not in self._children:
            schema = self._items if name is None else self._properties.get(name, self._rest)
            self._children[name] = _Node(schema) if isinstance(schema, dict) else None
        return self._children[name]


@lru_cache(maxsize=256)
def _node(held: Held) -> _Node:
    return _Node(held.schema)


def validate(obj: Any, schema: Schema, old: Object | None = None) -> list[FieldError]:
    """Every violation of the schema (structural, without `$ref`), ordered by path.

    Fields of `old`, the object as it is stored, are not looked at again where the new one has them
    as they were.
    """
    found = _problems(obj, _node(Held(schema)), old)
    ordered = sorted(found, key=lambda problem: [*map(str, problem.absolute_path)])
    worded = [_word(problem) for problem in ordered]
    missing = {error.path for error in worded if error.reason == "FieldValueRequired"}
    return [e for e in worded if e.reason == "FieldValueRequired" or e.path not in missing]


def _is_same(old: Any, new: Any) -> bool:
    """Whether two values are the same JSON; to Python, true and 1 are equal."""
    if old != new:
        return False
    texts = (json.dumps(one, sort_keys=True) for one in (old, new))
    return to_json(old) == to_json(new) or len(set(texts)) == 1


def _problems(obj: Any, node: _Node, old: Object | None) -> Problems:
    if old is None or not isinstance(obj, dict) or not node.by_field:
        yield from node.problems(obj)
        return
    changed = {
        name: value
        for name, value in obj.items()
        if name not in old or not _is_same(old[name], value)
    }
    for problem in node.problems(changed):
        kept = (
            problem.validator == "required"
            and not problem.path
            and problem.message in obj.keys() - changed.keys()
        )
        if not kept:
            yield problem
