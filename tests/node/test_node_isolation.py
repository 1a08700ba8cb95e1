"""What a trainer's pod and the API's account cannot do, tried on a real node."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helm_chart import SYSTEM
from installation import eventually
from node import TRAINER, Node
from operator_facts import LABELS, ended, observed, resource
from simulacra import Client
from simulacra_operator.observed.observe import Observed
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.work.actions import CreateJob
from simulacra_operator.work.jobs import FIRST_PORT, LAST_PORT, leader_service

pytestmark = pytest.mark.node
LISTEN = (
    "import http.server as s; s.HTTPServer(('', 8000), s.SimpleHTTPRequestHandler).serve_forever()"
)
PROBE = """
import json, os, socket, sys, time
def reach(host, port):
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        return True
    except OSError:
        return False
def write(path):
    try:
        open(path, "w").close()
        return True
    except OSError:
        return False
targets, wanted, end = json.loads(sys.argv[1]), json.loads(sys.argv[2]), time.time() + 60
reached = None
while reached != wanted and time.time() < end:  # a policy applies a moment after a pod starts
    time.sleep(1)
    reached = [name for name, address in targets.items() if reach(*address.rsplit(":", 1))]
said = {"reached": reached, "files": [path for path in sys.argv[3:] if write(path)]}
said["token"] = os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token")
print(json.dumps(said))
"""
DATASET_OWNER = [{"kind": "Dataset", "name": "ds-1", "uid": "uid-ds-1"}]
PLACES = ["/tmp/here", "/here", "/opt/simulacra/here", "/etc/here", "/var/tmp/here"]


WORKER = """
import json, os, socket, time
leader, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
def reach(port, seconds):
    end = time.time() + seconds
    while True:
        try:
            return socket.create_connection((leader, port), timeout=3)
        except OSError:
            if time.time() > end:
                return None
            time.sleep(0.5)
def closes(port, seconds):
    end = time.time() + seconds
    while one := reach(port, 0):
        one.close()
        if time.time() > end:
            return False
        time.sleep(0.5)
    return True
if os.environ["JOB_COMPLETION_INDEX"] == "0":
    meeting, given, other = (socket.create_server(("", number)) for number in (port, 0, 8000))
    one, _ = meeting.accept()
    one.sendall(json.dumps(given.getsockname()[1]).encode().ljust(8))
    one.recv(1)  # wait until the other pod is done
else:
    one = reach(port, 120)  # a name resolves a moment after a pod starts
    number = json.loads(one.recv(8))
    said = {"closed": closes(8000, 60)}  # wait until the policy applies
    said |= {"leader": bool(reach(port, 10)), "given": bool(reach(number, 10))}
    said["ports"] = [number, one.getsockname()[1]]
    open("/dev/termination-log", "w").write(json.dumps(said))
"""
INDEX = "batch.kubernetes.io/job-completion-index"


def two_worker_model() -> Observed:
    """Return a Model for a fit by two workers."""
    spec = {"datasetRef": {"name": "ds-1"}, "family": "neural", "resources": {"workers": 2}}
    body = resource(
        "Model", "pair", spec, {"wrappedKey": "key"}, labels=LABELS, ownerReferences=DATASET_OWNER
    )
    return observed(body, dataset=ended("Dataset", "ds-1"))


def two_worker_job(namespace: str) -> dict[str, Any]:
    """Return the operator's Job for it, with pods that only try what they reach."""
    actions = RECONCILERS["Model"](two_worker_model())
    (job,) = [one.manifest for one in actions if isinstance(one, CreateJob)]
    job["metadata"] |= {"namespace": namespace, "ownerReferences": []}
    (container,) = job["spec"]["template"]["spec"]["containers"]
    container |= {"image": TRAINER, "command": ["python", "-c", WORKER]}
    container["resources"] = {"requests": {"cpu": "50m", "memory": "64Mi"}}
    name = job["metadata"]["name"]
    for one in container["env"]:
        if one["name"] == "MASTER_ADDR":
            one["value"] = f"{name}-0.{name}.{namespace}.svc"
    return job


