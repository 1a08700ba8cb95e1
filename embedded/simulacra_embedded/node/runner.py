"""The runner of one pod, from its binding to its end."""

import asyncio
import logging
import os
import socket
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from simulacra_crds.kube.client import PODS, Cluster, ClusterError, Conflict, NotFound, Unavailable
from simulacra_embedded.node import environment, resources, status
from simulacra_embedded.node.pod_dir import PodDir
from simulacra_embedded.node.process import ContainerProcess, Termination
from simulacra_embedded.node.registration import HOST_IP
from simulacra_embedded.processes.forks import Forks

Object = dict[str, Any]
T = TypeVar("T")
CONFIG_RETRY_SECONDS = 10.0
EVICTION_GRACE_SECONDS = 3.0
"""The grace of pods when the agent itself stops."""
log = logging.getLogger("simulacra.node")


@dataclass
class Host:
    """What the pods of one agent share: API, data directory, compile cache, slots, imports."""

    cluster: Cluster
    root: Path
    cache: Path
    slots: asyncio.Semaphore
    forks: Forks
    running: int = 0
    rendezvous_ports: dict[str, int] = field(default_factory=dict)
    """By uid of a Job with a worker group: the port on which the workers meet."""

    def rendezvous_port(self, job: str) -> int:
        """Return the port of a Job's worker group; it stays the same while this agent runs."""
        if job not in self.rendezvous_ports:
            with socket.socket() as probe:
                probe.bind((HOST_IP, 0))
                self.rendezvous_ports[job] = probe.getsockname()[1]
        return self.rendezvous_ports[job]


class PodRunner:
    """Runs one pod: `run` until its end, or until `end` is called."""

    def __init__(self, host: Host, pod: Object) -> None:
        self._host = host
        self._pod = pod
        self._container: Object = pod["spec"]["containers"][0]
        self._status = status.PodStatus(pod)
        self._ending = asyncio.Event()
        self._grace = 0.0
        self._evicted = False
        self.folder = PodDir(host.root, pod["metadata"]["uid"])

    def end(self, grace: float, *, evicted: bool = False) -> None:
        """End the pod: SIGTERM now, SIGKILL after `grace` seconds.

        evicted: Whether the reason is this node, not the pod's deletion.
        """
        self._grace = grace
        self._evicted = evicted
        self._ending.set()

    async def run(self) -> None:
        """Wait for a slot, run the container, publish each status.

        Followers of a worker group need no slot: waiting for one, they would block the first.
        """
        slots = asyncio.Semaphore() if environment.is_follower(self._pod) else self._host.slots
        if not await self._unless_ending(slots.acquire()):
            return await self._conclude(None)
        self._host.running += 1
        try:
            ended = await self._run_container()
        finally:
            self._host.running -= 1
            slots.release()
        await self._conclude(ended)

    async def _run_container(self) -> Termination | None:
        """Run the container to its end; None if `end` was called before its start."""
        started = datetime.now(UTC)
        try:
            process = await self._launch()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            message = f"cannot start the container: {why}"
            return Termination(128, "StartError", started, datetime.now(UTC), message)
        return await self._follow(process) if process else None

    async def _launch(self) -> ContainerProcess | None:
        self.folder.prepare()
        if (env := await self._environment()) is None:
            return None
        memory = resources.amount(self._container, "memory", "limits")
        path = self.folder.path / f"{self._container['name']}.log"
        command = environment.command(self._container, env)
        process = await ContainerProcess.start(
            command, env, self.folder.tmp, path, memory, self._host.forks
        )
        try:
            self.folder.record_process(process.pid)
        except OSError:  # without a record, it could outlive a crash
            await process.stop(0)
            raise
        return process

    async def _follow(self, process: ContainerProcess) -> Termination:
        waiter = asyncio.ensure_future(process.wait())
        running = self._status.build("Running", status.running(process.started))
        announce = asyncio.ensure_future(self._publish(running))
        if await self._unless_ending(asyncio.shield(waiter)) is None:
            await process.stop(self._grace)
        ended = await waiter
        await announce  # statuses must stay in order
        self.folder.remove_tmp()
        return replace(ended, message=self.folder.message())

    async def _environment(self) -> dict[str, str] | None:
        host = self._host
        workers = resources.threads(self._container, host.running, os.cpu_count() or 1)
        while not self._ending.is_set():
            try:
                env = await environment.resolve(
                    host.cluster, self._pod, self.folder, host.cache, workers
                )
                if job := environment.worker_group(self._pod):
                    env |= environment.rendezvous(host.rendezvous_port(job))
                return env
            except (environment.ConfigError, ClusterError) as error:
                state = status.waiting("CreateContainerConfigError", str(error))
                await self._publish(self._status.build("Pending", state))
                await self._unless_ending(asyncio.sleep(CONFIG_RETRY_SECONDS))
        return None

    async def _unless_ending(self, work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T | None:
        """Return the result of the work; None, and cancel the work, as soon as `end` is called."""
        task = asyncio.ensure_future(work)
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait((task, ending), return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            for future in (task, ending):
                future.cancel()

    async def _conclude(self, ended: Termination | None) -> None:
        """Publish the final status, and remove a deleted pod from the API."""
        if ended is None and self._evicted:
            return self.folder.remove()  # never started: the next agent runs it
        phase = "Succeeded" if ended and ended.exit_code == 0 else "Failed"
        if ended:
            state = status.terminated(ended)
        else:
            state = status.terminated(_unknown("deleted before it started"))
        disrupted = self._evicted and phase == "Failed"
        await self._finish(self._status.build(phase, state, disrupted=disrupted))

    async def _finish(self, final: Object) -> None:
        if self.folder.exists:
            self.folder.record_final(final)
        await self._publish(final)
        if self._ending.is_set() and not self._evicted:
            meta = self._pod["metadata"]
            await self._host.cluster.delete(
                PODS, meta["name"], meta["namespace"], uid=meta["uid"], grace=0
            )

    async def refuse(self, reason: str, message: str) -> None:
        """Fail the pod without running it."""
        await self._publish(self._status.refused(reason, message))

    async def settle(self) -> None:
        """Publish the end of an earlier agent's pod: the stored status, or else a disruption."""
        lost = status.terminated(_unknown(status.DISRUPTED[1]))
        final = self.folder.final() or self._status.build("Failed", lost, disrupted=True)
        self.folder.remove_tmp()
        await self._finish(final)

    async def _publish(self, new: Object) -> None:
        """Write the status; retry while the API server does not answer."""
        meta = self._pod["metadata"]
        pause = 0.1
        while True:
            try:
                patch = {"metadata": {"uid": meta["uid"]}, "status": new}
                await self._host.cluster.patch(
                    PODS, meta["name"], patch, meta["namespace"], subresource="status"
                )
                return
            except (NotFound, Conflict):
                return  # this pod was deleted
            except Unavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, 5.0)


def _unknown(message: str) -> Termination:
    now = datetime.now(UTC)
    return Termination(137, "ContainerStatusUnknown", now, now, message)
