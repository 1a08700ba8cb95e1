"""The product as a self-hoster runs it: installed by helm, on a real node, through its Services.

The tests depend on each other in this order; the last one deletes everything.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from helm_chart import CHART, SYSTEM, require_program
from installation import ALL_RESOURCES, SURVEY, eventually
from node import CANARY, CLUSTER_VARIABLE, Node, free_port
from prometheus import Prometheus
from real_cluster import Permission, RealCluster, granted
from simulacra import Client
from simulacra.certificates import verify_certificate
from simulacra.cli import app

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]
CONDITIONS = {
    "categorical": {"happiness": {"very happy": 0.5}},
    "numeric": {"tv_hours": {"min": 1, "max": 4}},
}
DEFAULT_PERMISSIONS = {Permission("create", "authorization.k8s.io", "selfsubjectaccessreviews")}
"""Permissions that Kubernetes gives every account and the product uses."""
CANARY_TENANT = "simulacra-canary"
TEMPORARY = "/volumes/kubernetes.io~empty-dir/tmp"
"""In the path of each pod's temporary files on the node."""
EMPTY_PLACES = {"operator log"} | {
    f"control plane: {plural}" for plural in ALL_RESOURCES.split(",") if plural != "pods"
}
"""Places that may have nothing to search when a run of the canary has ended."""
Customer = tuple[Client, str]


def test_every_pod_is_ready_and_restricted(release: Node) -> None:
    pods = release.kubectl(
        "get", "pods", "-n", SYSTEM, "-o", "jsonpath={.items[*].spec.containers[*].securityContext}"
    )
    assert (
        pods.count('"readOnlyRootFilesystem":true')
        == pods.count('"allowPrivilegeEscalation":false')
        >= 4
    )
    level = "pod-security.kubernetes.io/enforce=restricted"
    output = release.kubectl("label", "namespace", SYSTEM, level, "--overwrite", "--dry-run=server")
    assert "labeled" in output
    assert "violate" not in output


def test_helm_test_passes(release: Node) -> None:
    assert "Succeeded" in release.helm("test")


