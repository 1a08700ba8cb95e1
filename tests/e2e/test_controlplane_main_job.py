"""The main job on a real control plane with RBAC; its audit log is compared with the roles.

Operator and API run under their own ServiceAccounts with the permissions of the Helm chart; the
embedded node agent plays the kubelet. A customer signs up, a person approves with kubectl, the
customer uploads, generates, downloads and deletes over HTTP, and at the end the tenant is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from installation import ALL_RESOURCES, SURVEY, eventually
from real_cluster import TOOL, Permission, Product, RealCluster, granted
from simulacra import Client, JobFailed

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(400)]
CONDITIONS = {
    "categorical": {"happiness": {"very happy": 0.5}},
    "numeric": {"tv_hours": {"min": 1, "max": 4}},
}

UNUSED_HERE = {
    "operator": {
        Permission("delete", "simulacra.dev", "accessrequests"): "30 days after the request",
        Permission("delete", "", "configmaps"): "expiry of a tombstone after 24 hours",
        Permission("patch", "", "configmaps"): "a webhook whose receiver answers 410",
        Permission("list", "", "events"): "a Job that gets no pod for 30 seconds",
        Permission("get", "", "services"): "a fit by several workers",
        Permission("create", "", "services"): "a fit by several workers",
    },
    "api": {
        Permission(
            "update", "simulacra.dev", "datasets/finalizers"
        ): "the admission plugin OwnerReferencesPermissionEnforcement",
        Permission(
            "update", "simulacra.dev", "models/finalizers"
        ): "the admission plugin OwnerReferencesPermissionEnforcement",
        Permission("create", "", "configmaps"): "a webhook; request counts near a tenant's limit",
        Permission("patch", "", "configmaps"): "request counts near a tenant's limit",
        Permission("delete", "", "configmaps"): "a webhook; request counts of a stopped process",
    },
}
"""Permissions that this run does not use, and what uses them; each use has its own test.

