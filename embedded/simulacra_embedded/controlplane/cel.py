"""CEL rules (`x-kubernetes-validations`), evaluated by Google's cel-cpp through `cel-expr-python`.

Evaluated: `self`, `oldSelf` (transition rules run on updates only, and inside lists only where the list is a map with
keys), `optionalOldSelf`, `message`, `messageExpression`, `reason`, `fieldPath`; standard CEL, strings, math, optional
and two-variable-free comprehension libraries. Not evaluated, and refused when the CRD is applied: the Kubernetes-only
libraries (`quantity`, `url`, `ip`, `cidr`, `semver`, `isSorted`, `sum`, `format.*`). Not checked: the cost budget, and
types of fields at the time the CRD is applied. Lists of type set or map compare by order here.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_math, ext_optional, ext_strings

from simulacra_embedded.controlplane.errors import FieldError
from simulacra_embedded.controlplane.resources import Schema
from simulacra_embedded.controlplane.validation import path_text, shown

_RULES = "x-kubernetes-validations"
_RESERVED = frozenset(
    ["true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"]
)
_ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MISSING = object()


@cache
def _env() -> Any:
    """The environment of all rules: untyped `self` and `oldSelf`."""
    return cel.NewEnv(
        variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN},
        extensions=[ext_optional.ExtOptional(), ext_strings.ExtStrings(), ext_math.ExtMath()],
    )


@lru_cache(maxsize=4096)
def _program(expression: str) -> Any:
    return _env().compile(expression)


def compile_problems(schema: Schema, path: str = "openAPIV3Schema") -> Iterator[FieldError]:
    """Rules of a CRD's schema that do not compile, each under its path in the CRD."""
    for index, rule in enumerate(schema.get(_RULES, [])):
        for field in ("rule", "messageExpression"):
            try:
                _program(rule.get(field) or "true")
            except RuntimeError as error:
                detail = f"{json.dumps(rule[field])}: compilation failed: {error}"
                yield FieldError(f"{path}.{_RULES}[{index}].{field}", "FieldValueInvalid", detail)
    for name, child in schema.get("properties", {}).items():
        yield from compile_problems(child, f"{path}.properties[{name}]")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from compile_problems(schema[keyword], f"{path}.{keyword}")


def escape(name: str) -> str:
    """A field name as CEL accesses it (`namespace` -> `__namespace__`, `a-b` -> `a__dash__b`)."""
    if name in _RESERVED:
        return f"__{name}__"
    for plain, escaped in _ESCAPES:
        name = name.replace(plain, escaped)
    return name


def _seconds(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    return sign * sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([\d.]+)(ns|us|µs|ms|s|m|h)", text))


def to_cel(value: Any, schema: Schema) -> Any:
    """A JSON value as the CEL type that its schema declares (numbers as double, formats as times and durations)."""
    if isinstance(value, dict):
        properties, rest = schema.get("properties"), schema.get("additionalProperties")
        if properties is None:
            child = rest if isinstance(rest, dict) else {}
            return {name: to_cel(item, child) for name, item in value.items()}
        return {escape(name): to_cel(item, properties.get(name, {})) for name, item in value.items()}
    if isinstance(value, list):
        return [to_cel(item, schema.get("items", {})) for item in value]
    if isinstance(value, str):
        return _text(value, schema.get("format"))
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _text(value: str, form: str | None) -> Any:
    if form == "date-time":
        return datetime.fromisoformat(value)
    if form == "date":
        day = date.fromisoformat(value)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    if form == "duration":
        return timedelta(seconds=_seconds(value))
    return base64.b64decode(value) if form == "byte" else value


def evaluate(value: Any, old: Any, schema: Schema, path: tuple[Any, ...] = ()) -> Iterator[FieldError]:
    """The rules that an object breaks.

    Args:
        value: The new value.
        old: The stored value at the same place, or `MISSING` on create.
        schema: Structural schema of the value.
        path: Where the value is.
    """
    if value is None:
        return
    for rule in schema.get(_RULES, []):
        if problem := _broken(rule, value, old, schema, path):
            yield problem
    for name, child, old_child, child_schema in _children(value, old, schema):
        yield from evaluate(child, old_child, child_schema, (*path, name))


def _children(value: Any, old: Any, schema: Schema) -> Iterator[tuple[Any, Any, Any, Schema]]:
    if isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
        for name, child in value.items():
            child_schema = properties.get(name, rest if isinstance(rest, dict) else None)
            if child_schema:
                before = old.get(name, _MISSING) if isinstance(old, dict) else _MISSING
                yield name, child, before, child_schema
    elif isinstance(value, list) and schema.get("items"):
        for index, child in enumerate(value):
            yield index, child, _correlated(child, old, schema), schema["items"]


def _correlated(item: Any, old: Any, schema: Schema) -> Any:
    """The old list item with the same keys; other lists have no identity, so transition rules skip them."""
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return _MISSING
    keys = schema.get("x-kubernetes-list-map-keys", [])
    same = (o for o in old if all(o.get(key) == item.get(key) for key in keys))
    return next(same, _MISSING)


def _broken(rule: dict[str, Any], value: Any, old: Any, schema: Schema, path: tuple[Any, ...]) -> FieldError | None:
    transition = re.search(r"\boldSelf\b", rule["rule"]) is not None
    has_old = old is not _MISSING and old is not None
    if transition and not has_old and not rule.get("optionalOldSelf"):
        return None
    data = {"self": to_cel(value, schema)}
    if transition:
        data["oldSelf"] = to_cel(old, schema) if has_old else None
    if rule.get("optionalOldSelf") and transition:
        expression = re.sub(r"\boldSelf\b", "optional.of(oldSelf)" if has_old else "optional.none()", rule["rule"])
    else:
        expression = rule["rule"]
    result = _program(expression).eval(data=data)
    if result.type() == cel.Type.ERROR:
        why = f"{shown(value)}: rule evaluation error: {result.plain_value()}"
        return FieldError(path_text(path), "FieldValueInvalid", why)
    if result.plain_value() is True:
        return None
    where = path_text(path) + (rule.get("fieldPath") or "")
    reason = rule.get("reason") or "FieldValueInvalid"
    message = _message(rule, data)
    detail = f"{shown(value)}: {message}" if reason == "FieldValueInvalid" else message
    return FieldError(where.lstrip("."), reason, detail)


def _message(rule: dict[str, Any], data: dict[str, Any]) -> str:
    if rule.get("messageExpression"):
        result = _program(rule["messageExpression"]).eval(data=data).plain_value()
        if isinstance(result, str) and result.strip() and "\n" not in result:
            return result
    return rule.get("message") or f"failed rule: {rule['rule']}"


MISSING: Any = _MISSING
"""Stands for "there was no old value"."""
