"""Start everything in order, keep it running, stop the control plane last."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import httpx2

from simulacra_crds.cluster import Cluster
from simulacra_crds.webhook import ALLOW_PRIVATE_VARIABLE
from simulacra_embedded.supervisor import bootstrap
from simulacra_embedded.supervisor.child import Child, Probe
from simulacra_embedded.supervisor.datadir import HOST, DataDir

CLIENT_STOP_SECONDS = 7.0
"""For everything that talks to the control plane: kopf takes 5 s, a pod gets 3 s of the node agent."""
PLANE_STOP_SECONDS = 4.0


def say(text: str) -> None:
    """Tell the user, on stderr."""
    sys.stderr.write(f"simulacra: {text}\n")


class Supervisor:
    """All programs over one data directory."""

    def __init__(self, data: DataDir, port: int | None) -> None:
        self._data = data
        if killed := data.kill_survivors():
            say(f"killed {killed} processes that outlived an earlier run")
        ports = data.ports(port)
        self.api_url = f"http://{HOST}:{ports['api']}"
        listen = f"{HOST}:{ports['operator']}"
        operator = {"SIMULACRA_OPERATOR_LISTEN": listen, "SIMULACRA_OPERATOR_IDENTITY": "embedded"}
        self._env = os.environ | data.environment | operator | {"PYTHONUNBUFFERED": "1"}
        self._env.setdefault("LOGNAME", "simulacra")  # kopf asks for a user name, which not every uid has
        self._env.setdefault(ALLOW_PRIVATE_VARIABLE, "true")  # the only tenant is who runs the machine
        for name, file in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
            self._env.setdefault(name, str(Path.home() / ".aws" / file))  # a pod has another home
        root = ["--data-dir", str(data.path)]
        ready = f"http://{listen}/readyz"
        plane_port = ("--port", str(ports["controlplane"]))
        self._plane = self._child("control plane", "simulacra_embedded.controlplane", *root, *plane_port)
        self._rest = [
            self._child("Job controller", "simulacra_embedded.jobs"),
            self._child("node agent", "simulacra_embedded.node", *root, "--bind"),
            self._child("operator", "simulacra_operator", probe=lambda: _answers(ready)),
            self._child("API", "simulacra_api", "--port", str(ports["api"])),
        ]

    def _child(self, name: str, module: str, *arguments: str, probe: Probe | None = None) -> Child:
        short = module.removeprefix("simulacra_").removeprefix("embedded.")
        log, pid_file = self._data.log(short), self._data.pid_file(short)
        return Child(name, ["-m", module, *arguments], self._env, log, pid_file, say, probe)

    async def run(self) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP.

        Raises:
            UpError: A program does not start, or keeps dying.
        """
        stop = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(signum, _request_stop, stop)
        work, stopped = asyncio.ensure_future(self._start_and_keep()), asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            work.cancel()
            stopped.cancel()
            await self._stop_all()

    async def _start_and_keep(self) -> None:
        began = time.monotonic()
        await self._plane.start()
        cluster = await Cluster.connect(str(self._data.kubeconfig))
        await bootstrap.prepare(cluster, self._data, self.api_url)
        async with asyncio.TaskGroup() as group:
            for child in self._rest:
                group.create_task(child.start())
        await bootstrap.tenant_ready(cluster)
        await cluster.close()
        self._announce()
        say(f"the API answers at {self.api_url} ({time.monotonic() - began:.1f} s); Ctrl-C stops it")
        async with asyncio.TaskGroup() as group:
            for child in (self._plane, *self._rest):
                group.create_task(child.keep())

    def _announce(self) -> None:
        line = {
            "api_url": self.api_url,
            "kubeconfig": str(self._data.kubeconfig),
            "connection": str(self._data.connection),
            "pid": os.getpid(),
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    async def _stop_all(self) -> None:
        say("stopping")
        await asyncio.gather(*(child.stop(CLIENT_STOP_SECONDS) for child in self._rest))
        await self._plane.stop(PLANE_STOP_SECONDS)
        say("stopped")


def _request_stop(stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(130)  # asked twice: the kernel kills the programs with us
    stop.set()


async def _answers(url: str) -> bool:
    try:
        async with httpx2.AsyncClient(timeout=2.0) as client:
            return (await client.get(url)).is_success
    except httpx2.TransportError:
        return False
