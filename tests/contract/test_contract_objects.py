"""Create, read, update and delete: server-owned fields, immutable fields and conflicts."""

from __future__ import annotations

from typing import Any


def test_create_sets_the_server_owned_metadata(cluster: Any, widgets: str, widget: Any) -> None:
    body = widget("a")
    body["metadata"].update(
        uid="mine", resourceVersion="", generation=7, creationTimestamp="2020-01-01T00:00:00Z"
    )
    body["status"] = {"phase": "Claimed"}
    made = cluster.call("POST", widgets, body, 201)
    assert made["metadata"]["uid"] != "mine"
    assert made["metadata"]["generation"] == 1
    assert made["metadata"]["creationTimestamp"] > "2026"
    assert "status" not in made
    assert cluster.call("GET", f"{widgets}/a", code=200) == made


def test_second_create_is_already_exists(cluster: Any, widgets: str, widget: Any) -> None:
    cluster.call("POST", widgets, widget("a"), 201)
    refused = cluster.call("POST", widgets, widget("a"), 409)
    assert refused["reason"] == "AlreadyExists"
    assert refused["message"] == 'widgets.contract.test "a" already exists'


def test_missing_object_is_not_found(cluster: Any, widgets: str, widget: Any) -> None:
    for method, body in (
        ("GET", None),
        ("DELETE", None),
        ("PUT", {**widget("a"), "metadata": {"name": "a", "resourceVersion": "1"}}),
    ):
        refused = cluster.call(method, f"{widgets}/a", body, 404)
        assert refused["reason"] == "NotFound"
        assert refused["details"] == {"name": "a", "group": "contract.test", "kind": "widgets"}
    cluster.patch(f"{widgets}/a", {}, 404)


def test_create_needs_an_existing_namespace(cluster: Any, configmap: Any) -> None:
    refused = cluster.call("POST", "/api/v1/namespaces/nowhere/configmaps", configmap("a"), 404)
    assert refused["message"] == 'namespaces "nowhere" not found'


def test_update_of_a_custom_kind_needs_its_resource_version(
    cluster: Any, widgets: str, widget: Any
) -> None:
    first = cluster.call("POST", widgets, widget("a"), 201)
    second = cluster.call(
        "PUT", f"{widgets}/a", {**first, "spec": {**first["spec"], "size": 4}}, 200
    )
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    stale = cluster.call(
        "PUT", f"{widgets}/a", {**first, "spec": {**first["spec"], "size": 5}}, 409
    )
    assert stale["reason"] == "Conflict"
    assert "the object has been modified" in stale["message"]
    blind = {**second, "metadata": {"name": "a"}}
    assert (
        cluster.call("PUT", f"{widgets}/a", blind, 422)["details"]["causes"][0]["field"]
        == "metadata.resourceVersion"
    )
    cluster.patch(
        f"{widgets}/a", {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}}, 409
    )


def test_built_in_kind_is_updated_without_a_resource_version(
    cluster: Any, ns: str, configmap: Any
) -> None:
    path = f"/api/v1/namespaces/{ns}/configmaps"
    cluster.call("POST", path, configmap("a", x="1"), 201)
    assert cluster.call("PUT", f"{path}/a", configmap("a", x="2"), 200)["data"] == {"x": "2"}


def test_update_with_another_uid_or_name_is_rejected(
    cluster: Any, widgets: str, widget: Any
) -> None:
    made = cluster.call("POST", widgets, widget("a"), 201)
    other = {
        **made,
        "metadata": {**made["metadata"], "uid": "00000000-0000-0000-0000-000000000000"},
    }
    assert cluster.call("PUT", f"{widgets}/a", other, 409)["reason"] == "Conflict"
    renamed = {**made, "metadata": {**made["metadata"], "name": "b"}}
    cluster.call("PUT", f"{widgets}/a", renamed, 400)


def test_status_is_written_through_its_subresource_only(
    cluster: Any, widgets: str, widget: Any
) -> None:
    made = cluster.call("POST", widgets, widget("a", size=2), 201)
    kept = cluster.call("PUT", f"{widgets}/a", {**made, "status": {"phase": "No"}}, 200)
    assert "status" not in kept
    patch = {"spec": {"size": 9}, "metadata": {"labels": {"a": "b"}}, "status": {"phase": "Yes"}}
    done = cluster.patch(f"{widgets}/a/status", patch)
    assert done["status"] == {"phase": "Yes"}
    assert done["spec"]["size"] == 2
    assert "labels" not in done["metadata"]
    assert done["metadata"]["generation"] == 1
    later = cluster.patch(f"{widgets}/a", {"spec": {"size": 3}, "status": {"phase": "No"}})
    assert later["status"] == {"phase": "Yes"}
    assert later["metadata"]["generation"] == 2
    assert cluster.call("GET", f"{widgets}/a/status", code=200)["status"] == {"phase": "Yes"}


