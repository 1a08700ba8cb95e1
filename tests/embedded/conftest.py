"""A bench for Jobs: our control plane and Job controller, or real ones; our node agent in both."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ports import free_port
from simulacra_crds.kube.client import JOBS, NAMESPACES, PODS, Cluster

Object = dict[str, Any]
IMAGE = "test/shell"
REAL = Path(__file__).resolve().parents[3] / "shared" / "bin" / "cluster"


class Processes:
    """The programs of one bench; each can be killed and started again."""

    def __init__(self, root: Path, real: bool) -> None:
        self.root, self.real = root, real
        self.kubeconfig = root / "plane" / "kubeconfig"
        self.agent_dir = root / "agent"
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start control plane, jobs or node."""
        arguments = {
            "controlplane": ["--data-dir", str(self.root / "plane")],
            "jobs": ["--backoff-seconds", "0.5"],
            "node": ["--data-dir", str(self.agent_dir), "--image", IMAGE, "--slots", "4"]
            + ([] if self.real else ["--bind"]),
        }[name]
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "simulacra_controlplane" if name == "controlplane" else f"simulacra_embedded.{name}",
            *arguments,
        ]
        env = os.environ | {"KUBECONFIG": str(self.kubeconfig)}
        env |= {"SIMULACRA_STORE": "file:///nowhere"}
        with (self.root / f"{name}.log").open("ab") as log:
            out = subprocess.PIPE if name == "controlplane" else log
            self.running[name] = subprocess.Popen(command, env=env, stdout=out, stderr=log)

    def start_plane(self) -> None:
        """Start our control plane and wait until it serves (on the same port as before)."""
        self.start("controlplane")
        out = self.running["controlplane"].stdout
        assert out is not None
        assert json.loads(out.readline())["server"]

    def end(self, name: str, signum: int = signal.SIGTERM) -> int:
        """Signal a program and wait for its end."""
        process = self.running.pop(name)
        process.send_signal(signum)
        code = process.wait(60)
        if process.stdout:
            process.stdout.close()
        return code

    def up(self) -> None:
        if self.real:
            command = [str(REAL), "up", str(self.root / "plane"), "--port", str(free_port(5))]
            subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL)
        else:
            self.start_plane()
            self.start("jobs")
        self.start("node")

    def down(self) -> None:
        for name in ("node", "jobs", "controlplane"):
            if name in self.running:
                self.end(name)
        if self.real:
            command = [str(REAL), "down", str(self.root / "plane")]
            subprocess.run(command, timeout=60, stdout=subprocess.DEVNULL)


class Bench:
    """One test's namespace."""

    def __init__(self, processes: Processes, cluster: Cluster, namespace: str) -> None:
        self.processes, self.cluster, self.namespace = processes, cluster, namespace
        self.real = processes.real

    async def job(
        self, script: str, *, name: str = "work", container: Object | None = None, **spec: Any
    ) -> Object:
        """Create a Job as the operator writes them, whose one container runs a shell script."""
        main = {"name": "main", "image": IMAGE, "command": ["sh", "-c", script]} | (container or {})
        template = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2}
        template |= {"containers": [main]}
        body = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {
                **{"completionMode": "Indexed", "completions": 1, "podReplacementPolicy": "Failed"},
                **{"template": {"spec": template}, **spec},
            },
        }
        return await self.cluster.create(JOBS, body, self.namespace)

    async def pods(self) -> list[Object]:
        return [pod async for pod in self.cluster.list(PODS, self.namespace)]

    async def status(self, name: str = "work") -> Object:
        return (await self.cluster.get(JOBS, name, self.namespace)).get("status", {})

    async def until(self, check: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
        """Wait until the check returns something true; return that."""
        end = time.monotonic() + seconds
        while not (found := await check()):
            if time.monotonic() > end:
                logs = {p.name: p.read_text()[-1500:] for p in self.processes.root.glob("*.log")}
                raise AssertionError(f"not within {seconds} s; pods {await self.pods()}; {logs}")
            await asyncio.sleep(0.1)
        return found

    async def ended(self, name: str = "work", seconds: float = 60) -> Object:
        """Wait for Complete or Failed; return the status."""

        async def check() -> Object | None:
            status = await self.status(name)
            return status if condition(status, "Complete") or condition(status, "Failed") else None

        return await self.until(check, seconds)

    async def running(self, count: int = 1) -> list[Object]:
        """Wait until this number of pods run; return them."""

        async def check() -> list[Object] | None:
            found = [pod for pod in await self.pods() if pod["status"].get("phase") == "Running"]
            return found if len(found) == count else None

        return await self.until(check)

    def gate(self) -> tuple[Path, str]:
        """Return a file and a script that runs until it exists, so that a test sees the pods."""
        mark = self.processes.root / f"go-{self.namespace}"
        return mark, f"until [ -e {mark} ]; do sleep 0.1; done"

    def folder(self, pod: Object) -> Path:
        return self.processes.agent_dir / "pods" / pod["metadata"]["uid"]

    def log(self, pod: Object) -> str:
        return (self.folder(pod) / "main.log").read_text()


def condition(status: Object, kind: str) -> Object | None:
    conditions = status.get("conditions") or []
    return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)


@pytest.fixture(name="condition")
def _condition() -> Callable[[Object, str], Object | None]:
    return condition


BENCHES = [
    pytest.param("embedded", marks=pytest.mark.embedded),
    pytest.param("real", marks=pytest.mark.controlplane),
]


@pytest.fixture(scope="session", params=BENCHES)
def processes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Processes]:
    real = request.param == "real"
    if real and not REAL.exists():
        pytest.skip("no real control plane available")
    found = Processes(tmp_path_factory.mktemp(request.param), real)
    try:
        found.up()
        yield found
    finally:
        found.down()


@pytest.fixture
async def bench(processes: Processes) -> AsyncIterator[Bench]:
    cluster = await Cluster.connect(str(processes.kubeconfig))
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await cluster.create(NAMESPACES, body)
    if processes.real:  # the API server refuses pods until this account exists
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        for _ in range(100):
            with suppress(Exception):
                await cluster.request("GET", path)
                break
            await asyncio.sleep(0.05)
    yield Bench(processes, cluster, namespace)
    await cluster.delete(NAMESPACES, namespace)
    await cluster.close()
