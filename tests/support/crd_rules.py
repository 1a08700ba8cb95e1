"""Every bound of a CRD's schema as two values: one just inside, one just outside."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from simulacra_crds.kinds.dataset import URI_PATTERN
from simulacra_crds.kinds.tenant import PREFIX_PATTERN

Schema = dict[str, Any]
Value = Any
Place = Callable[[Value], Value]
"""Puts a value into the smallest otherwise valid object."""

KEY, ROLE = "arn:aws:kms:eu-central-1:123456789012:key/a", "arn:aws:iam::123456789012:role/a"
BY_PATTERN = {
    r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$": ("a-b", "A_b"),
    r"^[0-9a-f]{64}$": ("a" * 64, "g" * 64),
    r"^[0-9]+m?$": ("5", "half"),
    r"^[0-9]+(Ki|Mi|Gi)?$": ("536870912", "2 gigabytes"),
    r"^[A-Za-z][A-Za-z0-9]*$": ("Ready", "not ready"),
    r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$": (KEY, ROLE),
    r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$": (ROLE, KEY),
    r"^[A-Za-z0-9+=,.@:/_-]+$": ("ab", "a b"),
    r"^[A-Za-z0-9][!-~]*$": ("kim@example.com", "a b"),
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?)?$": (
        "2024-01-31T12:00:00",
        "31.1.2024",
    ),
    r"^[a-z0-9-]+$": ("eu-west-1", "EU"),
    r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$": (
        "https://s3.example",
        "https://user@s3.example/x?y",
    ),
    URI_PATTERN: ("s3://abc/a", "s3://abc/in/../out"),
    PREFIX_PATTERN: ("s3://abc/", "s3://abc/in"),
}
"""A string that matches each pattern, even with its last character repeated, and one that does not.
"""
COMPANIONS: dict[str, dict[str, Schema]] = {
    ".source": {
        "sha256": {"bytes": 1},
        "bytes": {"sha256": "a" * 64},
        "type=Object": {"uri": "s3://abc/a"},
        "uri": {"type": "Object"},
    },
    ".encryption": {
        "mode=Customer": {"keyArn": KEY},
        "keyArn": {"mode": "Customer"},
        "roleArn": {"mode": "Customer", "keyArn": KEY},
        "externalId": {"mode": "Customer", "keyArn": KEY, "roleArn": ROLE},
    },
    ".numeric.*": {"earliest": {"min": None}, "latest": {"min": None}},
    ".where.*": {
        "earliest": {"min": None},
        "latest": {"min": None},
        "levels": {"min": None},
    },
    ".quotas[]": {"min": {"share": None}, "max": {"share": None}},
    ".required[]": {},
    ".forbidden[]": {},
    ".pairs[]": {},
    ".independent[]": {},
    ".sign[]": {},
    ".impossible[]": {},
    ".levers[]": {
        "value": {"baseline": {"number": 5.5}},
        "baseline": {"value": {"number": 5.5}},
    },
    ".sources[]": {
        "roleArn": {"secretName": None, "externalId": "ab"},
        "externalId": {"secretName": None, "roleArn": ROLE},
    },
}
"""Fields that a CEL rule needs beside a field or one value of it, by path suffix.