def test_generation_counts_spec_changes_only(cluster: Any, widgets: str, widget: Any) -> None:
    cluster.call("POST", widgets, widget("a"), 201)
    assert (
        cluster.patch(f"{widgets}/a", {"metadata": {"labels": {"a": "b"}}})["metadata"][
            "generation"
        ]
        == 1
    )
    assert cluster.patch(f"{widgets}/a", {"spec": {"size": 5}})["metadata"]["generation"] == 2


def test_write_without_a_change_keeps_the_resource_version(
    cluster: Any, widgets: str, widget: Any
) -> None:
    made = cluster.call("POST", widgets, widget("a", size=3), 201)
    again = cluster.patch(f"{widgets}/a", {"spec": {"size": 3}})
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_dry_run_answers_and_stores_nothing(cluster: Any, widgets: str, widget: Any) -> None:
    tried = cluster.call("POST", f"{widgets}?dryRun=All", widget("a"), 201)
    assert tried["spec"]["size"] == 3
    cluster.call("GET", f"{widgets}/a", code=404)
    cluster.call("POST", widgets, widget("a"), 201)
    assert cluster.patch(f"{widgets}/a?dryRun=All", {"spec": {"size": 8}})["spec"]["size"] == 8
    cluster.call("DELETE", f"{widgets}/a?dryRun=All", code=200)
    assert cluster.call("GET", f"{widgets}/a", code=200)["spec"]["size"] == 3


def test_generate_name_makes_unique_names(cluster: Any, widgets: str, widget: Any) -> None:
    body = widget("x")
    body["metadata"] = {"generateName": "gen-"}
    names = {cluster.call("POST", widgets, body, 201)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("gen-") and len(name) == 9 for name in names)
    assert cluster.call("POST", widgets, {**body, "metadata": {}}, 422)["reason"] == "Invalid"


def test_invalid_names_and_labels_are_rejected(cluster: Any, widgets: str, widget: Any) -> None:
    bad_name = cluster.call("POST", widgets, widget("Not_A_Name"), 422)
    assert [c["field"] for c in bad_name["details"]["causes"]] == ["metadata.name"]
    bad_label = cluster.call("POST", widgets, widget("a", labels={"k": "not a value"}), 422)
    assert [c["field"] for c in bad_label["details"]["causes"]] == ["metadata.labels"]


def test_body_of_another_kind_or_namespace_is_a_bad_request(
    cluster: Any, ns: str, widgets: str, widget: Any
) -> None:
    assert (
        cluster.call("POST", widgets, {**widget("a"), "kind": "Gadget"}, 422)["details"]["causes"][
            0
        ]["field"]
        == "kind"
    )
    cluster.call("POST", widgets, {**widget("a"), "apiVersion": "contract.test/v9"}, 400)
    elsewhere = widget("a")
    elsewhere["metadata"]["namespace"] = "elsewhere"
    cluster.call("POST", widgets, elsewhere, 400)
    response = cluster.client.post(
        widgets, content=b"{", headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400


def test_unknown_path_verb_and_media_type_are_rejected(
    cluster: Any, ns: str, widgets: str, widget: Any
) -> None:
    assert cluster.client.get("/apis/contract.test/v1/gadgets").status_code == 404
    assert cluster.client.get("/apis/nowhere.test/v1/widgets").status_code == 404
    assert cluster.client.put(f"/api/v1/namespaces/{ns}/configmaps", json={}).status_code == 405
    refused = cluster.client.get(widgets, headers={"Accept": "text/html"})
    assert refused.status_code == 406


def test_wrong_token_is_unauthorized(cluster: Any) -> None:
    refused = cluster.client.get("/api/v1/namespaces", headers={"Authorization": "Bearer wrong"})
    assert refused.status_code == 401
    assert refused.json()["reason"] == "Unauthorized"


def test_secret_encodes_its_string_data(cluster: Any, ns: str) -> None:
    path = f"/api/v1/namespaces/{ns}/secrets"
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"a": "b"},
    }
    made = cluster.call("POST", path, body, 201)
    assert (made["type"], made["data"]) == ("Opaque", {"a": "Yg=="})
    assert "stringData" not in made
    refused = cluster.patch(f"{path}/s", {"type": "other"}, 422)
    assert refused["details"]["causes"][0]["field"] == "type"


