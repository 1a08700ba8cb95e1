"""CEL rules (`x-kubernetes-validations`), evaluated by Google's cel-cpp through `cel-expr-python`.

Evaluated: standard CEL with the strings, math, optional and bindings libraries; `self`, `oldSelf`
(transition rules run on updates only, inside lists only where the list is a map with keys),
`optionalOldSelf`, `message`, `reason`, `fieldPath`; values that a write leaves as they are keep
their verdict (ratcheting).

Not evaluated, and refused when the CRD is applied: `messageExpression`, and the Kubernetes-only
libraries (`quantity`, `url`, `ip`, `cidr`, `semver`, `isSorted`, `sum`, `find`, `format.*`). Not
checked: the cost budget, and the types of fields at the time the CRD is applied. Lists of type set
or map compare by order here. Times, durations and bytes are text, and names are not escaped: a rule
that takes them otherwise fails, and so does the write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache, cached_property, lru_cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings  # type: ignore[import-untyped]

from simulacra_controlplane.errors import FieldError, invalid_value
from simulacra_controlplane.resources import Schema
from simulacra_controlplane.schema.validation import Held, path_text, shown

_RULES = "x-kubernetes-validations"
_MISSING = object()


@cache
def _env() -> Any:
    """The environment of all rules: untyped `self` and `oldSelf`."""
    return cel.NewEnv(
        variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN},
        extensions=[
            ext_optional.ExtOptional(),
            ext_strings.ExtStrings(),
            ext_math.ExtMath(),
            ext_bindings.ExtBindings(),
        ],
    )


@lru_cache(maxsize=4096)
def _program(expression: str) -> Any:
    return _env().compile(expression)


def compile_problems(schema: Schema, path: str = "openAPIV3Schema") -> Iterator[FieldError]:
    """Rules of a CRD's schema that do not compile, each under its path in the CRD."""
    for index, rule in enumerate(schema.get(_RULES, [])):
        place = f"{path}.{_RULES}[{index}]"
        if rule.get("messageExpression"):
            detail = f"{json.dumps(rule['messageExpression'])}: is not evaluated here; use message"
            yield invalid_value(f"{place}.messageExpression", detail)
        try:
            _program(rule["rule"])
        except RuntimeError as error:
            detail = f"{json.dumps(rule['rule'])}: compilation failed: {error}"
            yield invalid_value(f"{place}.rule", detail)
    for name, child in schema.get("properties", {}).items():
        yield from compile_problems(child, f"{path}.properties[{name}]")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from compile_problems(schema[keyword], f"{path}.{keyword}")


@lru_cache(maxsize=256)
def _has_rules(holder: Held) -> bool:
    return any(True for _ in _rules(holder.schema))


def _rules(schema: Schema) -> Iterator[dict[str, Any]]:
    yield from schema.get(_RULES, [])
    for child in schema.get("properties", {}).values():
        yield from _rules(child)
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from _rules(schema[keyword])


def has_rules(schema: Schema) -> bool:
    """Whether a schema has rules anywhere."""
    return _has_rules(Held(schema))


def evaluate(
    value: Any, old: Any, schema: Schema, path: tuple[Any, ...] = ()
) -> Iterator[FieldError]:
    """The rules that an object breaks.

    `old` is the stored value at the same place, or `MISSING` on create.
    """
    if value is None or value == old:
        return  # ratcheting: what a write leaves as it is was accepted before
    if rules := schema.get(_RULES):
        bound = _Bound(schema, value, old)
        for rule in rules:
            if problem := _broken(rule, bound, path):
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
    """Return the old item with the same keys; without keys transition rules do not apply."""
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return _MISSING
    keys = schema.get("x-kubernetes-list-map-keys", [])
    same = (o for o in old if all(o.get(key) == item.get(key) for key in keys))
    return next(same, _MISSING)


def _broken(rule: dict[str, Any], bound: _Bound, path: tuple[Any, ...]) -> FieldError | None:
    optional = bool(rule.get("optionalOldSelf"))
    if not bound.has_old and not optional and _is_transition(rule["rule"]):
        return None
    result = bound.evaluate(rule["rule"], optional)
    if result.type() == cel.Type.ERROR:
        return invalid_value(path_text(path), f"rule evaluation error: {result.plain_value()}")
    if result.plain_value() is True:
        return None
    where = path_text(path) + (rule.get("fieldPath") or "")
    reason = rule.get("reason") or "FieldValueInvalid"
    message = rule.get("message") or f"failed rule: {rule['rule']}"
    if reason == "FieldValueInvalid" and not isinstance(bound.value, dict | list):
        message = f"{shown(bound.value)}: {message}"
    return FieldError(where.lstrip("."), reason, message)


@lru_cache(maxsize=4096)
def _is_transition(rule: str) -> bool:
    return re.search(r"\boldSelf\b", rule) is not None


class _Bound:
    """What `self` and `oldSelf` stand for in the rules of one schema, converted once."""

    def __init__(self, schema: Schema, value: Any, old: Any) -> None:
        self.value = value
        self.has_old = old is not _MISSING and old is not None
        self._schema, self._old = schema, old

    @cached_property
    def _self(self) -> Any:
        return to_cel(self.value, self._schema)

    @cached_property
    def _old_self(self) -> Any:
        return to_cel(self._old, self._schema) if self.has_old else None

    def evaluate(self, rule: str, optional_old: bool) -> Any:
        """The result of a rule."""
        old = self._old_self if _is_transition(rule) else None
        if optional_old:
            given = "optional.of(oldSelf)" if self.has_old else "optional.none()"
            rule = f"cel.bind(oldSelf, {given}, {rule})"
        return _program(rule).eval(data={"self": self._self, "oldSelf": old})


def to_cel(value: Any, schema: Schema) -> Any:
    """A JSON value for the runtime, with every number that the schema says is one as double."""
    if isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
        others = rest if isinstance(rest, dict) else {}
        return {name: to_cel(item, properties.get(name, others)) for name, item in value.items()}
    if isinstance(value, list):
        return [to_cel(item, schema.get("items", {})) for item in value]
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


MISSING: Any = _MISSING
"""Stands for "there was no old value"."""