None means absent.
"""
EITHER = {
    "has(self.number) != has(self.level)": {"number": 1},
    "has(self.secretName) != has(self.roleArn)": {"secretName": "a"},
    "has(self.inline) != has(self.sha256)": {"inline": "{}"},
    "has(self.given) ? !has(self.rowCount) && !has(self.persons) : "
    "has(self.rowCount) || has(self.persons)": {"rowCount": 2},
    "(has(self.min) || has(self.max)) != (has(self.earliest) || has(self.latest))": {"min": 1},
    "[has(self.levels), has(self.min) || has(self.max), "
    "has(self.earliest) || has(self.latest)].filter(one, one).size() == 1": {"min": 1},
    "has(self.share) != (has(self.min) || has(self.max))": {"share": 0.5},
    "has(self.prices) || has(self.segment) && size(self.segment) > 0"
    " && has(self.questions) && size(self.questions) > 0": {"prices": {}},
    "self.source != self.target": {"source": "a", "target": "b"},
    "self.first != self.second": {"first": "a", "second": "b"},
    "self.treatment != self.outcome": {
        "treatment": "t",
        "outcome": "o",
        "value": {"number": 5.5},
        "baseline": {"number": 6.5},
    },
}
"""Rules that need one of two fields, or two that differ, and what a sample has there."""


@dataclass(frozen=True)
class Bound:
    """One rule of a schema.

    Attributes:
        name: path and keyword, for the test's name.
        inside: the value of spec or status that the rule accepts.
        outside: the value that it rejects.
    """

    name: str
    inside: Value
    outside: Value


def bounds(section: str, schema: Schema) -> Iterator[Bound]:
    """Yield every rule of a section of a CRD ('spec' or 'status')."""
    base = sample(schema) or {}

    def place(value: Value) -> Value:
        whole = {**copy.deepcopy(base), **_companions(value), **value}
        if "given" in value:
            whole.pop("rowCount", None)
        return whole

    yield from _object(section, schema, place)


def _companions(spec: Value) -> Value:
    """Return the other fields that a CEL rule of the whole spec needs."""
    found: Value = {}
    if spec.get("resources", {}).get("workers") in (2, 4, 8):
        found["family"] = "neural"
    if spec.get("counterfactual") is True:
        found["interventions"] = {"a": {"number": 1}}
    return found


def sample(schema: Schema) -> Value:
    """Return a small valid value; an object has its required fields only."""
    if "default" in schema:
        return copy.deepcopy(schema["default"])
    if "enum" in schema:
        return schema["enum"][0]
    match schema["type"]:
        case "object":
            made = {name: sample(schema["properties"][name]) for name in schema.get("required", ())}
            return (
                made
                | copy.deepcopy(_either(schema))
                | {
                    f"k{number}": sample(schema["additionalProperties"])
                    for number in _least(schema)
                }
            )
        case "array":
            return [sample(schema["items"]) for _ in range(schema.get("minItems", 0))]
        case "string":
            return _text(schema)
        case "boolean":
            return True
        case _:
            return schema.get("minimum", 1)


def _either(schema: Schema) -> Schema:
    chosen = (EITHER.get(rule["rule"]) for rule in schema.get("x-kubernetes-validations", ()))
    return next(filter(None, chosen), {})


def _least(schema: Schema) -> range:
    return range(schema.get("minProperties", 0))


def _text(schema: Schema) -> str:
    if schema.get("format") == "date-time":
        return "2026-01-01T00:00:00Z"
    if pattern := schema.get("pattern"):
        return BY_PATTERN[pattern][0]
    return "x" * max(schema.get("minLength", 0), 1)


def _walk(path: str, schema: Schema, place: Place) -> Iterator[Bound]:
    def bound(keyword: str, inside: Value, outside: Value) -> Bound:
        return Bound(f"{path}:{keyword}", place(inside), place(outside))

    if "enum" in schema:
        for value in schema["enum"]:
            yield bound(f"enum {value}", value, "Nonsense")
        return
    match schema["type"]:
        case "object":
            yield from _object(path, schema, lambda value: place(value))
        case "array":
            yield from _array(path, schema, place, bound)
        case "string":
            yield from _string(schema, bound)
        case "boolean":
            # Other rules may constrain a value that is not the default.
            yield bound("type", schema.get("default", True), "yes")
        case _:
            yield from _number(schema, bound)


def _object(path: str, schema: Schema, place: Place) -> Iterator[Bound]:
    least = sample(schema)
    for name in schema.get("required", ()):
        without = {key: value for key, value in least.items() if key != name}
        if path not in ("spec", "status"):
            yield Bound(f"{path}:required {name}", place(least), place(without))
    for name, inner in schema.get("properties", {}).items():
        tied = next((found for end, found in COMPANIONS.items() if path.endswith(end)), None)
        kept = {} if tied is None and _either(schema) else least

        def inside(
            value: Value, name: str = name, kept: Value = kept, tied: Any = tied or {}
        ) -> Value:
            fellows = tied.get(name) or tied.get(f"{name}={value}") or {}
            whole = {**kept, **fellows, name: value}
            return place({key: one for key, one in whole.items() if one is not None or key == name})

        yield from _walk(f"{path}.{name}", inner, inside)
    if (inner := schema.get("additionalProperties")) is not None:
        yield from _map(path, schema, inner, place)


def _map(path: str, schema: Schema, inner: Schema, place: Place) -> Iterator[Bound]:
    def entries(count: int) -> Value:
        return {f"k{number}": sample(inner) for number in range(count)}

    most = schema["maxProperties"]
    yield Bound(f"{path}:maxProperties", place(entries(most)), place(entries(most + 1)))
    if schema.get("minProperties"):
        yield Bound(f"{path}:minProperties", place(entries(1)), place({}))
    yield from _walk(f"{path}.*", inner, lambda value: place({"k0": value}))


def _array(path: str, schema: Schema, place: Place, bound: Callable[..., Bound]) -> Iterator[Bound]:
    inner, keys = schema["items"], schema.get("x-kubernetes-list-map-keys", ())

    def items(count: int) -> Value:
        made = [sample(inner) for _ in range(count)]
        for number, one in enumerate(made):
            if schema.get("x-kubernetes-list-type") == "set":
                made[number] = f"item-{number}"
            if path.endswith(".levers"):
                one["column"] = f"item-{number}"
            for key in keys:
                place_name = inner["properties"][key].get("pattern", "").startswith("^s3:")
                one[key] = f"s3://abc/{number}/" if place_name else f"item-{number}"
        return made

    yield bound("maxItems", items(schema["maxItems"]), items(schema["maxItems"] + 1))
    least = schema.get("minItems", 0)
    if least:
        yield bound("minItems", items(least), items(least - 1))
    if keys or schema.get("x-kubernetes-list-type") == "set":
        yield bound("unique", items(2), items(1) * 2)
    yield from _walk(f"{path}[]", inner, lambda value: place([value, *items(max(least, 1) - 1)]))


def _string(schema: Schema, bound: Callable[..., Bound]) -> Iterator[Bound]:
    good = _text(schema)
    if pattern := schema.get("pattern"):
        yield bound("pattern", good, BY_PATTERN[pattern][1])
    if schema.get("format") != "date-time":
        most = schema["maxLength"]  # every string is bounded
        longest, longer = (_long(good, most + more) for more in (0, 1))
        yield bound("maxLength", longest, longer)
    if schema.get("minLength"):
        least = schema["minLength"]
        yield bound("minLength", good[:least], good[: least - 1])
    if schema.get("format") == "date-time":
        yield bound("format", good, "yesterday")
    yield bound("type", good, 5)


def _long(good: str, length: int) -> str:
    """Return a longer text that matches the pattern of the short one."""
    return (
        good + "a" * (length - len(good) - 1) + "/"
        if good.endswith("/")
        else good.ljust(length, good[-1])
    )


def _number(schema: Schema, bound: Callable[..., Bound]) -> Iterator[Bound]:
    if "minimum" in schema:
        yield bound("minimum", schema["minimum"], schema["minimum"] - 1)
    if "maximum" in schema:
        yield bound("maximum", schema["maximum"], schema["maximum"] + 1)
    yield bound("type", sample(schema), "many")
    if schema["type"] == "integer":
        yield bound("whole", sample(schema), sample(schema) + 0.5)
