"""Places in a spec without the customer's words: for status, logs and events."""

from collections.abc import Mapping
from typing import Any

from pydantic.alias_generators import to_camel

_NAMES = (("conditions", "categorical"), ("conditions", "numeric"), ("interventions",))
"""Fields whose keys are columns; those below a column in `categorical` are levels."""
_QUOTAS = ("conditions", "quotas")
"""Below it, the keys of `where` are columns."""


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
    if parts == ["outcome_level"]:  # which a spec has behind the outcome
        parts = ["outcome"]
    for at, part in enumerate(parts):
        if isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node, text = node[int(part)], f"{text}[{part}]"
            continue
        above = tuple(parts[:at])
        has_names = above in _NAMES or (at == 3 and above[:2] == _NAMES[0])
        has_names |= at == 4 and above[:2] == _QUOTAS and above[3] == "where"
        key = part if has_names else to_camel(part)
        if not isinstance(node, Mapping) or key not in node:
            break
        text += f"[{list(node).index(key)}]" if has_names else f".{key}"
        node = node[key]
    return text
