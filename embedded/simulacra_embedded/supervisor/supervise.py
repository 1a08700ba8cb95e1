"""Supervisor of the five programs: start in order, keep running, stop the control plane last."""

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx2

from simulacra_crds.kube.client import Cluster
from simulacra_crds.webhook import ALLOW_PRIVATE_VARIABLE
from simulacra_embedded.processes import session
from simulacra_embedded.processes.child import spawn
from simulacra_embedded.processes.files import LogFile
from simulacra_embedded.processes.forks import Forks
from simulacra_embedded.supervisor import bootstrap
from simulacra_embedded.supervisor.datadir import HOST, DataDir
from simulacra_embedded.supervisor.login import login_link
from simulacra_embedded.supervisor.supervised_process import Probe, SupervisedProcess
from simulacra_embedded.supervisor.swap import unencrypted_swap
from simulacra_trainer.kernel_cache import (
    CACHE_VARIABLE,
    COMPILE_AHEAD,
    compiler_environment,
    is_cold,
    user_cache,
)

CLIENT_STOP_SECONDS = 7.0
"""For each client of the control plane: kopf takes 5 s, the node agent gives a pod 3 s."""
CONTROL_PLANE_STOP_SECONDS = 4.0


def say(text: str) -> None:
    """Print a line for the user on stderr."""
    sys.stderr.write(f"simulacra: {text}\n")


class Supervisor:
    """The programs of one data directory."""

    def __init__(self, data: DataDir, port: int | None, forks: Forks) -> None:
        self._data, self._forks = data, forks
        if killed := data.kill_survivors():
            say(f"killed {killed} processes of an earlier run")
        if swap := unencrypted_swap():
            say(
                f"warning: swap on {', '.join(swap)} is not encrypted, and may keep rows and keys. "
                "Turn it off (swapoff -a) or encrypt it."
            )
        ports = data.ports(port)
        self.api_url = f"http://{HOST}:{ports['api']}"
        listen = f"{HOST}:{ports['operator']}"
        self._env = self._environment(listen)
        root = ["--data-dir", str(data.path)]
        ready = f"http://{listen}/readyz"
        plane_port = ("--port", str(ports["controlplane"]))
        self._control_plane = self._program(
            "control plane", "simulacra_controlplane", *root, *plane_port
        )
        self._clients = [
            self._program("Job controller", "simulacra_embedded.jobs"),
            self._program("node agent", "simulacra_embedded.node", *root, "--bind"),
            self._program("operator", "simulacra_operator", probe=lambda: _answers(ready)),
            self._program("API", "simulacra_api", "--port", str(ports["api"])),
        ]

    def _environment(self, operator_listen: str) -> dict[str, str]:
        operator = {
            "SIMULACRA_OPERATOR_LISTEN": operator_listen,
            "SIMULACRA_OPERATOR_IDENTITY": "embedded",
            "SIMULACRA_CANARY_FILES": self._data.canary_files,
        }
        aws = Path.home() / ".aws"  # a pod has another home
        defaults = {
            "LOGNAME": "simulacra",  # kopf needs a user name, which not every uid has
            ALLOW_PRIVATE_VARIABLE: "true",  # the only tenant is the user of this machine
            "AWS_CONFIG_FILE": str(aws / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(aws / "credentials"),
        }
        return defaults | os.environ | self._data.environment | operator

    def _program(
        self, name: str, module: str, *arguments: str, probe: Probe | None = None
    ) -> SupervisedProcess:
        short = module.removeprefix("simulacra_").removeprefix("embedded.")
        log = self._data.log(short)
        pid_file = self._data.pid_file(short)
        begin = partial(self._forks.start, module, arguments, self._env, Path())
        return SupervisedProcess(name, begin, log, pid_file, say, probe)

    async def run(self) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP.

        Raises:
            UpError: A program does not start, or keeps ending.
        """
        stop = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(signum, _request_stop, stop)
        work = asyncio.ensure_future(self._start_and_keep())
        stopped = asyncio.ensure_future(stop.wait())
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
        await self._control_plane.start()
        cluster = await Cluster.connect(str(self._data.kubeconfig))
        await bootstrap.prepare(cluster, self._data, self.api_url)
        async with asyncio.TaskGroup() as group:
            for program in self._clients:
                group.create_task(program.start())
        await bootstrap.wait_for_tenant(cluster)
        await cluster.close()
        self._announce()
        seconds = time.monotonic() - began
        say(f"ready after {seconds:.1f} s. Ctrl-C stops it.")
        say(await self._how_to_sign_in())
        say("in another terminal: simulacra run FILE --rows 2000 -o rows.csv")
        async with asyncio.TaskGroup() as group:
            for program in (self._control_plane, *self._clients):
                group.create_task(program.keep())
            group.create_task(self._compile_ahead())

    async def _compile_ahead(self) -> None:
        """Compile what pods run, while the user looks for a table; once for each installation."""
        env = compiler_environment() | {CACHE_VARIABLE: str(user_cache())}
        if not is_cold(env):
            return
        command = [*COMPILE_AHEAD, str(os.getpid())]
        with suppress(OSError):  # then a fit compiles
            log = LogFile(self._data.log("compile_ahead"))
            process, output = await spawn(command, env, None, log.write)
            try:
                await process.wait()
            finally:
                session.kill(process.pid, signal.SIGKILL)
                await output  # which ends with its last writer
                log.close()

    async def _how_to_sign_in(self) -> str:
        """Return a sentence with a login link, on a terminal only: a log must not hold a code."""
        known = json.loads(self._data.connection.read_text())
        link = await login_link(known) if sys.stderr.isatty() else None
        if link is None:
            return f"console: {self.api_url}/console; `simulacra console` prints a login link"
        return f"open the console, signed in (once, within 5 minutes):\n  {link}"

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
        await asyncio.gather(*(program.stop(CLIENT_STOP_SECONDS) for program in self._clients))
        await self._control_plane.stop(CONTROL_PLANE_STOP_SECONDS)
        say("stopped")


def _request_stop(stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(130)  # a second signal: the kernel kills the programs with this process
    stop.set()


async def _answers(url: str) -> bool:
    try:
        async with httpx2.AsyncClient(timeout=2.0) as client:
            return (await client.get(url)).is_success
    except httpx2.TransportError:
        return False
