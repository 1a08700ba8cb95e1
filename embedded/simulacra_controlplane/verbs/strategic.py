"""Strategic merge patch for the built-in kinds, guided by their schemas.

Source: apimachinery `pkg/util/strategicpatch`. Lists whose schema says
`x-kubernetes-patch-strategy: merge` merge by key; the directives `$patch`, `$retainKeys`,
`$deleteFromPrimitiveList/` and `$setElementOrder/` are honored.
"""

from typing import Any

from simulacra_controlplane.errors import bad_request
from simulacra_controlplane.resources import Schema

_DELETE = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"
_DIRECTIVE = "$patch"


def merge(target: Any, patch: Any, schema: Schema) -> Any:
    """`target` with `patch` merged in, as a new value.

    Raises:
        ApiError: 400 for an unknown directive or a list item without its merge key.
    """
    if not isinstance(patch, dict):
        return patch
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != _DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"Unknown patch type found: {directive}")
    merged = dict(target) if isinstance(target, dict) else {}
    if _RETAIN in patch:
        merged = {name: value for name, value in merged.items() if name in patch[_RETAIN]}
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge_field(merged.get(name), value, _child(schema, name))
    return _list_directives(merged, patch, schema)


def _child(schema: Schema, name: str) -> Schema:
    rest = schema.get("additionalProperties")
    found: Schema = schema.get("properties", {}).get(name, rest if isinstance(rest, dict) else {})
    return found


def _merges(schema: Schema) -> bool:
    return "merge" in schema.get("x-kubernetes-patch-strategy", "").split(",")


def _merge_field(target: Any, value: Any, schema: Schema) -> Any:
    if isinstance(value, list) and _merges(schema):
        return _merge_list(target or [], value, schema)
    return merge(target, value, schema)


def _merge_list(target: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    key = schema.get("x-kubernetes-patch-merge-key")
    if key is None:
        return target + [item for item in patch if item not in target]
    if {_DIRECTIVE: "replace"} in patch:
        return [item for item in patch if item != {_DIRECTIVE: "replace"}]
    merged = list(target)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((i for i, old in enumerate(merged) if old.get(key) == item[key]), None)
        if item.get(_DIRECTIVE) == "delete":
            if at is not None:
                del merged[at]
        elif at is None:
            merged.append(merge({}, item, schema.get("items", {})))
        else:
            merged[at] = merge(merged[at], item, schema.get("items", {}))
    return merged


def _list_directives(
    merged: dict[str, Any], patch: dict[str, Any], schema: Schema
) -> dict[str, Any]:
    """Apply the list directives, which stand beside their list in the patch."""
    for directive, values in patch.items():
        if directive.startswith(_DELETE):
            name = directive.removeprefix(_DELETE)
            if name in merged:
                merged[name] = [item for item in merged[name] if item not in values]
        elif directive.startswith(_ORDER):
            name = directive.removeprefix(_ORDER)
            key = _child(schema, name).get("x-kubernetes-patch-merge-key")
            if isinstance(merged.get(name), list):
                merged[name] = _ordered(merged[name], values, key)
    return merged


def _ordered(items: list[Any], order: list[Any], key: str | None) -> list[Any]:
    """Return the items in the patch's order; unnamed ones stay before the named ones."""

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted = [identity(item) for item in order]
    unnamed = [item for item in items if identity(item) not in wanted]
    named = sorted(
        (i for i in items if identity(i) in wanted), key=lambda item: wanted.index(identity(item))
    )
    return unnamed + named
