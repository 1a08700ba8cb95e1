"""Deletion: finalizers, preconditions, cascades, grace periods and namespaces."""

from __future__ import annotations

import time
from typing import Any

import pytest


def owned(body: dict[str, Any], owner: dict[str, Any], block: bool = False) -> dict[str, Any]:
    """Return the body with an ownerReference to the owner."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": block,
    }
    body["metadata"]["ownerReferences"] = [reference]
    return body


def test_delete_answers_with_a_status(cluster: Any, widgets: str, widget: Any) -> None:
    made = cluster.call("POST", widgets, widget("a"), 201)
    done = cluster.call("DELETE", f"{widgets}/a", code=200)
    assert (done["kind"], done["status"], done["details"]["uid"]) == (
        "Status",
        "Success",
        made["metadata"]["uid"],
    )
    cluster.call("DELETE", f"{widgets}/a", code=404)


def test_finalizer_keeps_the_object_until_it_is_removed(
    cluster: Any, widgets: str, widget: Any
) -> None:
    body = widget("a")
    body["metadata"]["finalizers"] = ["contract.test/hold"]
    made = cluster.call("POST", widgets, body, 201)
    marked = cluster.call("DELETE", f"{widgets}/a", code=200)
    assert marked["metadata"]["deletionTimestamp"]
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert marked["metadata"]["generation"] == made["metadata"]["generation"] + 1
    again = cluster.call("DELETE", f"{widgets}/a", code=200)
    assert again["metadata"]["resourceVersion"] == marked["metadata"]["resourceVersion"]
    added = {"metadata": {"finalizers": ["contract.test/hold", "contract.test/more"]}}
    refused = cluster.patch(f"{widgets}/a", added, 422)
    assert "no new finalizers can be added if the object is being deleted" in refused["message"]
    assert cluster.patch(f"{widgets}/a/status", {"status": {"phase": "Ending"}})["status"] == {
        "phase": "Ending"
    }
    assert cluster.patch(f"{widgets}/a", {"spec": {"size": 7}})["spec"]["size"] == 7
    last = cluster.patch(f"{widgets}/a", {"metadata": {"finalizers": None}})
    assert "finalizers" not in last["metadata"]
    cluster.call("GET", f"{widgets}/a", code=404)


def test_delete_checks_its_preconditions(cluster: Any, widgets: str, widget: Any) -> None:
    made = cluster.call("POST", widgets, widget("a"), 201)
    for wrong in ({"uid": "00000000-0000-0000-0000-000000000000"}, {"resourceVersion": "1"}):
        refused = cluster.call("DELETE", f"{widgets}/a", {"preconditions": wrong}, 409)
        assert refused["reason"] == "Conflict"
        assert "in the precondition" in refused["message"]
    metadata = made["metadata"]
    right = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    cluster.call("DELETE", f"{widgets}/a", {"preconditions": right}, 200)


def test_unknown_propagation_policy_is_rejected(cluster: Any, widgets: str, widget: Any) -> None:
    cluster.call("POST", widgets, widget("a"), 201)
    refused = cluster.call("DELETE", f"{widgets}/a", {"propagationPolicy": "Upwards"}, 422)
    assert refused["details"]["causes"][0]["field"] == "propagationPolicy"


def test_background_deletion_deletes_dependents(
    collecting: Any, ns: str, widgets: str, widget: Any, configmap: Any, eventually: Any
) -> None:
    cluster, configmaps = collecting, f"/api/v1/namespaces/{ns}/configmaps"
    owner = cluster.call("POST", widgets, widget("owner"), 201)
    child = cluster.call("POST", widgets, owned(widget("child"), owner), 201)
    cluster.call("POST", configmaps, owned(configmap("grandchild"), child), 201)
    cluster.call("POST", configmaps, configmap("stranger"), 201)
    cluster.call("DELETE", f"{widgets}/owner", {"propagationPolicy": "Background"}, 200)
    cluster.call("GET", f"{widgets}/owner", code=404)
    eventually(lambda: cluster.client.get(f"{widgets}/child").status_code == 404)
    eventually(lambda: cluster.client.get(f"{configmaps}/grandchild").status_code == 404)
    cluster.call("GET", f"{configmaps}/stranger", code=200)


def test_orphan_deletion_keeps_dependents(
    collecting: Any, ns: str, widgets: str, widget: Any, configmap: Any, eventually: Any
) -> None:
    cluster, configmaps = collecting, f"/api/v1/namespaces/{ns}/configmaps"
    owner = cluster.call("POST", widgets, widget("owner"), 201)
    cluster.call("POST", configmaps, owned(configmap("child"), owner), 201)
    # A real collector learns of dependents by its own watch, which a test cannot observe.
    time.sleep(0.5)
    marked = cluster.call("DELETE", f"{widgets}/owner", {"propagationPolicy": "Orphan"}, 200)
    assert marked["metadata"]["finalizers"] == ["orphan"]
    eventually(lambda: cluster.client.get(f"{widgets}/owner").status_code == 404)
    assert "ownerReferences" not in cluster.call("GET", f"{configmaps}/child", code=200)["metadata"]


def test_foreground_deletion_waits_for_blocking_dependents(
    collecting: Any, widgets: str, widget: Any, eventually: Any
) -> None:
    cluster = collecting
    owner = cluster.call("POST", widgets, widget("owner"), 201)
    child = owned(widget("child"), owner, block=True)
    child["metadata"]["finalizers"] = ["contract.test/hold"]
    cluster.call("POST", widgets, child, 201)
    marked = cluster.call("DELETE", f"{widgets}/owner", {"propagationPolicy": "Foreground"}, 200)
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]

    def child_ends() -> bool:
        return "deletionTimestamp" in cluster.call("GET", f"{widgets}/child", code=200)["metadata"]

    eventually(child_ends)
    cluster.call("GET", f"{widgets}/owner", code=200)
    cluster.patch(f"{widgets}/child", {"metadata": {"finalizers": None}})
    eventually(lambda: cluster.client.get(f"{widgets}/owner").status_code == 404)


def test_dependent_of_a_missing_owner_is_collected(
    collecting: Any, ns: str, widgets: str, widget: Any, configmap: Any, eventually: Any
) -> None:
    cluster, configmaps = collecting, f"/api/v1/namespaces/{ns}/configmaps"
    owner = cluster.call("POST", widgets, widget("owner"), 201)
    ghost = {
        **owner,
        "metadata": {**owner["metadata"], "uid": "00000000-0000-0000-0000-000000000000"},
    }
    cluster.call("POST", configmaps, owned(configmap("lost"), ghost), 201)
    eventually(lambda: cluster.client.get(f"{configmaps}/lost").status_code == 404)
    both = owned(configmap("half"), owner)
    both["metadata"]["ownerReferences"] += owned(configmap("x"), ghost)["metadata"][
        "ownerReferences"
    ]
    both["metadata"]["ownerReferences"][1]["controller"] = False
    cluster.call("POST", configmaps, both, 201)

    def one_owner() -> bool:
        found = cluster.call("GET", f"{configmaps}/half", code=200)["metadata"]["ownerReferences"]
        return [ref["uid"] for ref in found] == [owner["metadata"]["uid"]]

    eventually(one_owner)


def test_job_deletion_orphans_pods_by_default(cluster: Any, ns: str, job: Any) -> None:
    path = f"/apis/batch/v1/namespaces/{ns}/jobs"
    cluster.call("POST", path, job("j"), 201)
    assert cluster.call("DELETE", f"{path}/j", code=200)["metadata"]["finalizers"] == ["orphan"]
    cluster.call("POST", path, job("k"), 201)
    assert (
        cluster.call("DELETE", f"{path}/k", {"propagationPolicy": "Background"}, 200)["kind"]
        == "Status"
    )


def test_deletecollection_deletes_the_selected_objects(
    cluster: Any, widgets: str, widget: Any
) -> None:
    for name, colour in (("a", "x"), ("b", "x"), ("c", "y")):
        cluster.call("POST", widgets, widget(name, labels={"group": colour}), 201)
    cluster.call("DELETE", widgets, params={"labelSelector": "group=x"}, code=200)
    left = cluster.call("GET", widgets, code=200)["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]


def test_namespace_deletion_waits_until_it_is_empty(
    collecting: Any, eventually: Any, widget: Any, configmap: Any
) -> None:
    cluster, path = collecting, "/api/v1/namespaces/contract-drain"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "contract-drain"}}
    made = cluster.call("POST", "/api/v1/namespaces", body, 201)
    assert made["metadata"]["labels"]["kubernetes.io/metadata.name"] == "contract-drain"
    assert (made["status"]["phase"], made["spec"]["finalizers"]) == ("Active", ["kubernetes"])
    widgets = "/apis/contract.test/v1/namespaces/contract-drain/widgets"
    held = widget("held")
    held["metadata"]["finalizers"] = ["contract.test/hold"]
    cluster.call("POST", widgets, held, 201)
    cluster.call("POST", f"{path}/configmaps", configmap("plain"), 201)
    marked = cluster.call("DELETE", path, code=200)
    assert marked["status"]["phase"] == "Terminating"
    refused = cluster.call("POST", f"{path}/configmaps", configmap("late"), 403)
    assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    eventually(lambda: cluster.client.get(f"{path}/configmaps/plain").status_code == 404)

    def marked_for_deletion() -> bool:
        return "deletionTimestamp" in cluster.call("GET", f"{widgets}/held", code=200)["metadata"]

    eventually(marked_for_deletion)
    assert cluster.call("GET", path, code=200)["status"]["phase"] == "Terminating"
    cluster.patch(f"{widgets}/held", {"metadata": {"finalizers": None}})
    eventually(lambda: cluster.client.get(path).status_code == 404)


@pytest.fixture
def pods(cluster: Any, ns: str, eventually: Any) -> str:
    """Path of the pods in the test's namespace, once pods may be created in it."""
    # ServiceAccount admission needs the account `default`.
    if cluster.name == "real" and cluster.collects:
        account = f"/api/v1/namespaces/{ns}/serviceaccounts/default"
        eventually(lambda: cluster.client.get(account).status_code == 200)
    return f"/api/v1/namespaces/{ns}/pods"


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [{"name": "main", "image": "busybox:1"}], **spec}}  # fmt: skip


