"""Patches of every kind: merge, JSON, strategic merge, and server-side apply with ownership."""

from __future__ import annotations

from typing import Any

import pytest

import yaml

APPLY = "apply-patch+yaml"


def apply(cluster: Any, path: str, body: Any, code: int | None = None, **query: str) -> Any:
    """Apply on the server side as the manager `suite`, unless the query names another."""
    headers = {"Content-Type": f"application/{APPLY}"}
    content = yaml.safe_dump(body)
    return cluster.call("PATCH", path, code=code, content=content, headers=headers,
                        params={"fieldManager": "suite", **query})  # fmt: skip


def managers(obj: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the owned fields by manager and operation."""
    return {(e["manager"], e["operation"]): e["fieldsV1"] for e in obj["metadata"]["managedFields"]}


def test_merge_patch_sets_and_removes_fields(cluster: Any, widgets: str, widget: Any) -> None:
    cluster.call("POST", widgets, widget("a", settings={"x": "1", "y": "2"}, tags=["p", "q"]), 201)
    patch = {"spec": {"settings": {"x": None, "z": "3"}, "tags": ["r"]}}
    done = cluster.patch(f"{widgets}/a", patch)
    assert done["spec"]["settings"] == {"y": "2", "z": "3"}
    assert done["spec"]["tags"] == ["r"]
    emptied = cluster.patch(f"{widgets}/a", {"spec": {"size": None}})
    assert emptied["spec"]["size"] == 3  # back to the default


def test_json_patch_applies_its_operations(cluster: Any, widgets: str, widget: Any) -> None:
    made = cluster.call("POST", widgets, widget("a", tags=["p"]), 201)
    operations = [
        {
            "op": "test",
            "path": "/metadata/resourceVersion",
            "value": made["metadata"]["resourceVersion"],
        },
        {"op": "add", "path": "/spec/tags/-", "value": "q"},
        {"op": "replace", "path": "/spec/size", "value": 8},
        {"op": "add", "path": "/metadata/labels", "value": {"a~b": "c"}},
    ]
    done = cluster.patch(f"{widgets}/a", operations[:3], kind="json-patch+json")
    assert (done["spec"]["tags"], done["spec"]["size"]) == (["p", "q"], 8)
    refused = cluster.patch(f"{widgets}/a", operations[:1], 422, "json-patch+json")
    assert refused["reason"] == "Invalid"
    assert refused["message"] == "the server rejected our request due to an error in our request"
    cluster.patch(f"{widgets}/a", operations[3:], 422, "json-patch+json")
    cluster.patch(
        f"{widgets}/a", [{"op": "remove", "path": "/spec/nothing"}], 422, "json-patch+json"
    )
    cluster.patch(f"{widgets}/a", {"op": "remove"}, 400, "json-patch+json")


def test_patch_checks_the_resource_version_that_it_names(
    cluster: Any, widgets: str, widget: Any
) -> None:
    made = cluster.call("POST", widgets, widget("a"), 201)
    version = {"resourceVersion": made["metadata"]["resourceVersion"]}
    cluster.patch(f"{widgets}/a", {"metadata": version, "spec": {"size": 4}})
    cluster.patch(f"{widgets}/a", {"metadata": version, "spec": {"size": 5}}, 409)
    uid = {"uid": "00000000-0000-0000-0000-000000000000"}
    refused = cluster.patch(f"{widgets}/a", {"metadata": uid, "spec": {"size": 5}}, 422)
    assert refused["details"]["causes"][0]["field"] == "metadata.uid"


def test_custom_kind_rejects_a_strategic_merge(cluster: Any, widgets: str, widget: Any) -> None:
    cluster.call("POST", widgets, widget("a"), 201)
    for kind in ("strategic-merge-patch+json", "json"):
        refused = cluster.patch(f"{widgets}/a", {"spec": {}}, 415, kind)
        assert refused["reason"] == "UnsupportedMediaType"


def test_strategic_merge_merges_lists_by_key(cluster: Any, ns: str, job: Any) -> None:
    path = f"/apis/batch/v1/namespaces/{ns}/jobs"
    body = job("j")
    body["spec"]["template"]["metadata"] = {"labels": {"a": "b"}}
    body["metadata"]["finalizers"] = ["contract.test/one"]
    cluster.call("POST", path, body, 201)
    kind = "strategic-merge-patch+json"
    added = {"metadata": {"finalizers": ["contract.test/two"], "labels": {"x": "y"}}}
    done = cluster.patch(f"{path}/j", added, kind=kind)
    assert sorted(done["metadata"]["finalizers"]) == ["contract.test/one", "contract.test/two"]
    assert done["metadata"]["labels"]["x"] == "y"
    gone = {
        "metadata": {
            "$deleteFromPrimitiveList/finalizers": ["contract.test/one"],
            "labels": {"x": None},
        }
    }
    done = cluster.patch(f"{path}/j", gone, kind=kind)
    assert done["metadata"]["finalizers"] == ["contract.test/two"]
    assert "x" not in done["metadata"]["labels"]
    template = {"spec": {"containers": [{"name": "main", "env": [{"name": "B", "value": "2"}]}]}}
    dry = f"{path}/j?dryRun=All"
    # The template is immutable, so check what a pod would get.
    refused = cluster.patch(dry, {"spec": {"template": template}}, 422, kind)
    assert refused["details"]["causes"][0]["field"].startswith("spec.template")
    cluster.patch(f"{path}/j", {"metadata": {"finalizers": None}}, kind=kind)


def test_strategic_merge_follows_its_directives(cluster: Any, ns: str) -> None:
    path = f"/api/v1/namespaces/{ns}/serviceaccounts"
    secrets = [{"name": "a"}, {"name": "b"}]
    body = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "sa"},
        "secrets": secrets,
    }
    cluster.call("POST", path, body, 201)
    kind = "strategic-merge-patch+json"

    def after(patch: Any) -> list[str]:
        return [s["name"] for s in cluster.patch(f"{path}/sa", patch, kind=kind).get("secrets", [])]

    assert sorted(after({"secrets": [{"name": "c"}]})) == ["a", "b", "c"]
    assert sorted(after({"secrets": [{"name": "b", "$patch": "delete"}]})) == ["a", "c"]
    order = {"$setElementOrder/secrets": [{"name": "c"}, {"name": "a"}], "secrets": []}
    assert after(order) == ["c", "a"]
    assert after({"secrets": [{"$patch": "replace"}, {"name": "z"}]}) == ["z"]
    cluster.patch(f"{path}/sa", {"secrets": [{"kind": "Secret"}]}, None, kind)


def test_apply_creates_and_changes_an_object(cluster: Any, widgets: str, widget: Any) -> None:
    body = widget("a", labels={"x": "1"}, parts=[{"name": "p", "weight": 1}])
    made = apply(cluster, f"{widgets}/a", body, 201)
    owned = managers(made)[("suite", "Apply")]
    assert owned["f:spec"]["f:parts"] == {'k:{"name":"p"}': {".": {}, "f:name": {}, "f:weight": {}}}
    assert owned["f:metadata"] == {"f:labels": {"f:x": {}}}
    again = apply(cluster, f"{widgets}/a", body, 200)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    more = widget("a", labels={"x": "2"}, parts=[{"name": "p", "weight": 2}, {"name": "q"}])
    changed = apply(cluster, f"{widgets}/a", more, 200)
    assert changed["metadata"]["labels"] == {"x": "2"}
    assert [part["name"] for part in changed["spec"]["parts"]] == ["p", "q"]
    assert changed["metadata"]["generation"] == 2


def test_apply_removes_fields_that_it_no_longer_names(
    cluster: Any, widgets: str, widget: Any
) -> None:
    full = widget("a", labels={"x": "1", "y": "2"}, size=9, tags=["s", "t"], settings={"k": "v"},
                  parts=[{"name": "p", "weight": 1}, {"name": "q", "weight": 2}])  # fmt: skip
    apply(cluster, f"{widgets}/a", full, 201)
    cluster.patch(f"{widgets}/a", {"metadata": {"annotations": {"kept": "yes"}}})
    less = widget("a", labels={"x": "1"}, tags=["s"], parts=[{"name": "q"}])
    done = apply(cluster, f"{widgets}/a", less, 200)
    assert done["metadata"]["labels"] == {"x": "1"}
    assert done["metadata"]["annotations"] == {"kept": "yes"}
    assert done["spec"]["tags"] == ["s"]
    assert done["spec"]["size"] == 3
    assert not done["spec"].get("settings")
    assert done["spec"]["parts"] == [{"name": "q", "note": "none"}]


def test_apply_rejects_conflicts_unless_forced(cluster: Any, widgets: str, widget: Any) -> None:
    apply(cluster, f"{widgets}/a", widget("a", size=5, parts=[{"name": "p", "weight": 1}]), 201)
    rival = widget("a", size=6, parts=[{"name": "p", "weight": 1}])
    refused = apply(cluster, f"{widgets}/a", rival, 409, fieldManager="rival")
    assert refused["reason"] == "Conflict"
    cause = refused["details"]["causes"]
    assert cause == [{"reason": "FieldManagerConflict", "field": ".spec.size",
                      "message": 'conflict with "suite"'}]  # fmt: skip
    assert refused["message"].startswith("Apply failed with 1 conflict")
    forced = apply(cluster, f"{widgets}/a", rival, 200, fieldManager="rival", force="true")
    assert forced["spec"]["size"] == 6
    owners = managers(forced)
    assert "f:size" in owners[("rival", "Apply")]["f:spec"]
    assert "f:size" not in owners[("suite", "Apply")]["f:spec"]
    # Both managers own the part now, so it stays until neither does.
    both = apply(cluster, f"{widgets}/a", widget("a"), 200)
    assert [part["name"] for part in both["spec"]["parts"]] == ["p"]
    last = apply(cluster, f"{widgets}/a", widget("a"), 200, fieldManager="rival")
    assert not last["spec"].get("parts")


def test_update_takes_field_ownership(cluster: Any, widgets: str, widget: Any) -> None:
    apply(cluster, f"{widgets}/a", widget("a", size=5, settings={"x": "1"}), 201)
    taken = cluster.patch(f"{widgets}/a?fieldManager=editor", {"spec": {"size": 6}})
    owners = managers(taken)
    assert owners[("editor", "Update")] == {"f:spec": {"f:size": {}}}
    assert "f:size" not in owners[("suite", "Apply")]["f:spec"]
    refused = apply(cluster, f"{widgets}/a", widget("a", size=5, settings={"x": "1"}), 409)
    cause = {"reason": "FieldManagerConflict", "field": ".spec.size",
             "message": 'conflict with "editor" using contract.test/v1'}  # fmt: skip
    assert refused["details"]["causes"] == [cause]
    apply(cluster, f"{widgets}/a", widget("a", size=6, settings={"x": "1"}), 200)


def test_status_has_its_own_field_owners(cluster: Any, widgets: str, widget: Any) -> None:
    made = apply(cluster, f"{widgets}/a", {**widget("a"), "status": {"phase": "No"}}, 201)
    assert "status" not in made
    status = {
        "apiVersion": "contract.test/v1",
        "kind": "Widget",
        "metadata": {"name": "a"},
        "status": {"phase": "Yes", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    done = apply(cluster, f"{widgets}/a/status", status, 200)
    assert done["status"]["phase"] == "Yes"
    entry = next(e for e in done["metadata"]["managedFields"] if e.get("subresource") == "status")
    assert entry["fieldsV1"]["f:status"]["f:conditions"] == {
        'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}}
    }
    assert apply(cluster, f"{widgets}/a", widget("a", size=4), 200)["status"]["phase"] == "Yes"


def test_apply_works_on_built_in_kinds(cluster: Any, ns: str, job: Any, configmap: Any) -> None:
    jobs, configmaps = f"/apis/batch/v1/namespaces/{ns}/jobs", f"/api/v1/namespaces/{ns}/configmaps"
    made = apply(cluster, f"{jobs}/j", job("j"), 201)
    containers = managers(made)[("suite", "Apply")]["f:spec"]["f:template"]["f:spec"][
        "f:containers"
    ]
    assert list(containers) == ['k:{"name":"main"}']
    assert containers['k:{"name":"main"}']["f:env"] == {
        'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}
    }
    assert apply(cluster, f"{jobs}/j", job("j", backoffLimit=1), 200)["spec"]["backoffLimit"] == 1
    apply(cluster, f"{configmaps}/c", configmap("c", a="1", b="2"), 201)
    assert apply(cluster, f"{configmaps}/c", configmap("c", a="1"), 200)["data"] == {"a": "1"}


@pytest.mark.parametrize(
    ("query", "change", "code"),
    [
        ({"fieldManager": ""}, {}, 422),
        ({}, {"metadata": {"name": "b"}}, 400),
        ({}, {"metadata": {"name": "a", "managedFields": [{"manager": "x"}]}}, 400),
        ({}, {"spec": {"colour": "pink"}}, 422),
    ],
)
def test_invalid_apply_is_rejected(
    cluster: Any,
    widgets: str,
    widget: Any,
    query: dict[str, str],
    change: dict[str, Any],
    code: int,
) -> None:
    apply(cluster, f"{widgets}/a", {**widget("a"), **change}, code, **query)


def test_update_owns_whole_structures(cluster: Any, widgets: str, widget: Any) -> None:
    made = cluster.call(
        "POST", f"{widgets}?fieldManager=suite", widget("a", free={"x": {"y": 1}}, tags=["t"]), 201
    )
    assert managers(made) == {("suite", "Update"): {"f:spec": {
        ".": {}, "f:colour": {}, "f:size": {}, "f:free": {".": {}, "f:x": {".": {}, "f:y": {}}},
        "f:tags": {".": {}, 'v:"t"': {}}}}}  # fmt: skip
    reset = cluster.patch(f"{widgets}/a", {"metadata": {"managedFields": [{}]}})
    assert not reset["metadata"].get("managedFields")
