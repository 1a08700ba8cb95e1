"""The product with listed namespaces on a real control plane: permissions there only are enough.

The cluster's administrator prepares two namespaces and two Tenants; one namespace is listed. The
main job runs there over HTTP. The other Tenant and its Dataset stay unchanged, byte for byte.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from helm_chart import OWN
from installation import SURVEY, eventually
from real_cluster import CLIENTS, SYSTEM, TOOL, Permission, Product, RealCluster, granted
from simulacra import Client, Connection
from simulacra_api.auth.clients import hash_secret

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]
SERVED, OTHER = "acme", "globex"
LISTED = ("--set", f"{OWN},credentials.existingSecret=simulacra-pods,namespaces[0]=tenant-{SERVED}")


INSIDE = (
    "serviceaccounts,secrets,configmaps,resourcequotas,limitranges,networkpolicies"
    ",services,jobs,pods"
)
"""Kinds that could be left in a tenant's namespace."""


@dataclass
class Outcome:
    """Results of the run that the tests check."""

    cluster: RealCluster
    rows: int = 0
    left: list[str] = field(default_factory=list)
    other: list[Any] = field(default_factory=list)
    events: str = ""
    namespaces: str = ""
    inside: list[str] = field(default_factory=list)


def prepare(cluster: RealCluster) -> None:
    """Do what the documentation asks of the administrator."""
    for tenant in (SERVED, OTHER):
        cluster.kubectl("create", "namespace", f"tenant-{tenant}")
        labels = (f"simulacra.dev/tenant={tenant}", "pod-security.kubernetes.io/enforce=restricted")
        cluster.kubectl("label", "namespace", f"tenant-{tenant}", *labels)
    cluster.kubectl("create", "namespace", f"{SYSTEM}-keys")


def create_tenant(outcome: Outcome, name: str) -> tuple[str, str]:
    """Create a Tenant with a client; return the client's id and secret."""
    client, secret = f"sim-{name}", "simsec_" + secrets.token_urlsafe(32)
    hashes = json.dumps([{"hash": hash_secret(secret), "created": "2026-01-01T00:00:00Z"}])
    tenant = {"apiVersion": "simulacra.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}}
    meta = {
        "name": f"client-{client}",
        "namespace": CLIENTS,
        "labels": {"simulacra.dev/kind": "client"},
    }
    credential = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "stringData": {"hashes": hashes},
    }
    documents = [{**tenant, "spec": {"clients": [client]}}, credential]
    outcome.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    return client, secret


def unserved_objects(cluster: RealCluster) -> list[Any]:
    """Return everything of the tenant that is not served."""
    inside = (
        "get",
        "datasets,jobs,serviceaccounts,secrets,configmaps,events",
        "-n",
        f"tenant-{OTHER}",
        "-o",
        "json",
    )
    found = json.loads(cluster.kubectl(*inside))["items"]
    found = [one for one in found if one["metadata"]["name"] not in ("default", "kube-root-ca.crt")]
    return [json.loads(cluster.kubectl("get", "tenant", OTHER, "-o", "json")), *found]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    if not TOOL.exists():
        pytest.skip("no real kube-apiserver: ../shared/bin/cluster is not there")
    folder = tmp_path_factory.mktemp("namespaced")
    cluster = RealCluster(folder / "cluster")
    outcome = Outcome(cluster)
    with cluster.running():
        prepare(cluster)
        cluster.install(*LISTED)
        cluster.kubectl(
            "create",
            "secret",
            "generic",
            "simulacra-pods",
            "-n",
            SYSTEM,
            "--from-literal=AWS_PROFILE=p",
        )
        product = Product(cluster, folder / "product", SIMULACRA_NAMESPACES=f"tenant-{SERVED}")
        create_tenant(outcome, OTHER)
        dataset = {
            "apiVersion": "simulacra.dev/v1alpha1",
            "kind": "Dataset",
            "metadata": {"name": "ds-1"},
            "spec": {},
        }
        cluster.kubectl("apply", "-n", f"tenant-{OTHER}", "-f", "-", stdin=json.dumps(dataset))
        before = unserved_objects(cluster)
        with product.running():
            main_job(outcome, product, folder)
            outcome.other = [before, unserved_objects(cluster)]
            outcome.events = cluster.kubectl("get", "events", "-n", "default")
            cluster.kubectl("delete", "tenant", SERVED, "--timeout=60s")
            outcome.namespaces = cluster.kubectl("get", "namespaces", "-o", "name")
            outcome.inside = cluster.kubectl(
                "get", INSIDE, "-n", f"tenant-{SERVED}", "-o", "name"
            ).split()
        outcome.left = product.objects()
        yield outcome


