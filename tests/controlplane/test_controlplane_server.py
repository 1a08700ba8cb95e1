"""The control plane as a process: restarts, crashes, rejected requests, logs and faults."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

pytestmark = pytest.mark.embedded

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


SUPPORT = Path(__file__).resolve().parents[1] / "support"


def configmap(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


class Server:
    """One process on a data folder."""

    def __init__(self, folder: Path, faults: str = "") -> None:
        self.folder = folder
        command = [sys.executable, "-m", "simulacra_controlplane", "--data-dir", str(folder)]
        if faults:
            program = (
                "import sys\n"
                f"sys.path.insert(0, {str(SUPPORT)!r})\n"
                "from pathlib import Path\n"
                "from controlplane_faults import Fault, FaultInjector\n"
                "from simulacra_controlplane.serving import serve\n"
                f"serve(Path({str(folder)!r}), 0, lambda app: FaultInjector(app, [{faults}]))\n"
            )
            command = [sys.executable, "-c", program]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["server"]
        trust = ssl.create_default_context(cafile=folder / "ca.crt")
        self.token = (folder / "token").read_text()
        headers = {"Authorization": f"Bearer {self.token}"}
        self.client = httpx2.Client(base_url=self.url, verify=trust, headers=headers, timeout=5)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Any]:
    """Return a function that starts servers on the test's folder; stop those still running."""
    started: list[Server] = []

    def start(faults: str = "") -> Server:
        started.append(Server(tmp_path / "data", faults))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()


def test_killed_server_keeps_every_acknowledged_write(servers: Any) -> None:
    server = servers()
    acknowledged: dict[str, str] = {}
    kill = [
        "sh",
        "-c",
        f"sleep 0.1; kill -9 {server.process.pid}",
    ]  # at an arbitrary moment
    with contextlib.suppress(httpx2.HTTPError):
        for index in range(100_000):
            if index == 60:
                killer = subprocess.Popen(kill)
            made = server.client.post(CONFIGMAPS, json=configmap(f"c{index:06}", n=str(index)))
            acknowledged[f"c{index:06}"] = made.json()["metadata"]["resourceVersion"]
    killer.wait()
    server.process.wait(60)
    assert len(acknowledged) > 50
    again = servers()
    found = {
        i["metadata"]["name"]: i["metadata"]["resourceVersion"]
        for i in again.client.get(CONFIGMAPS).json()["items"]
    }
    assert {name: found.get(name) for name in acknowledged} == acknowledged
    assert len(found) <= len(acknowledged) + 1