def pod(name: str, *command: str, account: str = "default") -> str:
    """Return a pod like the operator's: same image, user, account and restrictions."""
    container = {
        "name": "main",
        "image": TRAINER,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", *command],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "restartPolicy": "Never",
        "serviceAccountName": account,
        "automountServiceAccountToken": account == "default",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def start_listener(node: Node, namespace: str, account: str = "default") -> str:
    """Start a pod that listens on port 8000; return its address."""
    node.kubectl(
        "apply", "-n", namespace, "-f", "-", stdin=pod("listener", LISTEN, account=account)
    )
    node.kubectl("wait", "--for=condition=Ready", "pod/listener", "-n", namespace, "--timeout=60s")
    return node.kubectl("get", "pod", "listener", "-n", namespace, "-o", "jsonpath={.status.podIP}")


def run_probe(
    node: Node, namespace: str, targets: dict[str, str], wanted: list[str], account: str
) -> dict[str, object]:
    """Run the probe until it reaches exactly the wanted targets; return its findings."""
    text = pod("probe", PROBE, json.dumps(targets), json.dumps(wanted), *PLACES, account=account)
    node.kubectl("apply", "-n", namespace, "-f", "-", stdin=text)
    done = "--for=jsonpath={.status.phase}=Succeeded"
    node.kubectl("wait", done, "pod/probe", "-n", namespace, "--timeout=180s")
    said: dict[str, object] = json.loads(node.kubectl("logs", "probe", "-n", namespace))
    node.kubectl("delete", "pod", "probe", "-n", namespace, "--grace-period=1")
    return said


def test_trainer_pod_reaches_only_its_store_and_keys(
    release: Node, customer: tuple[Client, str]
) -> None:
    mine = f"tenant-{customer[1]}"
    with release.api():
        other_client, other_tenant = release.sign_up("Other Research")
        other_client.close()
    other = f"tenant-{other_tenant}"
    server = "{.subsets[0].addresses[0].ip}:{.subsets[0].ports[0].port}"
    api_server = release.kubectl(
        "get", "endpoints", "kubernetes", "-n", "default", "-o", f"jsonpath={server}"
    )
    targets = {
        "store": f"simulacra-tryout.{SYSTEM}.svc:8333",
        "keys": f"simulacra-tryout.{SYSTEM}.svc:8200",
        "product": f"simulacra-api.{SYSTEM}.svc:80",
        "api server": api_server,
        "elsewhere": f"{start_listener(release, 'default')}:8000",
        "other tenant": f"{start_listener(release, other, 'simulacra-trainer')}:8000",
        "own neighbor": f"{start_listener(release, mine, 'simulacra-trainer')}:8000",
    }
    try:
        said = run_probe(release, mine, targets, ["store", "keys"], "simulacra-trainer")
        free = ["api server", "elsewhere"]
        outside = run_probe(
            release, "default", {name: targets[name] for name in free}, free, "default"
        )
    finally:
        for namespace in ("default", other, mine):
            release.kubectl("delete", "pod", "listener", "-n", namespace, "--grace-period=1")
        release.kubectl("delete", "tenant", other_tenant, "--timeout=60s")
    assert outside == {"reached": free, "files": ["/tmp/here"], "token": True}
    assert said == {"reached": ["store", "keys"], "files": ["/tmp/here"], "token": False}


def test_workers_of_a_fit_reach_each_other_on_their_ports_only(
    node: Node, customer: tuple[Client, str]
) -> None:
    namespace = f"tenant-{customer[1]}"
    job = two_worker_job(namespace)
    name = job["metadata"]["name"]
    made = json.loads(
        node.kubectl("create", "-n", namespace, "-o", "json", "-f", "-", stdin=json.dumps(job))
    )
    try:
        service = leader_service(two_worker_model(), made)
        assert service is not None
        service["metadata"]["namespace"] = namespace
        node.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(service))
        node.kubectl(
            "wait", "--for=condition=Complete", f"job/{name}", "-n", namespace, "--timeout=180s"
        )
        pods = json.loads(
            node.kubectl("get", "pods", "-n", namespace, "-l", f"job-name={name}", "-o", "json")
        )["items"]
        said = {
            one["metadata"]["labels"][INDEX]: one["status"]["containerStatuses"][0] for one in pods
        }
        second = json.loads(said["1"]["state"]["terminated"]["message"])
    finally:
        node.kubectl("delete", "job", name, "-n", namespace, "--timeout=60s")
    ports = second.pop("ports")
    assert second == {"closed": True, "leader": True, "given": True}
    assert all(FIRST_PORT < port <= LAST_PORT for port in ports)
    eventually(
        lambda: name not in node.kubectl("get", "services", "-n", namespace, "-o", "name"), 60
    )


@pytest.mark.parametrize("account", ["simulacra-api", "simulacra-operator"])
def test_no_account_reads_secrets_of_other_namespaces(release: Node, account: str) -> None:
    who = f"system:serviceaccount:{SYSTEM}:{account}"
    for namespace in ("default", "kube-system"):
        assert "Forbidden" in release.kubectl(
            "get", "secrets", "-n", namespace, "--as", who, ok=False
        )


def test_api_cannot_read_the_credentials_of_tenants(
    release: Node, customer: tuple[Client, str]
) -> None:
    who = f"system:serviceaccount:{SYSTEM}:simulacra-api"
    inside = f"tenant-{customer[1]}"
    assert "simulacra-pods" in release.kubectl("get", "secrets", "-n", inside, "-o", "name")
    said = release.kubectl("get", "secret", "simulacra-pods", "-n", inside, "--as", who, ok=False)
    assert "Forbidden" in said