def test_prometheus_scrapes_every_pod_and_promtool_accepts_the_metrics(
    release: Node, prometheus: Prometheus
) -> None:
    eventually(lambda: prometheus.up() == {"simulacra-api": 2, "simulacra-operator": 1}, 60)
    for service, port in (("simulacra-api", 8082), ("simulacra-operator", 8081)):
        local = free_port()
        with release.forwarded(service, port, local):
            text = httpx2.get(f"http://127.0.0.1:{local}/metrics").raise_for_status().text
        done = subprocess.run(
            [str(require_program("promtool")), "check", "metrics"],
            input=text,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{service}: {done.stdout}{done.stderr}"


def test_customer_main_job_succeeds(release: Node, customer: Customer, tmp_path: Path) -> None:
    client, tenant = customer
    with release.api():
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
        shards = release.kubectl(
            "get",
            "jobs",
            "-n",
            f"tenant-{tenant}",
            "-o",
            "jsonpath={.items[*].spec.completionMode}",
        )
        assert set(shards.split()) <= {"Indexed"}
        client.download(large["generation_id"], tmp_path / "large.parquet", "parquet")
        assert pq.read_metadata(tmp_path / "large.parquet").num_rows == 250_000
        assert "Ready" in release.kubectl("get", "datasets,models", "-n", f"tenant-{tenant}")
        assert any(f"tenants/{tenant}/" in key for key in release.stored())
        uid = release.kubectl(
            "get", "dataset", dataset, "-n", f"tenant-{tenant}", "-o", "jsonpath={.metadata.uid}"
        )
        client.delete_dataset(dataset)
        certificate = client.erasure_certificate(dataset)
        assert uid in str(verify_certificate(certificate, client.published_keys()))
    assert [key for key in release.stored() if f"tenants/{tenant}/" in key] == []
    assert release.kubectl("get", ALL_RESOURCES, "-n", f"tenant-{tenant}", "-o", "name") == ""


def test_canary_lives_to_its_end_and_names_what_a_cluster_hides(release: Node) -> None:
    def lives() -> list[Any]:
        command = ["admin", "canary", "--kubeconfig", os.environ["KUBECONFIG"]]
        done = CliRunner().invoke(app, command)
        found: list[Any] = json.loads(done.stdout) if done.exit_code == 0 else []
        return found

    eventually(lambda: len(lives()) == 1, 300)
    (life,) = lives()
    assert (life["verdict"], life["erased_by"]) == ("PartlySearched", "deletion"), life
    hidden = {one["place"]: one["unsearched"] for one in life["places"] if one["unsearched"]}
    out_of_reach = "out of the operator's reach"
    assert hidden == dict.fromkeys(
        ("scratch", "process logs", "control plane database"), out_of_reach
    )
    searched = {one["place"]: one["items"] for one in life["places"] if not one["unsearched"]}
    # The operator logs nothing of a run in which nothing fails.
    assert min(searched[name] for name in searched.keys() - EMPTY_PLACES) > 0, searched
    condition = '{.status.conditions[?(@.type=="CanaryClean")].reason}'
    reason = release.kubectl("get", "tenant", CANARY_TENANT, "-o", f"jsonpath={condition}")
    assert reason == "CanaryPartlySearched"
    assert [key for key in release.stored() if f"tenants/{CANARY_TENANT}/" in key] == []
    assert (
        release.kubectl("get", ALL_RESOURCES, "-n", f"tenant-{CANARY_TENANT}", "-o", "name") == ""
    )


@pytest.mark.skipif(
    CLUSTER_VARIABLE not in os.environ, reason="the disk of this cluster's node is not here"
)
def test_no_temporary_file_on_the_node_holds_a_cell(release: Node, customer: Customer) -> None:
    client, _ = customer
    pods = Path(os.environ[CLUSTER_VARIABLE]) / "kubelet" / "pods"
    searched: set[Path] = set()
    with release.api():
        uploaded = client.upload(SURVEY, family="forest")
        while client.job(uploaded["job_id"])["status"] in ("queued", "running"):
            for folder, _, names in os.walk(pods):  # passes over folders that are removed meanwhile
                for path in (Path(folder, name) for name in names if TEMPORARY in folder):
                    with suppress(OSError):  # removed since it was listed
                        content = path.read_bytes()
                        assert b"very happy" not in content
                        assert b"tv_hours" not in content
                        searched |= {path} if len(content) > 4096 else set()
        client.delete_dataset(uploaded["dataset_id"])
    assert searched


def test_fit_survives_the_death_of_the_operator(release: Node, customer: Customer) -> None:
    client, tenant = customer
    with release.api():
        uploaded = client.upload(SURVEY, family="forest")
        job = release.fit_job(tenant)
        uid = ("get", "job", job, "-n", f"tenant-{tenant}", "-o", "jsonpath={.metadata.uid}")
        before = release.kubectl(*uid)
        component = "app.kubernetes.io/component=operator"
        release.kubectl(
            "delete", "pod", "-n", SYSTEM, "-l", component, "--grace-period=0", "--force"
        )
        assert release.kubectl(*uid) == before
        client.wait(uploaded["job_id"], timeout=240)
        client.delete_dataset(uploaded["dataset_id"])


@pytest.mark.skipif(
    CLUSTER_VARIABLE not in os.environ, reason="the kubelet of this cluster cannot be restarted"
)
def test_fit_survives_a_kubelet_restart(release: Node, customer: Customer) -> None:
    client, tenant = customer
    with release.api():
        uploaded = client.upload(SURVEY, family="forest")
        release.fit_job(tenant)
        release.restart_kubelet(Path(os.environ[CLUSTER_VARIABLE]))
    eventually(
        lambda: (
            "True"
            in release.kubectl(
                "get",
                "nodes",
                "-o",
                'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}',
            )
        )
    )
    with release.api():
        client.wait(uploaded["job_id"], timeout=240)
        client.delete_dataset(uploaded["dataset_id"])


def test_every_panel_has_data_and_every_rule_is_evaluated(prometheus: Prometheus) -> None:
    panels = yaml.safe_load((CHART / "files" / "panels.yaml").read_text())
    asked = {target["expr"]: panel["title"] for panel in panels for target in panel["queries"]}
    silent = [title for expression, title in asked.items() if not prometheus.query(expression)]
    assert silent == []
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert rules
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []


@pytest.mark.skipif(
    CLUSTER_VARIABLE not in os.environ, reason="the audit log of this cluster is not here"
)
def test_no_request_was_forbidden_and_no_job_called_the_api_server(release: Node) -> None:
    assert release
    cluster = RealCluster(Path(os.environ[CLUSTER_VARIABLE]))
    for component in ("api", "operator"):
        used = cluster.used(f"simulacra-{component}").keys()
        assert used
        assert used <= granted(component, *CANARY) | DEFAULT_PERMISSIONS
        assert cluster.refused(f"simulacra-{component}") == []
    with (cluster.folder / "audit.jsonl").open() as lines:
        users = {json.loads(line)["user"]["username"] for line in lines}
    assert [user for user in users if user.startswith("system:serviceaccount:tenant-")] == []


def test_uninstall_keeps_customer_data_and_a_new_release_resumes(
    release: Node, customer: Customer
) -> None:
    client, tenant = customer
    with release.api():
        uploaded = client.upload(SURVEY, family="forest")
        release.fit_job(tenant)
        keys = client.published_keys()
    left = release.kubectl("get", "datasets,models,tenants", "-A", "-o", "name")
    release.helm("uninstall", "--wait")
    assert release.kubectl("get", "datasets,models,tenants", "-A", "-o", "name") == left
    assert release.kubectl(
        "get", "deploy,svc,serviceaccounts", "-n", SYSTEM, "-o", "name"
    ).split() in ([], ["serviceaccount/default"])
    rights = release.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
    assert "simulacra-operator" not in rights
    assert "simulacra-api" not in rights
    release.apply("install")
    with release.api():
        # Its store was deleted with the tryout; the deletion itself must succeed.
        client.delete_dataset(uploaded["dataset_id"])
        assert client.published_keys() == keys
        assert verify_certificate(client.erasure_certificate(uploaded["dataset_id"]), keys)
    for name in (tenant, CANARY_TENANT):
        # Its key was deleted with the tryout as well, and nobody but an operator knows that.
        release.kubectl("annotate", "tenant", name, "simulacra.dev/key-lost=true")
        release.kubectl("delete", "tenant", name, "--timeout=120s")
        eventually(
            lambda name=name: (
                f"tenant-{name}" not in release.kubectl("get", "namespaces", "-o", "name")
            ),
            60,
        )
    assert [key for key in release.stored() if "/installation/owner/" not in key] == []
    release.helm("uninstall", "--wait")