def test_restart_keeps_port_token_kinds_and_revision(servers: Any) -> None:
    first = servers()
    crd = yaml.safe_load(
        (Path(__file__).resolve().parents[1] / "contract" / "widgets.yaml").read_text()
    )
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert first.client.post(crds, json=crd).status_code == 201
    made = first.client.post(CONFIGMAPS, json=configmap("a")).json()
    config = (first.folder / "kubeconfig").read_text()
    assert first.stop() == 0
    second = servers()
    assert (second.url, second.token) == (first.url, first.token)
    assert (second.folder / "kubeconfig").read_text() == config
    assert second.client.get(f"{CONFIGMAPS}/a").json() == made
    assert second.client.get("/apis/contract.test/v1/widgets").status_code == 200
    later = second.client.post(CONFIGMAPS, json=configmap("b")).json()
    assert int(later["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


def test_restart_finishes_deletions(servers: Any) -> None:
    first = servers(
        faults='Fault("crash-after", "DELETE", "/api/v1/namespaces/default/configmaps/owner")'
    )
    owner = first.client.post(CONFIGMAPS, json=configmap("owner")).json()
    child = configmap("child")
    child["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    ]
    assert first.client.post(CONFIGMAPS, json=child).status_code == 201
    with pytest.raises(httpx2.HTTPError):
        first.client.delete(f"{CONFIGMAPS}/owner")
    first.process.wait(60)
    second = servers()
    assert second.client.get(f"{CONFIGMAPS}/owner").status_code == 404
    deadline = time.monotonic() + 60
    while second.client.get(f"{CONFIGMAPS}/child").status_code != 404:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_crash_before_or_after_a_write_leaves_a_whole_state(servers: Any) -> None:
    before = servers(
        faults='Fault("crash-before", "POST", "/api/v1/namespaces/default/configmaps")'
    )
    with pytest.raises(httpx2.HTTPError):
        before.client.post(CONFIGMAPS, json=configmap("a"))
    before.process.wait(60)
    after = servers(faults='Fault("crash-after", "POST", "/api/v1/namespaces/default/configmaps")')
    assert after.client.get(f"{CONFIGMAPS}/a").status_code == 404
    with pytest.raises(httpx2.HTTPError):
        after.client.post(CONFIGMAPS, json=configmap("a"))
    after.process.wait(60)
    assert servers().client.get(f"{CONFIGMAPS}/a").status_code == 200


def test_injected_faults_fail_hang_and_cut_requests(servers: Any) -> None:
    faults = (
        'Fault("fail", "GET", "/api/v1/nodes", skip=1, code=429, retry_after=7),'
        'Fault("hang", "GET", "/api/v1/pods"),'
        'Fault("cut", "GET", "/api/v1/namespaces.*watch", lines=2),'
        'Fault("silence", "GET", "/api/v1/namespaces.*watch", lines=1)'
    )
    client = servers(faults=faults).client
    codes = [client.get("/api/v1/nodes") for _ in range(3)]
    assert [answer.status_code for answer in codes] == [200, 429, 200]
    assert codes[1].headers["retry-after"] == "7"
    with pytest.raises(httpx2.ReadTimeout):
        client.get("/api/v1/pods", timeout=0.3)
    lines: list[str] = []
    with (
        pytest.raises(httpx2.RemoteProtocolError),
        client.stream("GET", "/api/v1/namespaces?watch=1") as stream,
    ):
        lines.extend(stream.iter_lines())
    assert len(lines) == 2
    lines.clear()
    with (
        pytest.raises(httpx2.ReadTimeout),
        client.stream("GET", "/api/v1/namespaces?watch=1", timeout=0.5) as stream,
    ):
        lines.extend(stream.iter_lines())
    assert len(lines) == 1


def test_secret_files_are_private(servers: Any) -> None:
    folder = servers().folder
    for name in ("token", "tls.key", "kubeconfig"):
        assert stat.S_IMODE(os.stat(folder / name).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(folder / "objects.sqlite").st_mode) == 0o600


def test_stop_ends_open_watches(servers: Any) -> None:
    server = servers()
    with server.client.stream("GET", "/api/v1/namespaces?watch=1&timeoutSeconds=60") as stream:
        lines = stream.iter_lines()
        next(lines)
        started = time.monotonic()
        assert server.stop() == 0
        assert list(lines)
    assert time.monotonic() - started < 45  # less than the 60 seconds of the watch


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health_needs_no_token(servers: Any, path: str) -> None:
    server = servers()
    assert server.client.get(path, headers={"Authorization": ""}).text == "ok"


def test_unsupported_encoding_and_path_are_named_in_the_error(servers: Any) -> None:
    client = servers().client
    protobuf = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    refused = client.post(CONFIGMAPS, content=b"k8s\x00", headers=protobuf)
    assert (refused.status_code, refused.json()["reason"]) == (415, "UnsupportedMediaType")
    assert "application/json" in refused.json()["message"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
    }
    assert client.post("/api/v1/namespaces/default/pods", json=pod).status_code == 201
    applied = client.patch(
        f"{CONFIGMAPS}/c?fieldManager=kubectl",
        content=b"{}",
        headers={"Content-Type": "application/apply-patch+yaml"},
    )
    assert applied.status_code == 415
    for place in ("pods/p/exec", "pods/p/eviction", "serviceaccounts/default/token"):
        missing = client.post(f"/api/v1/namespaces/default/{place}")
        assert missing.status_code == 501
        assert "is not served by the embedded control plane" in missing.json()["message"]


def test_pod_logs_are_the_files_of_the_node_agent(servers: Any) -> None:
    server = servers()
    pods = "/api/v1/namespaces/default/pods"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "main", "image": "x"}, {"name": "side", "image": "x"}]},
    }
    uid = server.client.post(pods, json=pod).json()["metadata"]["uid"]
    log = f"{pods}/p/log"
    assert server.client.get(log).status_code == 400
    assert server.client.get(f"{log}?container=nobody").status_code == 400
    assert server.client.get(f"{log}?container=main").text == ""
    folder = server.folder / "pods" / uid
    folder.mkdir(parents=True)
    (folder / "main.log").write_text("one\ntwo\nthree")
    assert server.client.get(f"{log}?container=main").text == "one\ntwo\nthree"
    assert server.client.get(f"{log}?container=main&tailLines=2").text == "two\nthree"
    assert server.client.get(f"{log}?container=main&tailLines=0").text == ""
    assert server.client.get(f"{log}?container=main&limitBytes=5").text == "one\nt"
    assert server.client.get(f"{log}?container=main&previous=true").status_code == 501
    with server.client.stream("GET", f"{log}?container=main&follow=true&tailLines=1") as stream:
        chunks = stream.iter_text()
        assert next(chunks) == "three"
        with (folder / "main.log").open("a") as file:
            file.write("\nfour\n")
        assert next(chunks) == "\nfour\n"
        done = {"status": {"phase": "Succeeded"}}
        merge = {"Content-Type": "application/merge-patch+json"}
        assert (
            server.client.patch(
                f"{pods}/p/status", content=json.dumps(done), headers=merge
            ).status_code
            == 200
        )
        assert list(chunks) == []
    kubectl = [
        str(Path(sys.executable).with_name("kubectl")),
        "--kubeconfig",
        str(server.folder / "kubeconfig"),
    ]
    shown = subprocess.run(
        [*kubectl, "logs", "-f", "p", "-c", "main"], capture_output=True, text=True, timeout=30
    )
    assert shown.stdout == "one\ntwo\nthree\nfour\n", shown.stderr


async def test_official_client_works_with_the_kubeconfig(servers: Any) -> None:
    from kubernetes.aio import config
    from kubernetes.aio.client import ApiException, CoreV1Api  # a second to import, for this test

    server = servers()
    path = str(server.folder / "kubeconfig")
    async with await config.new_client_from_config(path, persist_config=False) as client:
        core = CoreV1Api(client)
        secret = {"metadata": {"name": "s"}, "stringData": {"a": "b"}}
        await core.create_namespaced_secret("default", secret)
        labels = {"metadata": {"labels": {"x": "y"}}}
        await core.patch_namespaced_secret("s", "default", labels)
        found = await core.list_namespaced_secret("default", label_selector="x=y")
        assert [(one.metadata.name, one.data) for one in found.items] == [("s", {"a": "Yg=="})]
        await core.delete_namespaced_secret("s", "default")
        with pytest.raises(ApiException, match="404"):
            await core.read_namespaced_secret("s", "default")