def main_job(outcome: Outcome, product: Product, folder: Path) -> None:
    """Upload, generate, download and delete as the customer of the served tenant."""
    client_id, secret = create_tenant(outcome, SERVED)
    outcome.cluster.kubectl("wait", "--for=condition=Ready", f"tenant/{SERVED}", "--timeout=60s")
    url = product.api_url
    connection = Connection(
        url, f"{url}/oauth/token", client_id, secret, "https://api.simulacra.dev"
    )
    with Client(connection) as client:
        uploaded = client.upload(SURVEY, family="forest")
        client.wait(uploaded["job_id"], timeout=240)
        asked = client.generate(uploaded["dataset_id"], 200, seed=1)
        client.wait(asked["job_id"], timeout=120)
        client.download(asked["generation_id"], folder / "rows.parquet", "parquet")
        outcome.rows = pq.read_table(folder / "rows.parquet").num_rows
        client.delete_dataset(uploaded["dataset_id"])
    kinds = "datasets,models,generationjobs,jobs,pods"
    eventually(
        lambda: outcome.cluster.kubectl("get", kinds, "-n", f"tenant-{SERVED}", "-o", "name") == "",
        60,
    )


def test_main_job_succeeds_and_leaves_no_object(outcome: Outcome) -> None:
    assert outcome.rows == 200
    assert outcome.left == []
    assert f"tenant/{SERVED}" in outcome.events, "events of Tenants are written"


def test_tenant_outside_the_listed_namespaces_is_unchanged(outcome: Outcome) -> None:
    before, after = outcome.other
    assert after == before
    assert "finalizers" not in after[0]["metadata"]


def test_deleted_tenant_leaves_the_empty_namespace_to_its_owner(outcome: Outcome) -> None:
    assert f"namespace/tenant-{SERVED}" in outcome.namespaces
    assert outcome.inside == ["serviceaccount/default", "configmap/kube-root-ca.crt"]


@pytest.mark.parametrize("component", ["operator", "api"])
def test_no_request_is_forbidden(outcome: Outcome, component: str) -> None:
    assert list(outcome.cluster.used(f"simulacra-{component}"))
    assert outcome.cluster.refused(f"simulacra-{component}") == []


def test_permissions_of_listed_namespaces_alone_are_used(outcome: Outcome) -> None:
    more = granted("operator", *LISTED) - granted("operator")
    assert Permission("delete", "", "secrets") in more, "the check needs a nonempty set"
    assert more - outcome.cluster.used("simulacra-operator").keys() == set()


@pytest.mark.parametrize("component", ["operator", "api"])
def test_namespaced_kinds_are_requested_in_listed_namespaces_only(
    outcome: Outcome, component: str
) -> None:
    ours = {SYSTEM, CLIENTS, f"{SYSTEM}-keys", "default", f"tenant-{SERVED}"}
    requests = list(outcome.cluster.requests_of(f"simulacra-{component}"))
    assert requests
    for entry in requests:
        ref = entry.get("objectRef", {})
        cluster_wide = ref.get("resource") in (
            "tenants",
            "accessrequests",
            "namespaces",
            "customresourcedefinitions",
        )
        assert not ref or cluster_wide or ref.get("namespace") in ours, entry["requestURI"]
