"""The product as a self-hoster runs it: installed by helm, pods on a real node, everything through the Service.

The tests are one story, in this order; the last one takes everything away.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from helm_chart import SYSTEM
from installation import SURVEY, eventually
from node import Node
from simulacra import Client
from simulacra.certificates import verify_certificate

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]
CONDITIONS = {"categorical": {"happiness": {"very happy": 0.5}}, "numeric": {"tv_hours": {"min": 1, "max": 4}}}
KINDS = "datasets,models,generationjobs,effectestimates,jobs,pods"
Customer = tuple[Client, str]


def test_every_pod_is_ready_and_restricted(node: Node) -> None:
    pods = node.kubectl("get", "pods", "-n", SYSTEM, "-o", "jsonpath={.items[*].spec.containers[*].securityContext}")
    assert pods.count('"readOnlyRootFilesystem":true') == pods.count('"allowPrivilegeEscalation":false') >= 4
    level = "pod-security.kubernetes.io/enforce=restricted"
    said = node.kubectl("label", "namespace", SYSTEM, level, "--overwrite", "--dry-run=server")
    assert "labeled" in said
    assert "violate" not in said


def test_a_customers_main_job(node: Node, customer: Customer, tmp_path: Path) -> None:
    client, tenant = customer
    with node.api():
        uploaded = client.upload(SURVEY, family="forest")
        client.wait(uploaded["job_id"], timeout=240)
        dataset = uploaded["dataset_id"]
        small = client.generate(dataset, 2_000, conditions=CONDITIONS, seed=1)
        large = client.generate(dataset, 250_000, seed=2)
        client.wait(small["job_id"], timeout=120)
        client.download(small["generation_id"], tmp_path / "rows.parquet", "parquet")
        table = pq.read_table(tmp_path / "rows.parquet")
        assert sum(value == "very happy" for value in table["happiness"].to_pylist()) == 1_000
        client.wait(large["job_id"], timeout=240)
        shards = node.kubectl("get", "jobs", "-n", f"tenant-{tenant}", "-o", "jsonpath={.items[*].spec.completionMode}")
        assert set(shards.split()) <= {"Indexed"}
        client.download(large["generation_id"], tmp_path / "large.parquet", "parquet")
        assert pq.read_metadata(tmp_path / "large.parquet").num_rows == 250_000
        assert "Ready" in node.kubectl("get", "datasets,models", "-n", f"tenant-{tenant}")
        assert any(f"tenants/{tenant}/" in key for key in node.stored())
        uid = node.kubectl("get", "dataset", dataset, "-n", f"tenant-{tenant}", "-o", "jsonpath={.metadata.uid}")
        client.delete_dataset(dataset)
        certificate = client.erasure_certificate(dataset)
        assert uid in str(verify_certificate(certificate, client.published_keys()))
    assert [key for key in node.stored() if f"tenants/{tenant}/" in key] == []
    assert node.kubectl("get", KINDS, "-n", f"tenant-{tenant}", "-o", "name") == ""


def test_the_operator_dies_while_a_model_is_fit(node: Node, customer: Customer) -> None:
    client, tenant = customer
    with node.api():
        uploaded = client.upload(SURVEY, family="forest")
        job = node.fit_job(tenant)
        uid = ("get", "job", job, "-n", f"tenant-{tenant}", "-o", "jsonpath={.metadata.uid}")
        before = node.kubectl(*uid)
        component = "app.kubernetes.io/component=operator"
        node.kubectl("delete", "pod", "-n", SYSTEM, "-l", component, "--grace-period=0", "--force")
        assert node.kubectl(*uid) == before
        client.wait(uploaded["job_id"], timeout=240)
        client.delete_dataset(uploaded["dataset_id"])


def test_upgrade_and_rollback_while_a_model_is_fit(node: Node, customer: Customer, tmp_path: Path) -> None:
    client, tenant = customer
    with node.api():
        uploaded = client.upload(SURVEY, family="forest")
        node.fit_job(tenant)
    node.apply("upgrade", "--set", "api.replicas=1", "--set", "operator.resources.requests.cpu=60m")
    node.helm("rollback", "--wait")
    with node.api():
        client.wait(uploaded["job_id"], timeout=240)
        asked = client.generate(uploaded["dataset_id"], 500, seed=1)
        client.wait(asked["job_id"], timeout=120)
        client.download(asked["generation_id"], tmp_path / "rows.parquet", "parquet")
        client.delete_dataset(uploaded["dataset_id"])
    assert pq.read_metadata(tmp_path / "rows.parquet").num_rows == 500


@pytest.mark.skipif("SIMULACRA_E2E_CLUSTER" not in os.environ, reason="the kubelet of this cluster cannot be restarted")
def test_the_kubelet_restarts_while_a_model_is_fit(node: Node, customer: Customer) -> None:
    client, tenant = customer
    with node.api():
        uploaded = client.upload(SURVEY, family="forest")
        node.fit_job(tenant)
        node.restart_kubelet(Path(os.environ["SIMULACRA_E2E_CLUSTER"]))
    eventually(
        lambda: (
            "True"
            in node.kubectl("get", "nodes", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}')
        )
    )
    with node.api():
        client.wait(uploaded["job_id"], timeout=240)
        client.delete_dataset(uploaded["dataset_id"])


def test_uninstall_keeps_what_customers_have_and_a_new_release_goes_on(node: Node, customer: Customer) -> None:
    client, tenant = customer
    with node.api():
        uploaded = client.upload(SURVEY, family="forest")
        node.fit_job(tenant)
    left = node.kubectl("get", "datasets,models,tenants", "-A", "-o", "name")
    node.helm("uninstall", "--wait")
    assert node.kubectl("get", "datasets,models,tenants", "-A", "-o", "name") == left
    assert node.kubectl("get", "deploy,svc,serviceaccounts", "-n", SYSTEM, "-o", "name").split() in (
        [],
        ["serviceaccount/default"],
    )
    rights = node.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
    assert "simulacra-operator" not in rights
    assert "simulacra-api" not in rights
    node.apply("install")
    with node.api():
        client.delete_dataset(uploaded["dataset_id"])  # its store went with the tryout; that it goes is what counts
    node.kubectl("delete", "tenant", tenant, "--timeout=120s")
    eventually(lambda: f"tenant-{tenant}" not in node.kubectl("get", "namespaces", "-o", "name"), 60)
    assert node.stored() == []
    node.helm("uninstall", "--wait")
