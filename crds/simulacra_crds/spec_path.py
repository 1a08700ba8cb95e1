"""Faults of a request without the customer's words: for status, logs and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.alias_generators import to_camel

_NAMES = (("conditions", "categorical"), ("conditions", "numeric"), ("interventions",))
"""Fields whose keys are columns; those below a column in `categorical` are levels."""
_BRIEF = {
    "The schema has no such column": "no such column",
    "The column has no such level": "no such level",
    "Two of the levels are the same number": "the same level twice",
    "The shares sum to": "sum above 1",
    "Every level is named": "shares of all levels sum below 1",
    "The range is outside of the data": "range outside of the data",
    "The column is computed from others": "a column that follows from others",
    "The column is numeric": "a number is needed",
    "Set either": "a column with both a condition and an intervention",
    "The edge contradicts": "the edge contradicts the tiers or other required edges",
    "The edge is also forbidden": "an edge that is required and forbidden",
    "The edge leads from a column to itself": "an edge from a column to itself",
    "The column is already in a tier": "a column in two tiers",
    "The column is not learned": "a column that is not learned",
    "A column holds several answers": "a column of several answers, of which one must be named",
}
"""Begin of a fault's text for the customer, and the fault without names."""


def spec_path(pointer: str, request: Mapping[str, Any]) -> str:
    """Return where a JSON pointer into a request leads in the spec: `spec.interventions[0]`.

    The number of a column or level is its place among the keys, as `kubectl get -o yaml` prints
    them. The path ends before the first part that the request does not have.
    """
    parts = [one.replace("~1", "/").replace("~0", "~") for one in pointer.split("/")[1:]]
    node: Any = request
    text = "spec"
    if parts and parts[0] in request.get("knowledge", ()):
        node, text = request["knowledge"], "spec.knowledge"  # a fit's pointers begin there
    for at, part in enumerate(parts):
        if isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node, text = node[int(part)], f"{text}[{part}]"
            continue
        above = tuple(parts[:at])
        has_names = above in _NAMES or (at == 3 and above[:2] == _NAMES[0])
        key = part if has_names else to_camel(part)
        if not isinstance(node, Mapping) or key not in node:
            break
        text += f"[{list(node).index(key)}]" if has_names else f".{key}"
        node = node[key]
    return text


def brief(detail: str) -> str:
    """Return a fault without names and values."""
    found = (short for begin, short in _BRIEF.items() if detail.startswith(begin))
    return next(found, "it does not fit the schema of the dataset")