Use a new permission in `main_job`; list it here only if that is impossible.
"""


@dataclass
class Outcome:
    """Results of the run that the tests check."""

    product: Product
    cluster: RealCluster
    namespace: str = ""
    table: Any = None
    left: dict[str, Any] = field(default_factory=dict)
    keys_for: dict[str, str] = field(default_factory=dict)
    events: str = ""


def main_job(outcome: Outcome, client: Client, folder: Path) -> None:
    """Upload, generate, download, extend, refit and delete; suspend and resume a job by kubectl."""
    uploaded = client.upload(SURVEY, family="forest")
    client.wait(uploaded["job_id"], timeout=240)
    dataset = uploaded["dataset_id"]
    assert client.schema(dataset)["rows"] > 0
    client.extend(dataset, 200_000)
    asked = client.generate(dataset, 2_000, conditions=CONDITIONS, seed=1)
    client.wait(asked["job_id"], timeout=120)
    client.download(asked["generation_id"], folder / "synthetic.parquet", "parquet")
    outcome.table = pq.read_table(folder / "synthetic.parquet")
    suspend_and_cancel(outcome, client, dataset)
    estimate_effects(client, dataset)
    certify_shares(client, dataset)
    compare_levers(client, dataset)
    assert client.datasets()[0]["dataset_id"] == dataset
    tamper_with_namespace(outcome)
    outcome.events = outcome.cluster.kubectl("get", "events", "-A")
    client.delete_generation(asked["generation_id"])
    client.refit(dataset, {"tiers": [["education_years"], ["tv_hours"]]})
    client.delete_dataset(dataset)
    outcome.left = {
        "resources": outcome.cluster.kubectl("get", ALL_RESOURCES, "-A", "-o", "name").split(),
        "objects": outcome.product.objects(),
    }


def suspend_and_cancel(outcome: Outcome, client: Client, dataset: str) -> None:
    """Suspend and resume a running generation by kubectl, then cancel it as the customer."""
    big = client.generate(dataset, 1_000_000, seed=2)
    name = f"generationjob/{big['generation_id']}"
    kubectl = outcome.cluster.kubectl
    for suspend, phase in (
        ("true", "Suspended"),
        ("false", "Running"),
        ("true", "Suspended"),
        ("false", "Running"),
    ):
        patch = f'{{"spec": {{"suspend": {suspend}}}}}'
        kubectl("patch", name, "-n", outcome.namespace, "--type=merge", "-p", patch)
        kubectl(
            "wait",
            f"--for=jsonpath={{.status.phase}}={phase}",
            name,
            "-n",
            outcome.namespace,
            "--timeout=30s",
        )
    assert "Suspended" in kubectl("describe", name, "-n", outcome.namespace).partition("Events:")[2]
    client._http.post(f"/v1/jobs/{big['job_id']}/cancel")
    with pytest.raises(JobFailed):
        client.wait(big["job_id"], timeout=30)


def estimate_effects(client: Client, dataset: str) -> None:
    """Wait for one estimate and delete it; cancel another and leave it."""
    effect = {"treatment": "tv_hours", "value": 1, "baseline": 4, "outcome": "education_years"}
    first, second = (
        client._http.post(
            f"/v1/datasets/{dataset}/effects", json=effect, headers={"Idempotency-Key": key}
        )
        for key in ("effect-1", "effect-2")
    )
    assert first.status_code == 202, first.text
    client._http.post(f"/v1/jobs/{second.json()['job_id']}/cancel").raise_for_status()
    client.wait(first.json()["job_id"], timeout=120)
    client.delete_effect(first.json()["effect_id"])


def certify_shares(client: Client, dataset: str) -> None:
    """Wait for one segment estimate and delete it; cancel another and leave it."""
    first, second = (
        client.boost(dataset, {"happiness": []}, ["owns_gun"], key=key)
        for key in ("segment-1", "segment-2")
    )
    client._http.post(f"/v1/jobs/{second.job_id}/cancel").raise_for_status()
    client.wait(first.job_id, timeout=120)
    client.delete_segment(first.segment_id)


def compare_levers(client: Client, dataset: str) -> None:
    """Wait for one answer sheet and delete it; cancel another and leave it."""
    levers = [{"column": "education_years"}]
    first, second = (
        client.ask_sheet(dataset, outcome="tv_hours", levers=levers, key=key)
        for key in ("sheet-1", "sheet-2")
    )
    client._http.post(f"/v1/jobs/{second.job_id}/cancel").raise_for_status()
    client.wait(first.job_id, timeout=120)
    client.delete_sheet(first.sheet_id)


def tamper_with_namespace(outcome: Outcome) -> None:
    """Loosen the tenant's namespace and check that the operator restores it; change the quotas."""
    tenant, inside = outcome.namespace.removeprefix("tenant-"), ("-n", outcome.namespace)
    kubectl = outcome.cluster.kubectl
    kubectl(
        "label",
        "namespace",
        outcome.namespace,
        "pod-security.kubernetes.io/enforce=privileged",
        "--overwrite",
    )
    merge = ("--type=merge", "-p")
    kubectl(
        "patch",
        "networkpolicy/simulacra-default-deny",
        *inside,
        *merge,
        '{"spec": {"policyTypes": ["Ingress"]}}',
    )
    kubectl(
        "patch",
        "serviceaccount/simulacra-trainer",
        *inside,
        *merge,
        '{"automountServiceAccountToken": true}',
    )
    kubectl(
        "patch",
        "secret/simulacra-pods",
        *inside,
        *merge,
        '{"data": {"AWS_PROFILE": "Zm9yZWlnbg=="}}',
    )
    patch = json.dumps({"spec": {"quotas": {"concurrentJobs": 7, "requestsPerMinute": 300}}})
    kubectl("patch", "tenant", tenant, *merge, patch)
    for what, path, value in (
        ("resourcequota/simulacra", ".spec.hard.pods", "56"),
        ("serviceaccount/simulacra-trainer", ".automountServiceAccountToken", "false"),
        ("secret/simulacra-pods", ".data.AWS_PROFILE", "cGxhdGZvcm1z"),
    ):
        kubectl("wait", f"--for=jsonpath={{{path}}}={value}", what, *inside, "--timeout=30s")
    types = (
        "get",
        "networkpolicy/simulacra-default-deny",
        *inside,
        "-o",
        "jsonpath={.spec.policyTypes}",
    )
    # `kubectl wait` fails on a missing array index.
    eventually(lambda: kubectl(*types) == '["Ingress","Egress"]')
    enforce = kubectl("get", "namespace", outcome.namespace, "-o", "jsonpath={.metadata.labels}")
    assert json.loads(enforce)["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Run the whole main job once."""
    if not TOOL.exists():
        pytest.skip("no real kube-apiserver: ../shared/bin/cluster is not there")
    folder = tmp_path_factory.mktemp("real")
    cluster = RealCluster(folder / "cluster")
    with cluster.running():
        cluster.install()
        environment = "--from-literal=AWS_PROFILE=platforms"
        cluster.kubectl(
            "create", "secret", "generic", "simulacra-pods", "-n", "simulacra-system", environment
        )
        product = Product(cluster, folder / "product")
        outcome = Outcome(product, cluster)
        with product.running():
            client, tenant = product.sign_up("Acme Research")
            outcome.namespace = f"tenant-{tenant}"
            with client:
                main_job(outcome, client, folder)
                for account in ("simulacra-api", "simulacra-operator"):
                    who = f"system:serviceaccount:simulacra-system:{account}"
                    asked = (
                        "get",
                        "secret/installation-keys",
                        "-n",
                        "simulacra-system-keys",
                        "--as",
                        who,
                    )
                    outcome.keys_for[account] = cluster.kubectl(
                        "auth", "can-i", *asked, ok=None
                    ).strip()
                client.upload(SURVEY, family="forest")  # deleted with its tenant
            cluster.kubectl("delete", "tenant", tenant, "--timeout=60s")
            eventually(
                lambda: "tenant-" not in cluster.kubectl("get", "namespaces", "-o", "name"), 30
            )
        yield outcome


def test_customer_gets_the_requested_rows(outcome: Outcome) -> None:
    table = outcome.table
    assert table.num_rows == 2_000
    assert sum(value == "very happy" for value in table["happiness"].to_pylist()) == 1_000
    assert all(1 <= value <= 4 for value in table["tv_hours"].to_pylist() if value is not None)


def test_deleted_dataset_leaves_no_resource_and_no_object(outcome: Outcome) -> None:
    assert outcome.left == {"resources": [], "objects": []}


def test_api_cannot_read_the_signing_keys(outcome: Outcome) -> None:
    assert outcome.keys_for == {"simulacra-api": "no", "simulacra-operator": "yes"}


@pytest.mark.parametrize("component", ["operator", "api"])
def test_no_request_is_forbidden(outcome: Outcome, component: str) -> None:
    assert outcome.cluster.refused(f"simulacra-{component}") == []


@pytest.mark.parametrize("component", ["operator", "api"])
def test_every_granted_permission_is_used(outcome: Outcome, component: str) -> None:
    used = outcome.cluster.used(f"simulacra-{component}")
    assert used, "the audit log names the account"
    unused = granted(component) - used.keys() - UNUSED_HERE[component].keys()
    assert not unused, ", ".join(sorted(map(str, unused)))
