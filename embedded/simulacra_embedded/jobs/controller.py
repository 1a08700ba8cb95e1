"""The Job controller: a work queue, fresh reads before each `reconcile`, writes after it."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster
from simulacra_embedded.jobs import pods
from simulacra_embedded.jobs.reconcile import Plan, reconcile
from simulacra_embedded.processes.program import announce_ready

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name of a Job."""
CONTROLLER = "kubernetes.io/job-controller"
WORKERS = 4
RETRY_SECONDS = 1.0
log = logging.getLogger("simulacra.jobs")


class JobController:
    """Runs every Job of the cluster whose `managedBy` is this controller or absent."""

    def __init__(self, cluster: Cluster, backoff: timedelta) -> None:
        self._cluster = cluster
        self._backoff = backoff
        self._queue: asyncio.Queue[Key] = asyncio.Queue()
        self._queued: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._deleted: dict[str, dict[str, Object]] = {}
        """By uid of a live Job: its ended pods whose deletion this process has seen."""
        self._existing: dict[str, set[str]] = {}
        """By uid of a Job: its pods whose deletion this process has not seen."""
        self._ready = False
        self._busy: dict[Key, asyncio.Lock] = {}

    async def run(self) -> None:
        """Watch and reconcile until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_jobs())
            group.create_task(self._watch_pods())
            for _ in range(WORKERS):
                group.create_task(self._work())

    def _enqueue(self, key: Key) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key not in self._queued:
            self._queued.add(key)
            self._queue.put_nowait(key)

    def _enqueue_later(self, key: Key, seconds: float) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(max(seconds, 0.0), self._enqueue, key)

    async def _watch_jobs(self) -> None:
        async for change, job in self._cluster.watch(kube.JOBS):
            if change == "BOOKMARK":
                if not self._ready:
                    announce_ready()
                self._ready = True
                continue
            key = (job["metadata"]["namespace"], job["metadata"]["name"])
            if change == "DELETED":
                self._forget(key, job["metadata"]["uid"])
            elif job["spec"].get("managedBy", CONTROLLER) == CONTROLLER:
                self._deleted.setdefault(job["metadata"]["uid"], {})
                self._enqueue(key)

    def _forget(self, key: Key, uid: str) -> None:
        self._deleted.pop(uid, None)
        if timer := self._timers.pop(key, None):
            timer.cancel()

    async def _watch_pods(self) -> None:
        async for change, pod in self._cluster.watch(kube.PODS, labels=pods.JOB_NAME):
            if change == "BOOKMARK":
                continue
            meta = pod["metadata"]
            owner = meta["labels"].get(pods.JOB_UID, "")
            existing = self._existing.setdefault(owner, set())
            if change != "DELETED":
                existing.add(meta["uid"])
            else:
                existing.discard(meta["uid"])
                if not existing:
                    del self._existing[owner]
                if pods.is_finished(pod) and owner in self._deleted:
                    self._deleted[owner][meta["uid"]] = pod
            self._enqueue((meta["namespace"], meta["labels"][pods.JOB_NAME]))

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            self._queued.discard(key)
            with self._retry(key):
                async with self._busy.setdefault(key, asyncio.Lock()):
                    await self._sync(key)

    @contextmanager
    def _retry(self, key: Key) -> Iterator[None]:
        try:
            yield
        except (kube.Conflict, kube.AlreadyExists, kube.NotFound):
            self._enqueue_later(key, 0.05)  # something changed between read and write
        except kube.ClusterError as error:
            what = "job sync failed, retrying namespace=%s name=%s status=%s reason=%s"
            log.warning(what, *key, error.status, error.reason)
            self._enqueue_later(key, RETRY_SECONDS)

    async def _sync(self, key: Key) -> None:
        namespace, name = key
        job = await self._cluster.find(kube.JOBS, name, namespace)
        if job is None:
            self._busy.pop(key, None)
            return
        uid = job["metadata"]["uid"]
        listing = self._cluster.list(kube.PODS, namespace, labels=f"{pods.JOB_UID}={uid}")
        owned = {pod["metadata"]["uid"]: pod async for pod in listing}
        if not self._existing.get(uid, set()) <= owned.keys():
            return  # a pod was deleted: its last state comes with its event, later than the list
        now = datetime.now(UTC)
        known = self._deleted.get(uid, {}) | owned
        plan = reconcile(job, list(known.values()), now, self._backoff)
        await self._apply(job, plan)
        if plan.wake:
            self._enqueue_later(key, (plan.wake - datetime.now(UTC)).total_seconds() + 0.01)

    async def _apply(self, job: Object, plan: Plan) -> None:
        namespace, name, uid = (job["metadata"][field] for field in ("namespace", "name", "uid"))
        for pod in plan.delete:
            await self._delete(pod, plan.release)
        try:
            for pod in plan.create:
                await self._cluster.create(kube.PODS, pod, namespace)
        except kube.NotFound:  # the namespace was deleted
            return
        if plan.status != (job.get("status") or {}):
            dropped = {key: None for key in job.get("status") or {} if key not in plan.status}
            patch = {
                "metadata": {"uid": uid, "resourceVersion": job["metadata"]["resourceVersion"]},
                "status": plan.status | dropped,
            }
            await self._cluster.patch(kube.JOBS, name, patch, namespace, subresource="status")

    async def _delete(self, pod: Object, release: bool) -> None:
        meta = pod["metadata"]
        if release:
            mark = {"metadata": {"uid": meta["uid"], "annotations": {pods.RELEASED: "true"}}}
            await self._cluster.patch(kube.PODS, meta["name"], mark, meta["namespace"])
        await self._cluster.delete(kube.PODS, meta["name"], meta["namespace"], uid=meta["uid"])
