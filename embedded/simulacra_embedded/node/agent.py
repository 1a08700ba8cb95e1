"""The node: which pods are ours, which run, which are to end."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from simulacra_crds.kube.client import PODS, Cluster, ClusterError
from simulacra_embedded.node import registration
from simulacra_embedded.node.pod_dir import PodFolder
from simulacra_embedded.node.runner import EVICTION_GRACE_SECONDS, Host, PodRunner
from simulacra_embedded.processes import announce_ready

Object = dict[str, Any]
TRAINER_IMAGE = re.compile(r"(.*/)?simulacra/trainer([-:@].*)?")
STOP_SECONDS = EVICTION_GRACE_SECONDS + 3.0
log = logging.getLogger("simulacra.node")


def compiled_code() -> Path:
    """Return the user's own cache folder: a new data directory must not cost half a minute of compiling again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simulacra" / "numba"


def objection(pod: Object, images: frozenset[str]) -> tuple[str, str] | None:
    """Return reason and message if a pod cannot be run as a local process here."""
    spec = pod["spec"]
    image = spec["containers"][0]["image"]
    if not TRAINER_IMAGE.fullmatch(image) and image not in images:
        return (
            "ImageNotRunnable",
            f"this node runs only simulacra/trainer images, as local processes; got {image}",
        )
    if len(spec["containers"]) > 1 or spec.get("initContainers"):
        return "NotSupported", "this node runs pods of exactly one container"
    kinds = {kind for volume in spec.get("volumes") or [] for kind in volume if kind != "name"}
    if unknown := kinds - {"emptyDir", "projected"}:
        return (
            "NotSupported",
            f"this node mounts no volumes ({', '.join(sorted(unknown))}); use the environment",
        )
    return None


class NodeAgent:
    """Runs the pods bound to NODE_NAME.

    Args:
        cluster: The API server.
        root: Data directory, the agent's alone.
        slots: Pods that run at once; further ones wait.
        bind: Whether to assign pending pods to this node.
        images: Images to run besides the trainer's, by exact name.
    """

    def __init__(
        self, cluster: Cluster, root: Path, slots: int, bind: bool, images: frozenset[str]
    ) -> None:
        self._cluster, self._root, self._bind, self._images = cluster, root, bind, images
        self._host = Host(cluster, root, compiled_code(), asyncio.Semaphore(slots))
        self._runners: dict[str, PodRunner] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._inherited: set[str] = set()

    async def run(self) -> None:
        """Register, settle what an earlier agent left, then run pods until cancelled."""
        for path in (self._root, self._root / "pods", self._host.cache):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in PodFolder.all(self._root):
            self._inherited.add(folder.uid)
            if count := folder.kill_survivors():
                log.warning(
                    "pod %s: killed %d processes that outlived an earlier agent", folder.uid, count
                )
        await registration.register(self._cluster)
        announce_ready()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(registration.heartbeat(self._cluster))
                group.create_task(self._watch_own())
                if self._bind:
                    group.create_task(self._watch_unbound())
        finally:
            await self._evict_all()

    async def _watch_own(self) -> None:
        seen: set[str] = set()
        selector = f"spec.nodeName={registration.NODE_NAME}"
        async for change, pod in self._cluster.watch(PODS, fields=selector):
            if change == "BOOKMARK":
                for folder in PodFolder.all(self._root):
                    if folder.uid not in seen:
                        folder.remove()
            elif change == "DELETED":
                seen.discard(pod["metadata"]["uid"])
                self._forget(pod["metadata"]["uid"])
            else:
                seen.add(pod["metadata"]["uid"])
                self._see(pod)

    def _see(self, pod: Object) -> None:
        meta = pod["metadata"]
        uid, deleted = meta["uid"], meta.get("deletionTimestamp")
        phase = (pod.get("status") or {}).get("phase", "Pending")
        if runner := self._runners.get(uid):
            if deleted:
                runner.end(float(meta.get("deletionGracePeriodSeconds") or 0))
        elif phase in ("Succeeded", "Failed"):
            if deleted:
                self._spawn(self._delete(pod))
        else:
            self._start(pod, deleted=bool(deleted), running=phase != "Pending")

    def _start(self, pod: Object, *, deleted: bool, running: bool) -> None:
        uid = pod["metadata"]["uid"]
        runner = self._runners[uid] = PodRunner(self._host, pod)
        if deleted:
            runner.end(0)
        if uid in self._inherited or running:
            log.info("pod %s: was started by an earlier agent", uid)
            work = runner.settle()
        elif why := objection(pod, self._images):
            work = runner.refuse(*why)
        else:
            log.info("pod %s: %s/%s", uid, pod["metadata"]["namespace"], pod["metadata"]["name"])
            work = runner.run()
        self._spawn(self._guard(runner, work))

    async def _guard(self, runner: PodRunner, work: Coroutine[Any, Any, None]) -> None:
        """Do the work; a fault in it fails the pod instead of leaving it as if it ran."""
        try:
            await work
        except Exception:
            log.exception("pod %s", runner.folder.uid)
            await runner.refuse("NodeAgentError", "the node agent failed on this pod; see its log")
        finally:
            self._runners.pop(runner.folder.uid, None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _delete(self, pod: Object) -> None:
        meta = pod["metadata"]
        await self._cluster.delete(PODS, meta["name"], meta["namespace"], uid=meta["uid"], grace=0)

    def _forget(self, uid: str) -> None:
        """The pod is off the API: end what runs of it, remove its files."""
        folder = PodFolder(self._root, uid)
        self._inherited.discard(uid)
        if runner := self._runners.get(uid):
            runner.end(0)
        folder.remove()

    async def _watch_unbound(self) -> None:
        async for change, pod in self._cluster.watch(PODS, fields="spec.nodeName="):
            if change in ("ADDED", "MODIFIED") and not pod["metadata"].get("deletionTimestamp"):
                meta = pod["metadata"]
                patch = {
                    "metadata": {"uid": meta["uid"]},
                    "spec": {"nodeName": registration.NODE_NAME},
                }
                with suppress(ClusterError):  # it changed meanwhile: another event follows
                    await self._cluster.patch(PODS, meta["name"], patch, meta["namespace"])

    async def _evict_all(self) -> None:
        for runner in self._runners.values():
            runner.end(EVICTION_GRACE_SECONDS, evicted=True)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
