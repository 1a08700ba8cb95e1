"""Lists: selectors, pages, the Table form; and discovery."""

from __future__ import annotations

from typing import Any

import pytest

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


def names(listed: Any) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


@pytest.fixture
def three(cluster: Any, widgets: str, widget: Any) -> str:
    """Three Widgets: a (red, tier=1), b (green, tier=2), c (green, no tier)."""
    cluster.call("POST", widgets, widget("a", labels={"tier": "1", "app": "x"}), 201)
    cluster.call(
        "POST", widgets, widget("b", labels={"tier": "2", "app": "x"}, colour="green"), 201
    )
    cluster.call("POST", widgets, widget("c", labels={"app": "y"}, colour="green"), 201)
    return widgets


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=x", ["a", "b"]),
        ("app==x,tier=2", ["b"]),
        ("app!=x", ["c"]),
        ("tier!=1", ["b", "c"]),
        ("tier", ["a", "b"]),
        ("!tier", ["c"]),
        ("app in (x, y),tier notin (1)", ["b", "c"]),
        ("tier in (1,3)", ["a"]),
        ("tier>1", ["b"]),
        ("tier<2", ["a"]),
        ("app=nothing", []),
    ],
)
def test_label_selectors_filter_a_list(
    cluster: Any, three: str, selector: str, expected: list[str]
) -> None:
    assert (
        names(cluster.call("GET", three, params={"labelSelector": selector}, code=200)) == expected
    )


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=b", ["b"]),
        ("metadata.name!=b", ["a", "c"]),
        ("spec.colour=green", ["b", "c"]),
        ("spec.colour=green,metadata.name!=c", ["b"]),
    ],
)
def test_field_selectors_filter_a_list(
    cluster: Any, three: str, selector: str, expected: list[str]
) -> None:
    assert (
        names(cluster.call("GET", three, params={"fieldSelector": selector}, code=200)) == expected
    )


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "a in b"},
        {"fieldSelector": "spec.size=3"},
        {"limit": "x"},
        {"continue": "abc"},
    ],
)
def test_malformed_query_is_a_bad_request(
    cluster: Any, widgets: str, query: dict[str, str]
) -> None:
    assert cluster.call("GET", widgets, params=query, code=400)["reason"] == "BadRequest"


def test_list_covers_one_namespace_or_all(cluster: Any, ns: str, three: str) -> None:
    everywhere = cluster.call(
        "GET", "/apis/contract.test/v1/widgets", params={"labelSelector": "app"}, code=200
    )
    assert {item["metadata"]["namespace"] for item in everywhere["items"]} >= {ns}
    here = {"fieldSelector": f"metadata.namespace={ns}"}
    assert names(cluster.call("GET", "/apis/contract.test/v1/widgets", params=here, code=200)) == [
        "a",
        "b",
        "c",
    ]


