"""Pruning of unknown fields and defaulting, over structural schemas.

Source: apiextensions-apiserver `pkg/apiserver/schema/{pruning,defaulting}`.
"""

import copy
from typing import Any

from simulacra_controlplane.resources import Schema

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_TYPE_META = {"apiVersion", "kind", "metadata"}


def prune(
    value: Any, schema: Schema, path: str = "", preserve: bool = False
) -> tuple[Any, list[str]]:
    """The value without fields that the schema does not know, and the paths of what was dropped.

    `preserve` says whether an enclosing schema keeps unknown fields.

    Returns:
        A new value and the dropped paths (`spec.foo`, `spec.list[2].bar`).
    """
    preserve = preserve or bool(schema.get(_PRESERVE))
    if isinstance(value, list):
        return _prune_list(value, schema.get("items", {}), path, preserve and "items" not in schema)
    if not isinstance(value, dict):
        return value, []
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    kept, dropped = {}, []
    for name, child in value.items():
        here = f"{path}.{name}" if path else name
        if name in properties:
            kept[name], lost = prune(child, properties[name], here)
        elif isinstance(rest, dict):
            kept[name], lost = prune(child, rest, here)
        elif preserve or rest is True or (schema.get(_EMBEDDED) and name in _TYPE_META):
            kept[name], lost = child, []
        else:
            lost = [here]
        dropped += lost
    return kept, dropped


def _prune_list(
    value: list[Any], items: Schema, path: str, preserve: bool
) -> tuple[list[Any], list[str]]:
    kept, dropped = [], []
    for index, child in enumerate(value):
        item, lost = prune(child, items, f"{path}[{index}]", preserve)
        kept.append(item)
        dropped += lost
    return kept, dropped


def apply_defaults(value: Any, schema: Schema) -> Any:
    """The value with the schema's defaults where a field is absent (or null without `nullable`)."""
    if isinstance(value, list):
        items = schema.get("items", {})
        return [apply_defaults(child, items) for child in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    filled = dict(value)
    for name, child in properties.items():
        absent = name not in filled or (filled[name] is None and not child.get("nullable"))
        if absent and "default" in child:
            filled[name] = copy.deepcopy(child["default"])
    for name, child in filled.items():
        if name in properties:
            filled[name] = apply_defaults(child, properties[name])
        elif isinstance(rest, dict):
            filled[name] = apply_defaults(child, rest)
    return filled
