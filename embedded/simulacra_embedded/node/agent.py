"""The node agent: watches the pods of this node, starts and ends their runners."""

import asyncio
import logging
import re
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from simulacra_crds.kube.client import PODS, Cluster, ClusterError
from simulacra_embedded.node import environment, registration
from simulacra_embedded.node.pod_dir import PodDir
from simulacra_embedded.node.runner import EVICTION_GRACE_SECONDS, Host, PodRunner
from simulacra_embedded.processes.forks import Forks
from simulacra_embedded.processes.program import announce_ready
from simulacra_trainer.kernel_cache import user_cache

Object = dict[str, Any]
TRAINER_IMAGE = re.compile(r"(.*/)?simulacra/trainer([-:@].*)?")
STOP_SECONDS = EVICTION_GRACE_SECONDS + 3.0
log = logging.getLogger("simulacra.node")


def refusal(pod: Object, images: frozenset[str]) -> tuple[str, str] | None:
    """Return reason and message if this node cannot run a pod as a local process."""
    spec = pod["spec"]
    image = spec["containers"][0]["image"]
    if not TRAINER_IMAGE.fullmatch(image) and image not in images:
        message = f"this node runs only simulacra/trainer images, as local processes; got {image}"
        return "ImageNotRunnable", message
    if len(spec["containers"]) > 1 or spec.get("initContainers"):
        return "NotSupported", "this node runs pods of exactly one container"
    if spec.get("restartPolicy") != "Never":
        return "NotSupported", "this node restarts no container; set restartPolicy Never"
    kinds = {kind for volume in spec.get("volumes") or [] for kind in volume if kind != "name"}
    if unknown := kinds - {"emptyDir", "projected"}:
        message = f"this node mounts no {', '.join(sorted(unknown))} volumes; use the environment"
        return "NotSupported", message
    return None


class NodeAgent:
    """Runs the pods bound to NODE_NAME.

    `root` is the data directory of this agent alone. `slots` pods run at once; more of them wait.
    With `bind`, pending pods are assigned to this node. `images` run besides the trainer's, by
    exact name.
    """

    def __init__(
        self, cluster: Cluster, root: Path, slots: int, bind: bool, images: frozenset[str]
    ) -> None:
        self._cluster = cluster
        self._root = root
        self._bind = bind
        self._images = images
        cache = user_cache()
        forks = Forks("simulacra_embedded.node.preloaded", environment.of_imports(cache))
        self._host = Host(cluster, root, cache, asyncio.Semaphore(slots), forks)
        self._runners: dict[str, PodRunner] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._inherited: set[str] = set()

    async def run(self) -> None:
        """Register, kill the processes of an earlier agent, and run pods until cancelled."""
        for path in (self._root, self._root / "pods", self._host.cache):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in PodDir.all(self._root):
            self._inherited.add(folder.uid)
            if count := folder.kill_survivors():
                log.warning("survivors killed pod=%s processes=%d", folder.uid, count)
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
                for folder in PodDir.all(self._root):
                    if folder.uid not in seen:
                        folder.remove()
            elif change == "DELETED":
                seen.discard(pod["metadata"]["uid"])
                self._forget(pod["metadata"]["uid"])
            else:
                seen.add(pod["metadata"]["uid"])
                self._handle(pod)

    def _handle(self, pod: Object) -> None:
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
            log.info("pod of an earlier agent found pod=%s", uid)
            work = runner.settle()
        elif why := refusal(pod, self._images):
            work = runner.refuse(*why)
        else:
            meta = pod["metadata"]
            log.info(
                "pod accepted pod=%s namespace=%s name=%s", uid, meta["namespace"], meta["name"]
            )
            work = runner.run()
        self._spawn(self._guard(runner, work))

    async def _guard(self, runner: PodRunner, work: Coroutine[Any, Any, None]) -> None:
        """Do the work of a runner; an unexpected error fails the pod."""
        try:
            await work
        except Exception:
            log.exception("runner failed pod=%s", runner.folder.uid)
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
        """End the process of a deleted pod and remove its files."""
        folder = PodDir(self._root, uid)
        self._inherited.discard(uid)
        if runner := self._runners.get(uid):
            runner.end(0)
        folder.remove()

    async def _watch_unbound(self) -> None:
        async for change, pod in self._cluster.watch(PODS, fields="spec.nodeName="):
            if change in ("ADDED", "MODIFIED") and not pod["metadata"].get("deletionTimestamp"):
                meta = pod["metadata"]
                node = {"nodeName": registration.NODE_NAME}
                patch = {"metadata": {"uid": meta["uid"]}, "spec": node}
                with suppress(ClusterError):  # the pod has changed: another event follows
                    await self._cluster.patch(PODS, meta["name"], patch, meta["namespace"])

    async def _evict_all(self) -> None:
        for runner in self._runners.values():
            runner.end(EVICTION_GRACE_SECONDS, evicted=True)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
