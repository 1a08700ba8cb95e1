"""Watches: first events, later events, resumption and end."""

from __future__ import annotations

import json
from typing import Any


def seen(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return type and name of each event."""
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


def test_watch_without_a_version_starts_with_existing_objects(
    cluster: Any, widgets: str, widget: Any
) -> None:
    for name in ("a", "b"):
        cluster.call("POST", widgets, widget(name), 201)
    events = cluster.watch(widgets, lambda got: len(got) == 2)
    assert sorted(seen(events)) == [("ADDED", "a"), ("ADDED", "b")]


def test_watch_resumes_after_a_version(cluster: Any, widgets: str, widget: Any) -> None:
    start = cluster.call("POST", widgets, widget("a"), 201)["metadata"]["resourceVersion"]
    cluster.patch(f"{widgets}/a", {"spec": {"size": 5}})
    cluster.call("POST", widgets, widget("b"), 201)
    cluster.call("DELETE", f"{widgets}/a", code=200)
    events = cluster.watch(widgets, lambda got: len(got) == 3, resourceVersion=start)
    assert seen(events) == [("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    assert versions[0] > int(start)
    assert events[2]["object"]["spec"]["size"] == 5
    rest = cluster.watch(widgets, lambda got: len(got) == 2, resourceVersion=str(versions[0]))
    assert seen(rest) == [("ADDED", "b"), ("DELETED", "a")]


def test_watch_continues_from_a_list(cluster: Any, widgets: str, widget: Any) -> None:
    cluster.call("POST", widgets, widget("a"), 201)
    version = cluster.call("GET", widgets, code=200)["metadata"]["resourceVersion"]
    cluster.call("POST", widgets, widget("b"), 201)
    assert seen(cluster.watch(widgets, bool, resourceVersion=version)) == [("ADDED", "b")]


def test_watch_receives_events_as_they_happen(cluster: Any, widgets: str, widget: Any) -> None:
    made = cluster.call("POST", widgets, widget("a"), 201)
    path = (
        f"{widgets}?watch=1&timeoutSeconds=10&resourceVersion={made['metadata']['resourceVersion']}"
    )
    with cluster.client.stream("GET", path) as stream:
        lines = stream.iter_lines()
        cluster.patch(f"{widgets}/a", {"spec": {"size": 9}})
        event = json.loads(next(lines))
        assert (event["type"], event["object"]["spec"]["size"]) == ("MODIFIED", 9)
        cluster.call("DELETE", f"{widgets}/a", code=200)
        assert json.loads(next(lines))["type"] == "DELETED"


def test_selected_watch_reports_matching_and_unmatching_as_add_and_delete(
    cluster: Any, widgets: str, widget: Any
) -> None:
    start = cluster.call("POST", widgets, widget("a"), 201)["metadata"]["resourceVersion"]
    for value in ("yes", "no", "yes"):
        cluster.patch(f"{widgets}/a", {"metadata": {"labels": {"wanted": value}}})
    cluster.patch(f"{widgets}/a", {"spec": {"size": 6}})
    query = {"resourceVersion": start, "labelSelector": "wanted=yes"}
    events = cluster.watch(widgets, lambda got: len(got) == 4, **query)
    assert [event["type"] for event in events] == ["ADDED", "DELETED", "ADDED", "MODIFIED"]


def test_watch_follows_one_object_by_name(cluster: Any, widgets: str, widget: Any) -> None:
    start = cluster.call("POST", widgets, widget("a"), 201)["metadata"]["resourceVersion"]
    cluster.call("POST", widgets, widget("b"), 201)
    cluster.patch(f"{widgets}/a", {"spec": {"size": 6}})
    query = {"resourceVersion": start, "fieldSelector": "metadata.name=a"}
    assert seen(cluster.watch(widgets, bool, **query)) == [("MODIFIED", "a")]


def test_initial_events_end_with_a_bookmark(cluster: Any, widgets: str, widget: Any) -> None:
    cluster.call("POST", widgets, widget("a"), 201)
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    events = cluster.watch(widgets, lambda got: got[-1]["type"] == "BOOKMARK", **query)
    assert seen(events[:-1]) == [("ADDED", "a")]
    bookmark = events[-1]["object"]
    assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert (bookmark["kind"], bookmark["apiVersion"]) == ("Widget", "contract.test/v1")
    refused = cluster.client.get(f"{widgets}?watch=1&sendInitialEvents=true")
    assert refused.status_code == 422


def test_watch_from_a_compacted_version_is_expired(cluster: Any, widgets: str, widget: Any) -> None:
    cluster.call("POST", widgets, widget("a"), 201)
    events = cluster.watch(widgets, bool, resourceVersion="1")
    assert events[0]["type"] == "ERROR"
    assert (events[0]["object"]["code"], events[0]["object"]["reason"]) == (410, "Expired")


def test_watch_ends_after_its_timeout(cluster: Any, widgets: str) -> None:
    version = cluster.call("GET", widgets, code=200)["metadata"]["resourceVersion"]
    assert cluster.watch(widgets, bool, resourceVersion=version, timeoutSeconds="1") == []


def test_watch_covers_all_namespaces(cluster: Any, ns: str, widgets: str, widget: Any) -> None:
    start = cluster.call("GET", widgets, code=200)["metadata"]["resourceVersion"]
    cluster.call("POST", widgets, widget("a"), 201)
    events = cluster.watch("/apis/contract.test/v1/widgets", bool, resourceVersion=start)
    assert events[0]["object"]["metadata"]["namespace"] == ns


def test_watch_ends_when_its_kind_is_deleted(collecting: Any, eventually: Any) -> None:
    cluster, crds = collecting, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    names = {"plural": "mayflies", "kind": "Mayfly"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object"}},
    }
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "mayflies.end.test"},
        "spec": {"group": "end.test", "scope": "Cluster", "names": names, "versions": [version]},
    }
    cluster.call("POST", crds, body, 201)
    path = "/apis/end.test/v1/mayflies"
    eventually(lambda: cluster.client.get(path).status_code == 200)
    with cluster.client.stream("GET", f"{path}?watch=1&timeoutSeconds=60", timeout=50) as stream:
        cluster.call("DELETE", f"{crds}/mayflies.end.test", code=200)
        assert list(stream.iter_lines()) == []
    assert cluster.client.get(path).status_code == 404


def test_watch_reports_deletion_when_the_finalizer_is_removed(
    cluster: Any, widgets: str, widget: Any
) -> None:
    body = widget("a")
    body["metadata"]["finalizers"] = ["contract.test/hold"]
    start = cluster.call("POST", widgets, body, 201)["metadata"]["resourceVersion"]
    cluster.call("DELETE", f"{widgets}/a", code=200)
    cluster.patch(f"{widgets}/a", {"metadata": {"finalizers": []}})
    events = cluster.watch(widgets, lambda got: got[-1]["type"] == "DELETED", resourceVersion=start)
    assert [event["type"] for event in events] == ["MODIFIED", "DELETED"]
    assert events[1]["object"]["metadata"]["deletionTimestamp"]
