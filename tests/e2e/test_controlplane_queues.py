"""Kueue's own controller on a real control plane: a shared GPU quota, and a fit by two workers.

The node's GPUs are simulated; the embedded node agent runs the pods. Operator and API run under
their own ServiceAccounts with the permissions of the chart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from installation import eventually
from kueue import Kueue, cluster_queue, local_queue, resource_flavor
from real_cluster import TOOL, Permission, Product, RealCluster
from simulacra import Client

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(900)]
Object = dict[str, Any]
QUEUE = "jobs"
GPUS_EACH = 1
TABLE = "".join(
    [
        "visits,segment\n",
        *(f"{number % 17},{'gold' if number % 3 else 'basic'}\n" for number in range(300)),
    ]
)


class JobWatch:
    """Every change of every Job, as `kubectl get --watch` prints it."""

    def __init__(self, cluster: RealCluster, path: Path) -> None:
        kubectl = [
            str(Path(sys.executable).with_name("kubectl")),
            "--kubeconfig",
            str(cluster.kubeconfig),
        ]
        self._path = path
        with path.open("wb") as out:
            command = [
                *kubectl,
                "get",
                "jobs",
                "-A",
                "--watch",
                "--output-watch-events",
                "-o",
                "json",
            ]
            self._process = subprocess.Popen(command, stdout=out)

    def end(self) -> list[Object]:
        """Stop, and return the events in order."""
        self._process.terminate()
        self._process.wait(60)
        text, events, decoder = self._path.read_text().lstrip(), [], json.JSONDecoder()
        while text:
            try:
                event, stop = decoder.raw_decode(text)
            except ValueError:
                return events  # the end of the watch cut the last event
            events.append(event)
            text = text[stop:].lstrip()
        return events


@dataclass
class SharedQuota:
    """A cluster with Kueue, the product, and two tenants with a Dataset each."""

    cluster: RealCluster
    product: Product
    folder: Path
    tenants: dict[str, tuple[Client, str]] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)

    def namespace(self, tenant: str) -> str:
        return f"tenant-{self.tenants[tenant][1]}"

    def model(self, tenant: str, name: str, family: str = "forest", **resources: Any) -> None:
        """Create a Model of a tenant's Dataset with kubectl."""
        spec = {
            "datasetRef": {"name": self.datasets[tenant]},
            "family": family,
            "resources": resources,
        }
        body = {
            "apiVersion": "simulacra.dev/v1alpha1",
            "kind": "Model",
            "metadata": {"name": name},
            "spec": spec,
        }
        self.cluster.kubectl(
            "create", "-n", self.namespace(tenant), "-f", "-", stdin=json.dumps(body)
        )

    def patch(self, tenant: str, name: str, spec: Object) -> None:
        patch = json.dumps({"spec": spec})
        self.cluster.kubectl(
            "patch", f"model/{name}", "-n", self.namespace(tenant), "--type=merge", "-p", patch
        )

    def reaches(self, tenant: str, name: str, reason: str, seconds: int = 60) -> None:
        """Wait until a Model's Ready condition has this reason."""
        path = '{.status.conditions[?(@.type=="Ready")].reason}'
        asked = ("get", f"model/{name}", "-n", self.namespace(tenant), "-o", f"jsonpath={path}")
        eventually(lambda: self.cluster.kubectl(*asked) == reason, seconds)

    def owned_by_model(self, tenant: str, kind: str, name: str) -> Object:
        """Return the Job or Service of a Model."""
        listed = json.loads(
            self.cluster.kubectl("get", kind, "-n", self.namespace(tenant), "-o", "json")
        )["items"]
        (found,) = [one for one in listed if one["metadata"]["name"].startswith(f"{name}-fit-")]
        return found

    def waits(self, tenant: str, name: str) -> bool:
        """Return whether the Job of a Model exists and is suspended."""
        path = "jsonpath={range .items[*]}{.metadata.name}={.spec.suspend} {end}"
        listed = self.cluster.kubectl(
            "get", "jobs", "-n", self.namespace(tenant), "-o", path
        ).split()
        return any(one.startswith(f"{name}-fit-") and one.endswith("=true") for one in listed)

    def hold(self, held: bool) -> None:
        """Make Kueue stop starting Jobs, or start them again."""
        for tenant in self.tenants:
            patch = json.dumps({"spec": {"stopPolicy": "Hold" if held else "None"}})
            self.cluster.kubectl("patch", f"clusterqueue/{tenant}", "--type=merge", "-p", patch)


def give_queues(shared_quota: SharedQuota) -> None:
    """Do what an administrator does: create a share of the quota and a queue per tenant."""
    quota = {"cpu": 64, "memory": "512Gi", "nvidia.com/gpu": GPUS_EACH}
    objects = [resource_flavor("any")]
    for tenant in shared_quota.tenants:
        objects += [
            cluster_queue(tenant, "gpus", quota, "any"),
            local_queue(QUEUE, shared_quota.namespace(tenant), tenant),
        ]
    shared_quota.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    gpus = (
        f'[{{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "{2 * GPUS_EACH}"}}]'
    )
    eventually(lambda: "embedded" in shared_quota.cluster.kubectl("get", "nodes", "-o", "name"))
    shared_quota.cluster.kubectl(
        "patch", "node", "embedded", "--subresource=status", "--type=json", "-p", gpus
    )
    gpus = gpus.replace("capacity", "allocatable")
    shared_quota.cluster.kubectl(
        "patch", "node", "embedded", "--subresource=status", "--type=json", "-p", gpus
    )


