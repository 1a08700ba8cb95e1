"""Label and field selectors of list, watch and deletecollection."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import gt, lt
from typing import Any

from simulacra_controlplane.errors import ApiError, bad_request
from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Resource

Test = Callable[[Object], bool]

_SET = re.compile(r"(?P<key>[^\s,!=()<>]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)")
_PAIR = re.compile(r"(?P<key>[^\s,!=()<>]+)\s*(?P<op>==|=|!=|<|>)\s*(?P<values>[^\s,=()<>!]*)")
_ONE = re.compile(r"(?P<op>!?)\s*(?P<key>[^\s,!=()<>]+)")

_POD_SPEC = ("nodeName", "restartPolicy", "schedulerName", "serviceAccountName", "hostNetwork")
_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        *(f"spec.{name}" for name in _POD_SPEC),
        *(f"status.{name}" for name in ("phase", "podIP", "nominatedNodeName")),
    ),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "secrets": ("type",),
    "jobs.batch": ("status.successful",),
    "events": (
        *(f"involvedObject.{name}" for name in _INVOLVED),
        *("reason", "reportingComponent", "source", "type"),
    ),
}


@dataclass(frozen=True)
class Selector:
    """What a request selects; an empty one selects everything.

    Attributes:
        tests: What an object must meet, all of it.
        label: A label and the value that it must have, if there is one: a store may have an index
            of these.
    """

    tests: tuple[Test, ...] = field(default=())
    label: tuple[str, str] | None = None

    def __call__(self, obj: Object) -> bool:
        """Whether the object is selected."""
        return all(test(obj) for test in self.tests)


def _labels(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _label_test(key: str, operator: str, values: list[str]) -> Test:
    if operator in ("=", "==", "in"):
        return lambda obj: key in _labels(obj) and _labels(obj)[key] in values
    if operator in ("!=", "notin"):
        return lambda obj: _labels(obj).get(key) not in values
    if operator in ("<", ">"):
        bound, compare = int(values[0]), gt if operator == ">" else lt
        return lambda obj: (
            _labels(obj).get(key, "").isdigit() and compare(int(_labels(obj)[key]), bound)
        )
    return lambda obj: (key in _labels(obj)) is (operator == "exists")


def _unparsed(why: str) -> ApiError:
    return bad_request(f"unable to parse requirement: {why}")


def parse_labels(text: str) -> list[Test]:
    """`a=b,c in (d,e),!f` as tests.

    Raises:
        ApiError: 400 when the text is not a selector.
    """
    tests: list[Test] = []
    rest = text.strip()
    while rest:
        found = _SET.match(rest) or _PAIR.match(rest) or _ONE.match(rest)
        if not found:
            raise _unparsed(f"found '{rest}', expected: a label selector")
        groups = found.groupdict()
        if "values" in groups:
            values = [value.strip() for value in groups["values"].split(",")]
            if groups["op"] in ("<", ">") and not values[0].isdigit():
                raise _unparsed(f"values[0]: {values[0]!r} must be an integer")
            tests.append(_label_test(groups["key"], groups["op"], values))
        else:
            tests.append(_label_test(groups["key"], "absent" if groups["op"] else "exists", []))
        rest = rest[found.end() :].lstrip()
        if rest and not rest.startswith(","):
            raise _unparsed(f"found '{rest}', expected: ',' or the end")
        rest = rest[1:].lstrip()
    return tests


def exact_label(text: str) -> tuple[str, str] | None:
    """The first `key=value` of a label selector that `parse_labels` accepts; None without one."""
    pairs = _PAIR.finditer(_SET.sub("", text))
    found = next((one for one in pairs if one["op"] in ("=", "==")), None)
    return (found["key"], found["values"].strip()) if found else None


def field_value(obj: Object, path: str) -> str:
    """A field as text; absent is "", booleans are true and false."""
    value: Any = obj
    for part in path.lstrip(".").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _selected_value(storage: str, obj: Object, path: str) -> str:
    if storage == "jobs.batch" and path == "status.successful":
        return str(obj.get("status", {}).get("succeeded", 0))
    if storage == "events" and path == "source":
        return field_value(obj, "source.component") or field_value(obj, "reportingComponent")
    if storage == "nodes" and path == "spec.unschedulable":
        return field_value(obj, path) or "false"
    return field_value(obj, path)


def parse_fields(text: str, resource: Resource) -> list[Test]:
    """`metadata.name=a,status.phase!=Running` as tests.

    Raises:
        ApiError: 400 for a field that this resource cannot be selected by.
    """
    allowed = {"metadata.name", *_FIELDS.get(resource.storage, ()), *resource.selectable}
    if resource.namespaced:
        allowed.add("metadata.namespace")
    tests: list[Test] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        found = re.fullmatch(r"([^=!]+?)(==|=|!=)(.*)", part)
        if not found:
            raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
        path, operator, wanted = found.groups()
        if path not in allowed:
            raise bad_request(f"field label not supported: {path}")
        tests.append(_field_test(resource.storage, path, operator != "!=", wanted))
    return tests


def _field_test(storage: str, path: str, equal: bool, wanted: str) -> Test:
    return lambda obj: (_selected_value(storage, obj, path) == wanted) is equal


def parse(resource: Resource, query: dict[str, str], name: str | None = None) -> Selector:
    """The selector of a request (`name`: a watch on one object)."""
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    tests = parse_labels(labels) + parse_fields(fields, resource)
    if name is not None:
        tests.append(lambda obj: obj["metadata"]["name"] == name)
    return Selector(tuple(tests), exact_label(labels))
