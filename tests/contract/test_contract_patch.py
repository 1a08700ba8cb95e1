"""Patches of every kind: merge, JSON and strategic merge."""

from __future__ import annotations

from typing import Any


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
