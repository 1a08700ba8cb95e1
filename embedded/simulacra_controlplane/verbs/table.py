"""The Table form of objects (`Accept: application/json;as=Table`), which `kubectl get` prints."""

import json
from collections.abc import Sequence
from typing import Any

from simulacra_controlplane import jsonpath
from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Column, Resource
from simulacra_controlplane.verbs import durations, table_builtin

_NAME = Column(
    "Name", "string", ".metadata.name", "Name must be unique within a namespace.", format="name"
)
_AGE = Column(
    "Age",
    "date",
    ".metadata.creationTimestamp",
    "CreationTimestamp is the server time of the creation.",
)


def _cell(value: Any, kind: str) -> Any:
    """Return a cell: an age for a date, a number, text, or null for a missing value."""
    if value is None:
        return None
    try:
        if kind == "date":
            return durations.since(value)
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
    except (TypeError, ValueError):
        return "<unknown>" if kind == "date" else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _row(obj: Object, cells: list[Any], include: str) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": cells}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        head = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        row["object"] = {**head, "metadata": obj["metadata"]}
    return row


def render(
    resource: Resource,
    objects: Sequence[Object],
    metadata: dict[str, Any],
    include: str,
    headers: bool = True,
) -> Object:
    """A Table of these objects.

    `include` is `includeObject`: Metadata (default), Object or None. A watch sends the column
    definitions (`headers`) once.
    """
    if resource.custom:
        columns = [_NAME, *(resource.columns or (_AGE,))]
        rows = [[_first(obj, column) for column in columns] for obj in objects]
    else:
        columns = [_NAME, *table_builtin.columns(resource)]
        rows = [[obj["metadata"]["name"], *table_builtin.cells(resource, obj)] for obj in objects]
        if resource.storage == "events":  # the only kind whose table does not start with the name
            columns, rows = columns[1:], [row[1:] for row in rows]
    names = ("name", "type", "format", "description", "priority")
    definitions = [{name: getattr(column, name) for name in names} for column in columns]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions if headers else None,
        "rows": [_row(obj, cells, include) for obj, cells in zip(objects, rows, strict=True)],
    }


def _first(obj: Object, column: Column) -> Any:
    values = jsonpath.find(obj, column.path)
    return _cell(values[0], column.type) if values else None
