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
from real_cluster import TOOL, Product, RealCluster, Right
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
        self._process.wait(10)
        text, events, decoder = self._path.read_text().lstrip(), [], json.JSONDecoder()
        while text:
            try:
                event, stop = decoder.raw_decode(text)
            except ValueError:
                return events  # cut off by the end of the watch
            events.append(event)
            text = text[stop:].lstrip()
        return events


@dataclass
class Place:
    """A cluster with Kueue, the product, and two tenants with a Dataset each."""

    cluster: RealCluster
    product: Product
    folder: Path
    tenants: dict[str, tuple[Client, str]] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)

    def namespace(self, who: str) -> str:
        return f"tenant-{self.tenants[who][1]}"

    def model(self, who: str, name: str, family: str = "forest", **resources: Any) -> None:
        """Create a Model of a tenant's Dataset with kubectl."""
        spec = {
            "datasetRef": {"name": self.datasets[who]},
            "family": family,
            "resources": resources,
        }
        body = {
            "apiVersion": "simulacra.dev/v1alpha1",
            "kind": "Model",
            "metadata": {"name": name},
            "spec": spec,
        }
        self.cluster.kubectl("create", "-n", self.namespace(who), "-f", "-", stdin=json.dumps(body))

    def patch(self, who: str, name: str, spec: Object) -> None:
        patch = json.dumps({"spec": spec})
        self.cluster.kubectl(
            "patch", f"model/{name}", "-n", self.namespace(who), "--type=merge", "-p", patch
        )

    def reaches(self, who: str, name: str, reason: str, seconds: int = 60) -> None:
        """Wait until a Model's Ready condition has this reason."""
        path = '{.status.conditions[?(@.type=="Ready")].reason}'
        asked = ("get", f"model/{name}", "-n", self.namespace(who), "-o", f"jsonpath={path}")
        eventually(lambda: self.cluster.kubectl(*asked) == reason, seconds)

    def of(self, who: str, kind: str, name: str) -> Object:
        """Return the Job or Service of a Model."""
        listed = json.loads(
            self.cluster.kubectl("get", kind, "-n", self.namespace(who), "-o", "json")
        )["items"]
        (found,) = [one for one in listed if one["metadata"]["name"].startswith(f"{name}-fit-")]
        return found

    def waits(self, who: str, name: str) -> bool:
        """Return whether the Job of a Model exists and is suspended."""
        path = "jsonpath={range .items[*]}{.metadata.name}={.spec.suspend} {end}"
        listed = self.cluster.kubectl("get", "jobs", "-n", self.namespace(who), "-o", path).split()
        return any(one.startswith(f"{name}-fit-") and one.endswith("=true") for one in listed)

    def hold(self, held: bool) -> None:
        """Make Kueue stop starting Jobs, or start them again."""
        for who in self.tenants:
            patch = json.dumps({"spec": {"stopPolicy": "Hold" if held else "None"}})
            self.cluster.kubectl("patch", f"clusterqueue/{who}", "--type=merge", "-p", patch)


