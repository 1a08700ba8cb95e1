"""JSONPath of printer columns: `.a.b`, `['c']`, `['c','d']`, `[0]`, `[*]`, `[?(@.type=="Ready")]`.

Source: client-go `util/jsonpath`, of which this is the part that CRD columns use.
"""

import json
import re
from functools import lru_cache
from typing import Any

_STEP = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\\])+)
      | \[\s*(?P<index>-?\d+)\s*\]
      | \[\s*(?P<quoted>'[^']*'(?:\s*,\s*'[^']*')*)\s*\]
      | \[\s*(?P<star>\*)\s*\]
      | \[\s*\?\(\s*@(?P<path>[^=!<>)]*?)\s*(?P<op>==|!=)\s*
          (?P<value>"[^"]*"|'[^']*'|[^)]+?)\s*\)\s*\]""",
    re.VERBOSE,
)


@lru_cache(maxsize=1024)
def parse(path: str) -> tuple[tuple[str, Any], ...]:
    """The steps of a path.

    Raises:
        ValueError: The path uses something outside this dialect.
    """
    steps: list[tuple[str, Any]] = []
    rest = path.strip().removeprefix("{").removesuffix("}")
    while rest:
        found = _STEP.match(rest)
        if not found:
            raise ValueError(f"unrecognized JSONPath at {rest!r} in {path!r}")
        groups = found.groupdict()
        if groups["op"]:
            value = groups["value"]
            literal = value[1:-1] if value[0] in "\"'" else json.loads(value)
            steps.append(("filter", (groups["path"], groups["op"] == "==", literal)))
        elif groups["index"]:
            steps.append(("index", int(groups["index"])))
        elif groups["star"] or groups["field"] == "*":
            steps.append(("all", None))
        else:
            names = re.findall(r"'([^']*)'", groups["quoted"] or "")
            steps.append(("field", names or [groups["field"].replace("\\", "")]))
        rest = rest[found.end() :]
    return tuple(steps)


def find(value: Any, path: str) -> list[Any]:
    """Every value at the path; a path that leads nowhere gives an empty list."""
    values = [value]
    for kind, argument in parse(path):
        # a union is in the order of its names
        parts = argument if kind == "field" else [argument]
        values = [one for part in parts for current in values for one in _step(current, kind, part)]
    return values


def _step(value: Any, kind: str, argument: Any) -> list[Any]:
    if kind == "field":
        return [value[argument]] if isinstance(value, dict) and argument in value else []
    if kind == "index":
        within = isinstance(value, list) and -len(value) <= argument < len(value)
        return [value[argument]] if within else []
    items = (
        list(value.values())
        if isinstance(value, dict)
        else value
        if isinstance(value, list)
        else []
    )
    if kind == "all":
        return items
    path, equal, literal = argument
    return [item for item in items if (find(item, path)[:1] == [literal]) is equal]