def test_job_gets_defaults_and_keeps_its_template(cluster: Any, ns: str, job: Any) -> None:
    path = f"/apis/batch/v1/namespaces/{ns}/jobs"
    made = cluster.call("POST", path, job("j"), 201)
    uid = made["metadata"]["uid"]
    spec = made["spec"]
    assert {
        name: spec[name]
        for name in ("parallelism", "completions", "backoffLimit", "completionMode")
    } == {"parallelism": 1, "completions": 1, "backoffLimit": 6, "completionMode": "NonIndexed"}
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert spec["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "j"
    assert spec["template"]["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert made["metadata"]["labels"]["job-name"] == "j"
    cluster.patch(f"{path}/j", {"spec": {"completionMode": "Indexed"}}, 422)
    assert cluster.patch(f"{path}/j", {"spec": {"backoffLimit": 2}})["spec"]["backoffLimit"] == 2
    cluster.call("POST", path, job("k", template={"spec": {"containers": []}}), 422)
    cluster.call("POST", path, job("k", parallelism="many"), 400)


def test_event_is_found_by_its_object(cluster: Any, ns: str) -> None:
    regarding = {"apiVersion": "v1", "kind": "Pod", "name": "p", "namespace": ns, "uid": "u"}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": regarding,
        "type": "Normal",
        "reason": "Tested",
        "message": "seen",
        "reportingComponent": "",
        "reportingInstance": "",
        "source": {"component": "suite"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 2,
    }
    cluster.call("POST", f"/api/v1/namespaces/{ns}/events", event, 201)
    query = {"fieldSelector": "involvedObject.name=p,reason=Tested"}
    found = cluster.call("GET", f"/api/v1/namespaces/{ns}/events", params=query, code=200)
    assert [item["metadata"]["name"] for item in found["items"]] == ["e"]


def test_invalid_object_of_a_built_in_kind_is_rejected(
    cluster: Any, ns: str, configmap: Any, job: Any
) -> None:
    configmaps, jobs = f"/api/v1/namespaces/{ns}/configmaps", f"/apis/batch/v1/namespaces/{ns}/jobs"

    def fields(refused: Any) -> list[str]:
        return [cause["field"] for cause in refused["details"]["causes"]]

    assert fields(cluster.call("POST", configmaps, configmap("a", **{"no key": "1"}), 422)) == [
        "data[no key]"
    ]
    cluster.call("POST", configmaps, {**configmap("a", k="1"), "immutable": True}, 201)
    assert fields(cluster.call("PUT", f"{configmaps}/a", configmap("a", k="1"), 422)) == [
        "immutable"
    ]
    assert fields(cluster.patch(f"{configmaps}/a", {"data": {"k": "2"}}, 422)) == ["data"]
    assert fields(
        cluster.call("POST", jobs, job("j", completionMode="Indexed", parallelism=2), 422)
    ) == ["spec.completions"]
    negative = cluster.call("POST", jobs, job("j", parallelism=-1, backoffLimit=-1), 422)
    assert fields(negative) == ["spec.parallelism", "spec.backoffLimit"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"a": "not base64!"},
    }
    refused = cluster.call("POST", f"/api/v1/namespaces/{ns}/secrets", secret, 400)
    assert "not base64!" not in refused["message"]


def test_system_namespace_delete_and_versioned_create_are_rejected(
    cluster: Any, widgets: str, widget: Any
) -> None:
    for name in ("default", "kube-system"):
        refused = cluster.call("DELETE", f"/api/v1/namespaces/{name}", code=403)
        assert (
            refused["message"]
            == f'namespaces "{name}" is forbidden: this namespace may not be deleted'
        )
    body = widget("a")
    body["metadata"]["resourceVersion"] = "5"
    refused = cluster.call("POST", widgets, body, 500)
    assert refused["message"] == "resourceVersion should not be set on objects to be created"


def test_lease_is_created_by_an_update(cluster: Any, ns: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/l"
    body = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "l"},
        "spec": {"holderIdentity": "me", "renewTime": "2026-01-01T00:00:00.000000Z"},
    }
    made = cluster.call("PUT", path, body, 201)
    taken = {**made, "spec": {"holderIdentity": "you"}}
    assert cluster.call("PUT", path, taken, 200)["spec"]["holderIdentity"] == "you"
    cluster.call("PUT", path, taken, 409)


def test_headless_service_keeps_its_spec(cluster: Any, ns: str) -> None:
    path = f"/api/v1/namespaces/{ns}/services"
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {"a": "b"},
        "ports": [{"port": 29500}],
    }
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec}
    made = cluster.call("POST", path, body, 201)
    assert made["spec"]["ports"] == [{"port": 29500, "protocol": "TCP", "targetPort": 29500}]
    kept = {
        name: made["spec"][name] for name in ("clusterIP", "clusterIPs", "type", "sessionAffinity")
    }
    assert kept == {
        "clusterIP": "None",
        "clusterIPs": ["None"],
        "type": "ClusterIP",
        "sessionAffinity": "None",
    }
    assert made["status"] == {"loadBalancer": {}}
    assert cluster.call("POST", path, body, 409)["reason"] == "AlreadyExists"
    cluster.kubectl("delete", "service/s", "-n", ns)
    cluster.call("GET", f"{path}/s", code=404)