def test_pod_without_a_node_is_deleted_at_once(cluster: Any, pods: str) -> None:
    made = cluster.call("POST", pods, pod("p"), 201)
    assert made["status"]["phase"] == "Pending"
    assert made["spec"]["restartPolicy"] == "Always"
    assert made["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert cluster.call("DELETE", f"{pods}/p", code=200)["kind"] == "Pod"
    cluster.call("GET", f"{pods}/p", code=404)


def test_pod_on_a_node_gets_its_grace_period(cluster: Any, pods: str) -> None:
    # The node does not exist, so only this test ends the deletion (the pod collector takes 40 s).
    cluster.call("POST", pods, pod("p", nodeName="nowhere", terminationGracePeriodSeconds=20), 201)
    marked = cluster.call("DELETE", f"{pods}/p", code=200)
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 20
    assert marked["metadata"]["deletionTimestamp"] > marked["metadata"]["creationTimestamp"]
    done = cluster.patch(
        f"{pods}/p/status", {"status": {"phase": "Failed"}}, kind="strategic-merge-patch+json"
    )
    assert done["status"]["phase"] == "Failed"
    cluster.call("GET", f"{pods}/p", code=200)
    cluster.call("DELETE", f"{pods}/p", {"gracePeriodSeconds": 0}, 200)
    cluster.call("GET", f"{pods}/p", code=404)


def test_pod_spec_is_immutable_except_its_image(cluster: Any, pods: str) -> None:
    cluster.call("POST", pods, pod("p"), 201)
    cluster.patch(f"{pods}/p", {"spec": {"restartPolicy": "Never"}}, 422)
    image = {"spec": {"containers": [{"name": "main", "image": "busybox:2"}]}}
    changed = cluster.patch(f"{pods}/p", image, kind="strategic-merge-patch+json")
    assert changed["spec"]["containers"][0]["image"] == "busybox:2"
