"""Sets of fields, as server-side apply records them in `metadata.managedFields`.

A path is a tuple of FieldsV1 elements: `f:name` (field), `k:{"name":"a"}` (item of a keyed list),
`v:"x"` (member of a set). Source: structured-merge-diff v6, `fieldpath` and `typed`.
"""

from __future__ import annotations

import json
from typing import Any

from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Schema
from simulacra_controlplane.schema.schemas import BY_VALUE

Path = tuple[str, ...]

_UNOWNED_METADATA = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
    "generateName",
]
_NONE: Any = object()


def owned_part(obj: Object) -> Object:
    """The object without the fields that nobody owns."""
    kept = {
        name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")
    }
    metadata = {
        name: value
        for name, value in obj.get("metadata", {}).items()
        if name not in _UNOWNED_METADATA
    }
    return {**kept, **({"metadata": metadata} if metadata else {})}


def child_schema(schema: Schema, name: str) -> tuple[Schema, bool]:
    """Schema of a field, and whether it is declared (not an entry of a map)."""
    if name in schema.get("properties", {}):
        return schema["properties"][name], True
    rest = schema.get("additionalProperties")
    return (rest if isinstance(rest, dict) else {}), False


def item_key(item: Any, schema: Schema) -> str:
    """The path element of an item of a keyed list."""
    fields = schema.get("items", {}).get("properties", {})
    identity = {
        name: item.get(name, fields.get(name, {}).get("default"))
        for name in schema["x-kubernetes-list-map-keys"]
    }
    present = {name: value for name, value in identity.items() if value is not None}
    return "k:" + json.dumps(present, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def list_type(schema: Schema) -> str:
    """`map`, `set` or `atomic`."""
    kind: str = schema.get("x-kubernetes-list-type", "atomic")
    return kind


def members(value: Any, schema: Schema, containers: bool, path: Path = ()) -> dict[Path, Any]:
    """Return every ownable path of a value; list items and map entries have their own.

    Args:
        value: Any JSON value.
        schema: Its structural schema.
        containers: Whether structures count as well (an update owns a structure that it adds, an
            apply does not).
        path: Where the value is.
    """
    found: dict[Path, Any] = {}
    if containers and path and isinstance(value, dict | list) and not schema.get(BY_VALUE):
        found[path] = _NONE
    if isinstance(value, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        for name, child in value.items():
            inner, declared = child_schema(schema, name)
            here = (*path, f"f:{name}")
            found.update(members(child, inner, containers, here))
            if not declared and here not in found:
                found[here] = _NONE
        if not value and path:
            found[path] = value
    elif isinstance(value, list) and list_type(schema) == "map":
        for item in value:
            here = (*path, item_key(item, schema))
            found[here] = _NONE
            found.update(members(item, schema.get("items", {}), containers, here))
    elif isinstance(value, list) and list_type(schema) == "set":
        found.update(
            {(*path, f"v:{json.dumps(item, ensure_ascii=False)}"): _NONE for item in value}
        )
    elif path:
        found[path] = value
    return found


def encode(paths: set[Path]) -> dict[str, Any]:
    """A set of paths as FieldsV1."""
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node, (*parents, last) = tree, path
        for element in parents:
            child = node.get(element)
            if child is None:
                child = node[element] = {}
            elif not child:  # a path of the set, which sorts before those below it
                child["."] = {}
            node = child
        node[last] = {}
    return tree


def decode(tree: dict[str, Any], path: Path = ()) -> set[Path]:
    """FieldsV1 as a set of paths."""
    found: set[Path] = set()
    for element, child in tree.items():
        if element == ".":
            found.add(path)
        elif not child:
            found.add((*path, element))
        else:
            found |= decode(child, (*path, element))
    return found


def display(path: Path) -> str:
    """A path as conflict messages show it: `.spec.containers[name="a"].image`."""
    text = ""
    for element in path:
        kind, rest = element[0], element[2:]
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            pairs = ",".join(
                f"{name}={json.dumps(value)}" for name, value in json.loads(rest).items()
            )
            text += f"[{pairs}]"
        else:
            text += f"[={rest}]"
    return text


def remove(value: Any, schema: Schema, path: Path) -> Any:
    """Return the value without the path; containers that become empty are removed too."""
    element, rest = path[0], path[1:]
    if element[0] == "f" and isinstance(value, dict):
        name = element[2:]
        if name not in value:
            return value
        kept = {key: child for key, child in value.items() if key != name}
        if rest:
            smaller = remove(value[name], child_schema(schema, name)[0], rest)
            if smaller not in ({}, []) or value[name] in ({}, []):
                kept = {**value, name: smaller}
        return kept
    if element[0] == "k" and isinstance(value, list) and list_type(schema) == "map":
        if not rest:
            return [item for item in value if item_key(item, schema) != element]
        items = schema.get("items", {})
        return [
            remove(item, items, rest) if item_key(item, schema) == element else item
            for item in value
        ]
    if element[0] == "v" and isinstance(value, list):
        return [item for item in value if f"v:{json.dumps(item, ensure_ascii=False)}" != element]
    return value