def test_pages_of_a_list_show_one_revision(cluster: Any, widgets: str, widget: Any) -> None:
    for index in range(5):
        cluster.call("POST", widgets, widget(f"w{index}"), 201)
    first = cluster.call("GET", widgets, params={"limit": "2"}, code=200)
    assert names(first) == ["w0", "w1"]
    assert first["metadata"]["remainingItemCount"] == 3
    cluster.call("DELETE", f"{widgets}/w3", code=200)
    cluster.call("POST", widgets, widget("w2a"), 201)
    token = first["metadata"]["continue"]
    second = cluster.call("GET", widgets, params={"limit": "2", "continue": token}, code=200)
    assert names(second) == ["w2", "w3"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    token = second["metadata"]["continue"]
    last = cluster.call("GET", widgets, params={"limit": "2", "continue": token}, code=200)
    assert names(last) == ["w4"]
    assert not last["metadata"].get("continue")


def test_list_at_an_exact_resource_version(cluster: Any, widgets: str, widget: Any) -> None:
    made = cluster.call("POST", widgets, widget("a"), 201)
    cluster.call("POST", widgets, widget("b"), 201)
    query = {
        "resourceVersion": made["metadata"]["resourceVersion"],
        "resourceVersionMatch": "Exact",
    }
    assert names(cluster.call("GET", widgets, params=query, code=200)) == ["a"]
    assert names(cluster.call("GET", widgets, params={"resourceVersion": "0"}, code=200)) == [
        "a",
        "b",
    ]
    future = cluster.call("GET", widgets, params={"resourceVersion": "9999999"}, code=504)
    assert future["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_list_names_its_kind(cluster: Any, ns: str, widgets: str, configmap: Any) -> None:
    empty = cluster.call("GET", widgets, code=200)
    assert (empty["kind"], empty["apiVersion"], empty["items"]) == (
        "WidgetList",
        "contract.test/v1",
        [],
    )
    path = f"/api/v1/namespaces/{ns}/configmaps"
    cluster.call("POST", path, configmap("a"), 201)
    listed = cluster.call("GET", path, code=200)
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert "kind" not in listed["items"][0]


def test_custom_kind_has_a_table_form(cluster: Any, three: str) -> None:
    ready = [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]
    cluster.patch(f"{three}/a/status", {"status": {"conditions": ready}})
    table = cluster.call("GET", three, headers=TABLE, code=200)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    columns = [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]]
    assert columns == [
        ("Name", "string", 0),
        ("Colour", "string", 0),
        ("Ready", "string", 0),
        ("Size", "integer", 1),
        ("Age", "date", 0),
    ]
    rows = [row["cells"][:4] for row in table["rows"]]
    assert rows == [["a", "red", "True", 3], ["b", "green", None, 3], ["c", "green", None, 3]]
    assert table["rows"][0]["cells"][4].endswith("s")
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    whole = cluster.call("GET", f"{three}/a?includeObject=Object", headers=TABLE, code=200)
    assert whole["rows"][0]["object"]["spec"]["colour"] == "red"


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        ("/api/v1/namespaces", ["Name", "Status", "Age"]),
        ("/api/v1/nodes", ["Name", "Status", "Roles", "Age", "Version"]),
        ("/api/v1/namespaces/default/configmaps", ["Name", "Data", "Age"]),
        ("/api/v1/namespaces/default/secrets", ["Name", "Type", "Data", "Age"]),
        ("/api/v1/namespaces/default/events", ["Last Seen", "Type", "Reason", "Object", "Message"]),
        ("/api/v1/namespaces/default/pods", ["Name", "Ready", "Status", "Restarts", "Age"]),
        ("/api/v1/namespaces/default/serviceaccounts", ["Name", "Age"]),
        (
            "/api/v1/namespaces/default/services",
            ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"],
        ),
        ("/api/v1/namespaces/default/resourcequotas", ["Name", "Request", "Limit", "Age"]),
        ("/api/v1/namespaces/default/limitranges", ["Name", "Created At"]),
        (
            "/apis/batch/v1/namespaces/default/jobs",
            ["Name", "Status", "Completions", "Duration", "Age"],
        ),
        ("/apis/coordination.k8s.io/v1/namespaces/default/leases", ["Name", "Holder", "Age"]),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
            ["Name", "Pod-Selector", "Age"],
        ),
        (
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            ["Name", "Value", "Global-Default", "Age", "PreemptionPolicy"],
        ),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", ["Name", "Created At"]),
    ],
)
def test_built_in_kind_has_a_table_form(cluster: Any, path: str, columns: list[str]) -> None:
    table = cluster.call("GET", path, headers=TABLE, code=200)
    assert [c["name"] for c in table["columnDefinitions"] if c["priority"] == 0] == columns


def test_discovery_lists_the_custom_kind(cluster: Any) -> None:
    groups = {g["name"] for g in cluster.call("GET", "/apis", code=200)["groups"]}
    assert {
        "contract.test",
        "batch",
        "apiextensions.k8s.io",
        "coordination.k8s.io",
    } <= groups
    assert cluster.call("GET", "/api", code=200)["versions"] == ["v1"]
    group = cluster.call("GET", "/apis/contract.test", code=200)
    assert group["preferredVersion"] == {"groupVersion": "contract.test/v1", "version": "v1"}
    resources = {
        r["name"]: r for r in cluster.call("GET", "/apis/contract.test/v1", code=200)["resources"]
    }
    widget = resources["widgets"]
    expected = {
        "kind": "Widget",
        "namespaced": True,
        "singularName": "widget",
        "shortNames": ["wd"],
        "categories": ["contract"],
    }
    assert {name: widget[name] for name in expected} == expected
    assert set(widget["verbs"]) == {
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    }
    assert set(resources["widgets/status"]["verbs"]) == {"get", "patch", "update"}


def test_openapi_describes_the_custom_kind(cluster: Any, eventually: Any) -> None:
    paths = cluster.call("GET", "/openapi/v3", code=200)["paths"]
    place = eventually(lambda: paths.get("apis/contract.test/v1"))
    document = cluster.call("GET", place["serverRelativeURL"], code=200)
    schema = document["components"]["schemas"]["test.contract.v1.Widget"]
    assert schema["x-kubernetes-group-version-kind"] == [
        {"group": "contract.test", "kind": "Widget", "version": "v1"}
    ]
    assert schema["properties"]["spec"]["properties"]["size"]["maximum"] == 100
    patch = document["paths"]["/apis/contract.test/v1/namespaces/{namespace}/widgets/{name}"][
        "patch"
    ]
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}


def test_health_and_version_are_served(cluster: Any) -> None:
    assert cluster.client.get("/readyz").text == "ok"
    assert cluster.client.get("/healthz").text == "ok"
    assert cluster.call("GET", "/version", code=200)["gitVersion"].startswith("v1.")
