"""Parts without a server: printer JSONPath, ages, change window, CEL limits, field sets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulacra_controlplane import create_app, jsonpath
from simulacra_controlplane.app import LastResort
from simulacra_controlplane.background.controllers import expire_events
from simulacra_controlplane.errors import ApiError
from simulacra_controlplane.objects import now
from simulacra_controlplane.schema import cel, pruning
from simulacra_controlplane.schema.schemas import _inline
from simulacra_controlplane.state import ControlPlane, WriteOptions
from simulacra_controlplane.store import Key, Store
from simulacra_controlplane.verbs import durations, patch, strategic, watch, writes
from simulacra_controlplane.verbs.requests import Target

OBJECT = {
    "a": {"b": [1, {"c": "x"}], "dotted.key": "y"},
    "conditions": [
        {"type": "Ready", "status": "True"},
        {"type": "Other", "status": "False", "n": 2},
    ],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b[0]", [1]),
        (".a.b[-1].c", ["x"]),
        (".a.b[7]", []),
        (r".a.dotted\.key", ["y"]),
        (".a['dotted.key']", ["y"]),
        (".conditions[*].type", ["Ready", "Other"]),
        (".conditions[*]['n', 'type']", [2, "Ready", "Other"]),
        (".*['none','b']", [[1, {"c": "x"}]]),
        ('.conditions[?(@.type=="Ready")].status', ["True"]),
        ("{.conditions[?(@.type!='Ready')].status}", ["False"]),
        (".conditions[?(@.n==2)].type", ["Other"]),
        (".nothing.at.all", []),
    ],
)
def test_printer_path_reads_its_value(path: str, found: list[Any]) -> None:
    assert jsonpath.find(OBJECT, path) == found


@pytest.mark.parametrize("path", ["a.b", ".a[", ".a[?(@.b)]", "..a"])
def test_invalid_printer_path_is_rejected(path: str) -> None:
    with pytest.raises(ValueError, match="unrecognized JSONPath"):
        jsonpath.parse(path)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (5 * 3600 + 60, "5h1m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (730 * 86400, "2y"),
        (900 * 86400, "2y170d"),
        (-0.5, "0s"),
        (-5, "<invalid>"),
    ],
)
def test_age_is_printed_as_kubectl_does(seconds: float, text: str) -> None:
    assert durations.human(seconds) == text


def obj(name: str, n: int = 0, owners: tuple[str, ...] = ()) -> dict[str, Any]:
    references = [{"uid": uid} for uid in owners]
    return {
        "metadata": {
            "name": name,
            "namespace": "n",
            "uid": name,
            **({"ownerReferences": references} if references else {}),
        },
        "n": n,
    }


def test_changes_before_the_window_are_too_old() -> None:
    store = Store(":memory:", window=3)
    revisions = [
        store.put(Key("r", "", "a"), obj("a", n))["metadata"]["resourceVersion"] for n in range(5)
    ]
    assert [change.revision for change in store.since(int(revisions[1]))] == [
        int(r) for r in revisions[2:]
    ]
    with pytest.raises(LookupError, match="too old resource version"):
        store.since(int(revisions[0]))
    store.compact()
    assert store.since(store.revision) == []
    with pytest.raises(LookupError):
        store.since(store.revision - 1)


def test_list_shows_a_past_revision(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    store.put(Key("r", "n", "a"), obj("a"))
    store.put(Key("r", "n", "b"), obj("b"))
    moment = store.revision
    store.put(Key("r", "n", "a"), obj("a", 1))
    store.remove(Key("r", "n", "b"))
    store.put(Key("r", "n", "c"), obj("c"))
    assert [(o["metadata"]["name"], o["n"]) for o in store.scan("r", revision=moment)] == [
        ("a", 0),
        ("b", 0),
    ]
    assert [
        o["metadata"]["name"] for o in store.scan("r", "n", revision=moment, after=("n", "a"))
    ] == ["b"]
    assert [o["metadata"]["name"] for o in store.all("r")] == ["a", "c"]
    assert list(store.scan("r", "other", revision=moment)) == []


def test_owner_index_survives_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    store.put(Key("r", "n", "a"), obj("a", owners=("one", "two")))
    store.put(Key("r", "n", "a"), obj("a", owners=("two",)))
    store.close()
    again = Store(tmp_path / "db")
    assert again.dependents("one") == []
    assert again.dependents("two") == [Key("r", "n", "a")]
    assert again.owned() == {"two"}
    again.remove(Key("r", "n", "a"))
    assert again.owned() == set()


@pytest.fixture
async def plane(tmp_path: Path) -> ControlPlane:
    """A control plane with one namespace, without a server."""
    found: ControlPlane = create_app(Store(tmp_path / "db"), ["token"], tmp_path).state.plane
    return found


def make(plane: ControlPlane, plural: str, name: str, **body: Any) -> dict[str, Any]:
    resource = plane.registry.find("", "v1", plural)
    assert resource is not None
    return writes.create(
        plane, resource, "default", {"metadata": {"name": name}, **body}, WriteOptions()
    )


def lines_of(plane: ControlPlane, **query: str) -> AsyncIterator[bytes]:
    resource = plane.registry.find("", "v1", "configmaps")
    assert resource is not None
    return watch.start(plane, Target(resource, "default", "", "", False), query, "application/json")


async def test_quiet_watch_gets_bookmarks(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "BOOKMARK_SECONDS", 0.05)
    start = str(plane.store.revision)
    lines = lines_of(plane, resourceVersion=start, allowWatchBookmarks="true")
    make(plane, "secrets", "unrelated")
    bookmark = json.loads(await anext(lines))
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["resourceVersion"] == str(plane.store.revision)
    make(plane, "configmaps", "a")
    assert json.loads(await anext(lines))["type"] == "ADDED"
    quiet = [line async for line in lines_of(plane, resourceVersion=start, timeoutSeconds="1")]
    assert [json.loads(line)["type"] for line in quiet] == ["ADDED"]


async def test_slow_watcher_is_disconnected(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra_controlplane.state._SLOW_WATCHER", 3)
    lines = lines_of(plane)
    make(plane, "configmaps", "first")
    await anext(lines)
    for index in range(6):
        make(plane, "configmaps", f"c{index}")
    assert len([line async for line in lines]) == 3


async def test_old_events_expire(plane: ControlPlane) -> None:
    for name, last in (("old", "2020-01-01T00:00:00Z"), ("new", now())):
        event = make(plane, "events", name, involvedObject={}, lastTimestamp=last)
        event["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
        plane.store.put(Key("events", "default", name), event)
    expire_events(plane)
    assert [event["metadata"]["name"] for event in plane.store.all("events")] == ["new"]


def rules(*texts: str, **schema: Any) -> dict[str, Any]:
    return {
        "type": "object",
        **schema,
        "x-kubernetes-validations": [{"rule": text, "message": text} for text in texts],
    }


@pytest.mark.parametrize(
    "rule", ["quantity('1Gi').isGreaterThan(quantity('1'))", "self.n >", "isURL(self.u)"]
)
def test_invalid_cel_rule_is_rejected_when_applied(rule: str) -> None:
    problems = list(cel.compile_problems(rules(rule)))
    assert [p.path for p in problems] == ["openAPIV3Schema.x-kubernetes-validations[0].rule"]


def test_message_of_an_expression_is_rejected_when_applied() -> None:
    schema = {"x-kubernetes-validations": [{"rule": "true", "messageExpression": "'no'"}]}
    (problem,) = cel.compile_problems(schema)
    assert problem.path == "openAPIV3Schema.x-kubernetes-validations[0].messageExpression"


def test_rule_about_a_time_refuses_the_write() -> None:
    moment = {"type": "string", "format": "date-time"}
    schema = rules("self.at < timestamp('2027-01-01T00:00:00Z')", properties={"at": moment})
    (problem,) = cel.evaluate({"at": "2026-01-01T00:00:00Z"}, cel.MISSING, schema)
    assert problem.detail.startswith("rule evaluation error: ")


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("self.ratio < 1.0", False),
        ("self.steps.all(step, step.at - 1.0 >= self.ratio)", True),
        ("self.parts.all(name, self.parts[name] + 0.5 > self.ratio)", True),
        ("!has(self.missing)", True),
        ("self.ratio == 1.0", True),
        ("self.?missing.orValue('none') == 'none'", True),
        ("oldSelf.ratio < self.ratio", True),
    ],
)
def test_cel_rule_reads_numbers_and_what_is_missing(rule: str, holds: bool) -> None:
    number = {"type": "number"}
    properties = {
        "missing": number,
        "steps": {"type": "array", "items": {"type": "object", "properties": {"at": number}}},
        "parts": {"type": "object", "additionalProperties": number},
        "ratio": number,
    }
    value = {"steps": [{"at": 2}], "parts": {"a": 1}, "ratio": 1}
    schema = rules(rule, properties=properties)
    assert list(cel.compile_problems(schema)) == []
    broken = list(cel.evaluate(value, {**value, "ratio": 0.5}, schema))
    assert [b.detail for b in broken] == ([] if holds else [rule])


def test_rule_with_optional_old_self_runs_on_create() -> None:
    rule = {
        "rule": "!oldSelf.hasValue() || oldSelf.value().n < self.n",
        "optionalOldSelf": True,
        "message": "grow",
    }
    schema = {"type": "object", "x-kubernetes-validations": [rule]}
    assert list(cel.evaluate({"n": 1}, cel.MISSING, schema)) == []
    assert list(cel.evaluate({"n": 2}, {"n": 1}, schema)) == []
    assert [b.detail for b in cel.evaluate({"n": 1}, {"n": 2}, schema)] == ["grow"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_values, json_values)
def test_merge_patch_is_idempotent(target: Any, change: Any) -> None:
    once = patch.merge(target, change)
    assert patch.merge(once, change) == once


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=4))
def test_pruning_keeps_everything_under_preserve_unknown_fields(value: dict[str, Any]) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert pruning.prune(value, schema) == (value, [])


def test_json_patch_with_too_many_operations_is_rejected() -> None:
    with pytest.raises(ApiError) as refused:
        patch.json_patch({}, [{"op": "add", "path": "/a", "value": 1}] * 10_001)
    assert refused.value.code == 413


def test_strategic_merge_retains_the_named_keys() -> None:
    done = strategic.merge({"a": 1, "b": 2}, {"$retainKeys": ["a", "c"], "c": 3}, {})
    assert done == {"a": 1, "c": 3}
    with pytest.raises(ApiError, match="Unknown patch type"):
        strategic.merge({}, {"$patch": "invent"}, {})


async def test_an_error_in_an_answer_breaks_the_connection() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    with pytest.raises(ConnectionAbortedError):
        await LastResort(broken)({"type": "http"}, send, send)
    assert [one["status"] for one in sent] == [200]


def test_a_field_of_a_built_in_kind_may_be_null() -> None:
    assert _inline({"type": "array", "items": {"type": "string"}})["nullable"] is True
