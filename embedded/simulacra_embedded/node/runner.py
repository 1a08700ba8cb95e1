"""One pod from binding to its end."""

from __future__ import annotations

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
from simulacra_embedded.node import environment, quantities, status
from simulacra_embedded.node.pod_dir import PodFolder
from simulacra_embedded.node.process import ContainerProcess, Ended

Object = dict[str, Any]
T = TypeVar("T")
RESTART_SECONDS = (10.0, 300.0)
"""First and longest pause before a container is restarted in place."""
CONFIG_RETRY_SECONDS = 10.0
EVICTION_GRACE_SECONDS = 3.0
"""What a pod gets when the agent itself is told to stop."""
log = logging.getLogger("simulacra.node")


@dataclass
class Host:
    """What pods of one agent share: API, data directory, compiled-code cache, slots and how many are taken."""

    cluster: Cluster
    root: Path
    cache: Path
    slots: asyncio.Semaphore
    running: int = 0
    meeting_points: dict[str, int] = field(default_factory=dict)
    """By uid of a Job whose pods talk to each other: the port of this machine at which they meet."""

    def meeting_point(self, job: str) -> int:
        """Return the port of a Job, the same as long as this agent runs."""
        if job not in self.meeting_points:
            with socket.socket() as probe:
                probe.bind((status.HOST_IP, 0))
                self.meeting_points[job] = probe.getsockname()[1]
        return self.meeting_points[job]


class PodRunner:
    """Runs one pod. `run` is the life; `end` shortens it."""

    def __init__(self, host: Host, pod: Object) -> None:
        self._host, self._pod = host, pod
        self._container: Object = pod["spec"]["containers"][0]
        self._status = status.PodStatus(pod)
        self._ending = asyncio.Event()
        self._grace = 0.0
        self._evicted = False
        self.folder = PodFolder(host.root, pod["metadata"]["uid"])

    def end(self, grace: float, *, evicted: bool = False) -> None:
        """Let the pod end: SIGTERM now, SIGKILL after `grace` seconds. `evicted`: for this node's sake."""
        self._grace, self._evicted = grace, evicted
        self._ending.set()

    async def run(self) -> None:
        """Wait for a slot, run the container (again and again if its policy says so), publish each change.

        Of pods that talk to each other only the first needs a slot: waiting for one, the others would hold it up.
        """
        slots = self._host.slots if not environment.follows(self._pod) else asyncio.Semaphore()
        if not await self._unless_ending(slots.acquire()):
            return await self._conclude(None)
        self._host.running += 1
        try:
            ended = await self._run_to_end()
        finally:
            self._host.running -= 1
            slots.release()
        await self._conclude(ended)

    async def _run_to_end(self) -> Ended | None:
        policy = self._pod["spec"].get("restartPolicy", "Always")
        pause = RESTART_SECONDS[0]
        while True:
            if (ended := await self._run_once()) is None or self._ending.is_set():
                return ended
            if policy == "Never" or (policy == "OnFailure" and ended.exit_code == 0):
                return ended
            self._status.restarted(ended)
            message = f"back-off {pause:.0f}s restarting failed container {self._container['name']}"
            await self._publish(
                self._status.build("Running", status.waiting("CrashLoopBackOff", message))
            )
            await self._unless_ending(asyncio.sleep(pause, True))
            if self._ending.is_set():
                return ended
            pause = min(2 * pause, RESTART_SECONDS[1])

    async def _run_once(self) -> Ended | None:
        """Run the container once; None when it was told to end before it started."""
        started = datetime.now(UTC)
        try:
            process = await self._launch()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            return Ended(
                128, "StartError", started, datetime.now(UTC), f"cannot start the container: {why}"
            )
        return await self._follow(process) if process else None

    async def _launch(self) -> ContainerProcess | None:
        self.folder.prepare()
        if (env := await self._environment()) is None:
            return None
        memory = quantities.resource(self._container, "memory", "limits")
        path = self.folder.path / f"{self._container['name']}.log"
        command = environment.command(self._container, env)
        process = await ContainerProcess.start(command, env, self.folder.tmp, path, memory)
        try:
            self.folder.record_process(process.pid)
        except OSError:  # unrecorded, it could outlive a crash
            await process.stop(0)
            raise
        return process

    async def _follow(self, process: ContainerProcess) -> Ended:
        waiter = asyncio.ensure_future(process.wait())
        announce = asyncio.ensure_future(
            self._publish(self._status.build("Running", status.running(process.started)))
        )
        if await self._unless_ending(asyncio.shield(waiter)) is None:
            await process.stop(self._grace)
        ended = await waiter
        await announce  # the order of statuses must hold
        self.folder.remove_tmp()
        message = self.folder.message()
        if (
            not message
            and ended.exit_code
            and self._container.get("terminationMessagePolicy", "File") != "File"
        ):
            message = self.folder.log_tail(self._container["name"])
        return replace(ended, message=message)

    async def _environment(self) -> dict[str, str] | None:
        host = self._host
        workers = environment.threads(self._container, host.running, os.cpu_count() or 1)
        while not self._ending.is_set():
            try:
                env = await environment.resolve(
                    host.cluster, self._pod, self.folder, host.cache, workers
                )
                job = environment.talks_within(self._pod)
                return (
                    env if job is None else env | environment.on_loopback(host.meeting_point(job))
                )
            except (environment.ConfigError, ClusterError) as error:
                state = status.waiting("CreateContainerConfigError", str(error))
                await self._publish(self._status.build("Pending", state))
                await self._unless_ending(asyncio.sleep(CONFIG_RETRY_SECONDS))
        return None

    async def _unless_ending(self, work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T | None:
        """Return the result of some work, or None as soon as the pod is to end (the work is cancelled)."""
        task, ending = asyncio.ensure_future(work), asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait((task, ending), return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            for future in (task, ending):
                future.cancel()

    async def _conclude(self, ended: Ended | None) -> None:
        """Publish the final status; take a deleted pod off the API."""
        if ended is None and self._evicted:
            return self.folder.remove()  # never started: the next agent runs it
        phase = "Succeeded" if ended and ended.exit_code == 0 else "Failed"
        if ended:
            state = status.terminated(ended)
        else:
            now = datetime.now(UTC)
            state = status.terminated(
                Ended(137, "ContainerStatusUnknown", now, now, "deleted before it started")
            )
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
        """Say how a pod ended that an earlier agent started: as that noted it, or as disrupted."""
        now = datetime.now(UTC)
        lost = Ended(137, "ContainerStatusUnknown", now, now, status.DISRUPTED[1])
        final = self.folder.final() or self._status.build(
            "Failed", status.terminated(lost), disrupted=True
        )
        self.folder.remove_tmp()
        await self._finish(final)

    async def _publish(self, new: Object) -> None:
        """Write the status, again and again while the API server does not answer."""
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
                return  # this incarnation of the pod is gone
            except Unavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, 5.0)