def give_queues(place: Place) -> None:
    """Do what an administrator does: create a share of the quota and a queue per tenant."""
    quota = {"cpu": 64, "memory": "512Gi", "nvidia.com/gpu": GPUS_EACH}
    objects = [resource_flavor("any")]
    for who in place.tenants:
        objects += [
            cluster_queue(who, "gpus", quota, "any"),
            local_queue(QUEUE, place.namespace(who), who),
        ]
    place.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    gpus = (
        f'[{{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "{2 * GPUS_EACH}"}}]'
    )
    eventually(lambda: "embedded" in place.cluster.kubectl("get", "nodes", "-o", "name"), 30)
    place.cluster.kubectl(
        "patch", "node", "embedded", "--subresource=status", "--type=json", "-p", gpus
    )
    gpus = gpus.replace("capacity", "allocatable")
    place.cluster.kubectl(
        "patch", "node", "embedded", "--subresource=status", "--type=json", "-p", gpus
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two tenants, a and b, with ready Datasets and default Models that went through the queue."""
    if not TOOL.exists():
        pytest.skip("no real kube-apiserver: ../shared/bin/cluster is not there")
    folder = tmp_path_factory.mktemp("queues")
    cluster = RealCluster(folder / "cluster")
    kueue = Kueue.found(cluster, folder / "kueue")
    with cluster.running():
        cluster.install()
        cluster.kubectl("create", "secret", "generic", "simulacra-pods", "-n", "simulacra-system")
        product = Product(cluster, folder / "product", SIMULACRA_KUEUE_QUEUE=QUEUE)
        with kueue.running(), product.running():
            place = Place(cluster, product, folder)
            place.tenants = {who: product.sign_up(f"Company {who}") for who in ("a", "b")}
            give_queues(place)
            table = folder / "table.csv"
            table.write_text(TABLE)
            for who, (client, _) in place.tenants.items():
                uploaded = client.upload(table, family="forest")
                client.wait(uploaded["job_id"], timeout=240)
                place.datasets[who] = uploaded["dataset_id"]
            yield place
            for client, _ in place.tenants.values():
                client.close()


def gpu_story(events: list[Object], names: dict[str, str]) -> tuple[list[str], int]:
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


def test_two_tenants_share_a_gpu_quota(place: Place) -> None:
    """Four fits wait in one tenant and two in the other; they run in order, two at a time."""
    waiting = {"a-1": "a", "a-2": "a", "a-3": "a", "b-1": "b", "b-2": "b", "a-4": "a"}
    place.hold(True)
    for name, who in waiting.items():
        place.model(who, name, gpu=1)
        place.reaches(who, name, "QueuedByKueue")
        eventually(
            lambda name=name, who=who: place.waits(who, name), 30
        )  # its status is written before it
        time.sleep(1.1)  # Kueue's order has the resolution of a second
    place.patch("a", "a-2", {"suspend": True})
    place.reaches("a", "a-2", "Suspended")
    assert "job-a-2" not in place.cluster.kubectl("get", "workloads", "-n", place.namespace("a"))
    place.patch("a", "a-2", {"suspend": False})  # at the end of the queue now
    place.reaches("a", "a-2", "QueuedByKueue")
    eventually(lambda: place.waits("a", "a-2"), 30)
    message = place.cluster.kubectl("describe", "model", "a-1", "-n", place.namespace("a"))
    assert f"waits for quota in the Kueue queue {QUEUE}" in message.partition("Events:")[2]
    watch = JobWatch(place.cluster, place.folder / "jobs.json")
    place.hold(False)
    for name, who in waiting.items():
        place.reaches(who, name, "Ready", 400)
    order, most = gpu_story(watch.end(), waiting)
    assert sorted(order) == sorted(waiting), "each was started once"
    of_a = [name for name in order if name[0] == "a"]
    # two that are admitted one right after the other are started at once, in either order
    assert sorted(of_a[:2]) == ["a-1", "a-3"]
    assert [name for name in order if name[0] == "b"] == ["b-1", "b-2"]
    assert order.index("b-1") < order.index(of_a[3]), (
        "a tenant may borrow what is free, and no more"
    )
    assert most == 2 * GPUS_EACH


@pytest.mark.neural
def test_two_workers_fit_a_model_within_the_quota(place: Place) -> None:
    namespace = place.namespace("a")
    place.model("a", "pair", "neural", gpu=1, workers=2)
    eventually(
        lambda: (
            "pair-fit-" in place.cluster.kubectl("get", "services", "-n", namespace, "-o", "name")
        ),
        120,
    )
    service, job = place.of("a", "services", "pair"), place.of("a", "jobs", "pair")
    assert service["spec"]["clusterIP"] == "None"
    assert service["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (2, 2)
    place.reaches("a", "pair", "Ready", 600)
    status = json.loads(
        place.cluster.kubectl("get", "model", "pair", "-n", namespace, "-o", "json")
    )["status"]
    assert status["family"] == "neural"
    assert "model/model.json" in [one["name"] for one in status["artefacts"]]
    assert not [key for key in place.product.objects() if "/checkpoint/" in key]
    gone = ("get", "jobs,services,pods", "-n", namespace, "-o", "name")
    eventually(lambda: "pair-" not in place.cluster.kubectl(*gone), 60)
    used = place.cluster.used("simulacra-operator")
    assert {Right("get", "", "services"), Right("create", "", "services")} <= used.keys()
    assert place.cluster.refused("simulacra-operator") == []
