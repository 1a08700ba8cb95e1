"""JSON values as the CEL types that their schemas declare.

The runtime takes no times or durations inside a variable, so those are made by the expression
itself: where a schema has such formats, a rule is wrapped in `cel.bind(self, <typed copy of the raw
value>, rule)`. Times below `additionalProperties` stay text.
"""

from __future__ import annotations

import base64
from typing import Any

from simulacra_controlplane.resources import Schema

_RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "if"),
        *("function", "import", "let", "loop", "package", "namespace", "return", "var", "void"),
        "while",
    )
)
_ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_CONVERSIONS = {
    "date-time": "timestamp({0})",
    "date": "timestamp({0} + 'T00:00:00Z')",
    "duration": "duration({0})",
}


def escape(name: str) -> str:
    """A field name as CEL accesses it (`namespace` -> `__namespace__`, `a-b` -> `a__dash__b`)."""
    if name in _RESERVED:
        return f"__{name}__"
    for plain, escaped in _ESCAPES:
        name = name.replace(plain, escaped)
    return name


def to_cel(value: Any, schema: Schema) -> Any:
    """A JSON value for the runtime: names escaped, numbers as double, base64 as bytes."""
    if isinstance(value, dict):
        properties, rest = schema.get("properties"), schema.get("additionalProperties")
        if properties is None:
            child = rest if isinstance(rest, dict) else {}
            return {name: to_cel(item, child) for name, item in value.items()}
        return {
            escape(name): to_cel(item, properties.get(name, {})) for name, item in value.items()
        }
    if isinstance(value, list):
        return [to_cel(item, schema.get("items", {})) for item in value]
    if isinstance(value, str):
        return base64.b64decode(value) if schema.get("format") == "byte" else value
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def has_times(schema: Schema) -> bool:
    """Whether a value of this schema holds times or durations."""
    if schema.get("format") in _CONVERSIONS:
        return True
    items = [schema["items"]] if "items" in schema else []
    children = [*schema.get("properties", {}).values(), *items]
    return any(map(has_times, children))


def typed(raw: str, schema: Schema, depth: int = 0) -> str:
    """A CEL expression for the value of the variable `raw` with times and durations as such."""
    if not has_times(schema):
        return raw
    inner = f"v{depth}"
    if conversion := _CONVERSIONS.get(schema.get("format", "")):
        return f"(type({raw}) == string ? dyn({conversion.format(raw)}) : {raw})"
    if "items" in schema:
        return f"{raw}.map({inner}, {typed(inner, schema['items'], depth + 1)})"
    fields = []
    for name, child in schema["properties"].items():
        escaped = escape(name)
        part = f"{raw}.?{escaped}"
        if has_times(child):
            part += f".optMap({inner}, {typed(inner, child, depth + 1)})"
        fields.append(f"?'{escaped}': {part}")
    return "{" + ", ".join(fields) + "}"