@pytest.fixture(scope="module")
def shared_quota(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedQuota]:
    """Two tenants, a and b, with ready Datasets and default Models that went through the queue."""
    if not TOOL.exists():
        pytest.skip("no real kube-apiserver: ../shared/bin/cluster is not there")
    folder = tmp_path_factory.mktemp("queues")
    cluster = RealCluster(folder / "cluster")
    kueue = Kueue.find(cluster, folder / "kueue")
    with cluster.running():
        cluster.install("--set", f"kueue.queue={QUEUE}")
        cluster.kubectl("create", "secret", "generic", "simulacra-pods", "-n", "simulacra-system")
        product = Product(cluster, folder / "product", SIMULACRA_KUEUE_QUEUE=QUEUE)
        with kueue.running(), product.running():
            shared_quota = SharedQuota(cluster, product, folder)
            shared_quota.tenants = {
                tenant: product.sign_up(f"Company {tenant}") for tenant in ("a", "b")
            }
            give_queues(shared_quota)
            table = folder / "table.csv"
            table.write_text(TABLE)
            for tenant, (client, _) in shared_quota.tenants.items():
                uploaded = client.upload(table, family="forest")
                client.wait(uploaded["job_id"], timeout=240)
                shared_quota.datasets[tenant] = uploaded["dataset_id"]
            yield shared_quota
            for client, _ in shared_quota.tenants.values():
                client.close()


def gpu_schedule(events: list[Object], names: dict[str, str]) -> tuple[list[str], int]:
    """Return the order in which Jobs started, and the most that ran at once."""
    order, running, most = list[str](), set[str](), 0
    for event in events:
        job = event["object"]
        name = next(
            (one for one in names if job["metadata"]["name"].startswith(f"{one}-fit-")), None
        )
        if name is None:
            continue
        ended = any(
            one["type"] in ("Complete", "SuccessCriteriaMet") and one["status"] == "True"
            for one in job.get("status", {}).get("conditions") or ()
        )
        if event["type"] == "DELETED" or ended or job["spec"]["suspend"]:
            running.discard(name)
        elif name not in running:
            running.add(name)
            order.append(name)
        most = max(most, len(running))
    return order, most


def test_two_tenants_share_a_gpu_quota(shared_quota: SharedQuota) -> None:
    """Four fits wait in one tenant and two in the other; they run in order, two at a time."""
    waiting = {"a-1": "a", "a-2": "a", "a-3": "a", "b-1": "b", "b-2": "b", "a-4": "a"}
    shared_quota.hold(True)
    for name, tenant in waiting.items():
        shared_quota.model(tenant, name, gpu=1)
        shared_quota.reaches(tenant, name, "QueuedByKueue")
        # The status is written before the Job.
        eventually(lambda name=name, tenant=tenant: shared_quota.waits(tenant, name))
        time.sleep(1.1)  # Kueue orders by creation time in seconds
    shared_quota.patch("a", "a-2", {"suspend": True})
    shared_quota.reaches("a", "a-2", "Suspended")
    workloads = ("get", "workloads", "-n", shared_quota.namespace("a"))
    # The status is written before the Job is deleted.
    eventually(lambda: "job-a-2" not in shared_quota.cluster.kubectl(*workloads))
    shared_quota.patch("a", "a-2", {"suspend": False})  # moves to the end of the queue
    shared_quota.reaches("a", "a-2", "QueuedByKueue")
    eventually(lambda: shared_quota.waits("a", "a-2"))
    message = shared_quota.cluster.kubectl(
        "describe", "model", "a-1", "-n", shared_quota.namespace("a")
    )
    assert f"waits for quota in the Kueue queue {QUEUE}" in message.partition("Events:")[2]
    watch = JobWatch(shared_quota.cluster, shared_quota.folder / "jobs.json")
    shared_quota.hold(False)
    for name, tenant in waiting.items():
        shared_quota.reaches(tenant, name, "Ready", 400)
    order, most = gpu_schedule(watch.end(), waiting)
    assert sorted(order) == sorted(waiting), "each was started once"
    of_a = [name for name in order if name[0] == "a"]
    # Two Jobs admitted one right after the other start at once, in either order.
    assert sorted(of_a[:2]) == ["a-1", "a-3"]
    assert [name for name in order if name[0] == "b"] == ["b-1", "b-2"]
    assert order.index("b-1") < order.index(of_a[3]), (
        "a tenant may borrow what is free, and no more"
    )
    assert most == 2 * GPUS_EACH


@pytest.mark.neural
def test_two_workers_fit_a_model_within_the_quota(shared_quota: SharedQuota) -> None:
    namespace = shared_quota.namespace("a")
    shared_quota.model("a", "pair", "neural", gpu=1, workers=2)
    eventually(
        lambda: (
            "pair-fit-"
            in shared_quota.cluster.kubectl("get", "services", "-n", namespace, "-o", "name")
        ),
        120,
    )
    service, job = (
        shared_quota.owned_by_model("a", "services", "pair"),
        shared_quota.owned_by_model("a", "jobs", "pair"),
    )
    assert service["spec"]["clusterIP"] == "None"
    assert service["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (2, 2)
    shared_quota.reaches("a", "pair", "Ready", 600)
    status = json.loads(
        shared_quota.cluster.kubectl("get", "model", "pair", "-n", namespace, "-o", "json")
    )["status"]
    assert status["family"] == "neural"
    assert "model/model.json" in [one["name"] for one in status["artefacts"]]
    assert not [key for key in shared_quota.product.objects() if "/checkpoint/" in key]
    gone = ("get", "jobs,services,pods", "-n", namespace, "-o", "name")
    eventually(lambda: "pair-" not in shared_quota.cluster.kubectl(*gone), 60)
    used = shared_quota.cluster.used("simulacra-operator")
    assert {Permission("get", "", "services"), Permission("create", "", "services")} <= used.keys()
    assert shared_quota.cluster.refused("simulacra-operator") == []
