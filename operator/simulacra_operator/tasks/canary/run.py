"""One run of the canary: a marked table is uploaded, fitted, asked for rows, and erased."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from simulacra_crds.kinds.base import FINALIZER, LABEL_DATASET, Phase
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import ApiResource, Cluster, Object
from simulacra_crds.names import tenant_namespace
from simulacra_crds.tasks import UPLOAD
from simulacra_custody.refs import ResourceRef
from simulacra_operator.observed.conditions import has_condition
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.tasks.canary.marks import GENERATED, Marks
from simulacra_operator.tasks.canary.record import LABEL, TENANT, is_canary

RETENTION_S = 3600
"""Should a run be interrupted and no other follow, its data expires."""
POLL_S = 2.0
QUOTAS = {
    "concurrentJobs": 1,
    "maxRowsPerGeneration": 1000,
    "maxUploadBytes": 1 << 20,
    "storedBytes": 64 << 20,
    "rowsPerDay": 1_000_000,
}


class CanaryFailed(Exception):
    """A run did not reach its end; the message is a constant."""


class CanaryRun:
    """One run. `run` may be cut off at any step: the next run erases what is left."""

    def __init__(self, cluster: Cluster, custody: CustodyClient, marks: Marks) -> None:
        self._cluster = cluster
        self._custody = custody
        self._marks = marks
        self._namespace = tenant_namespace(TENANT)

    async def run(self, *, expire: bool) -> None:
        """Live, and be erased by an expiry or a deletion; return when nothing is left.

        Raises:
            CanaryFailed: a step failed.
            ClusterError, CustodyError: a dependency failed.
        """
        await self._settle()
        dataset = await self._upload()
        model = await self._create("Model", {"datasetRef": {"name": dataset}})
        await self._until_done("Model", model["metadata"]["name"])
        generation = await self._generate(dataset, model)
        await self._until_done("GenerationJob", generation)
        await (self._expire() if expire else self._delete())
        await self._until(self._is_empty)

    async def _settle(self) -> None:
        """Create the tenant, and erase what a former run left."""
        labels = {LABEL: "true"}
        body = _body("Tenant", TENANT, {"quotas": QUOTAS, "maxRetentionSeconds": RETENTION_S})
        body["metadata"]["labels"] = labels
        if await self._cluster.find(kube.TENANTS, TENANT) is None:
            with suppress(kube.AlreadyExists):
                await self._cluster.create(kube.TENANTS, body)
        found = await self._cluster.get(kube.TENANTS, TENANT)
        if not is_canary(found):
            raise CanaryFailed(f"Tenant {TENANT} was not made by the canary: rename or delete it")
        await self._until(self._tenant_is_ready)
        await self._delete()
        await self._until(self._is_empty)

    async def _upload(self) -> str:
        made = await self._create("Dataset", {"retentionSeconds": RETENTION_S})
        meta, api = made["metadata"], kube.CUSTOM["Dataset"]
        ref = ResourceRef(TENANT, api.plural, meta["uid"])
        service, name = self._custody.service, str(meta["name"])
        key = await self._custody.run("newKey", service.new_resource_key, ref)
        status: Object = {"status": {"wrappedKey": key}}
        await self._cluster.patch(api, name, status, self._namespace, subresource="status")
        table = [self._marks.table()]
        stored = await self._custody.run(
            "writeUpload", service.write, ref.artifact(UPLOAD), key, table
        )
        source = {"spec": {"source": {"sha256": stored.sha256, "bytes": stored.bytes}}}
        await self._cluster.patch(api, name, source, self._namespace)
        return name

    async def _generate(self, dataset: str, model: Object) -> str:
        meta = model["metadata"]
        owner = {
            "apiVersion": kube.CUSTOM["Model"].api_version,
            "kind": "Model",
            "name": meta["name"],
        }
        owner |= {"uid": meta["uid"], "controller": True, "blockOwnerDeletion": True}
        spec = {
            "modelRef": {"name": meta["name"]},
            "rowCount": GENERATED,
            "conditions": self._marks.conditions(),
            "retentionSeconds": RETENTION_S,
        }
        made = await self._create(
            "GenerationJob", spec, labels={LABEL_DATASET: dataset}, ownerReferences=[owner]
        )
        return str(made["metadata"]["name"])

    async def _create(self, kind: str, spec: Object, **metadata: Any) -> Object:
        # The name has no mark: it is in logs, and should be.
        name = f"canary-{secrets.token_hex(8)}"
        body = _body(kind, name, spec)
        body["metadata"] |= metadata
        return await self._cluster.create(kube.CUSTOM[kind], body, self._namespace)

    async def _until_done(self, kind: str, name: str) -> None:
        async def done() -> bool:
            found = await self._cluster.get(kube.CUSTOM[kind], name, self._namespace)
            phase = found.get("status", {}).get("phase")
            if phase in (Phase.FAILED, Phase.PARTIAL):
                raise CanaryFailed(f"the {kind} failed")
            return bool(phase == Phase.READY)

        await self._until(done)

    async def _expire(self) -> None:
        """Shorten the retention of all that is left, so that it expires."""
        for api in kube.WORK_RESOURCES:
            if api.kind == "Model":
                continue
            async for body in self._cluster.list(api, self._namespace):
                patch: Object = {"spec": {"retentionSeconds": 10}}
                await self._cluster.patch(api, body["metadata"]["name"], patch, self._namespace)

    async def _delete(self) -> None:
        for api in kube.WORK_RESOURCES:
            async for body in self._cluster.list(api, self._namespace):
                meta = body["metadata"]
                if "deletionTimestamp" not in meta:
                    await self._cluster.delete(api, meta["name"], self._namespace, uid=meta["uid"])

    async def _is_empty(self) -> bool:
        kinds: tuple[ApiResource, ...] = (*kube.WORK_RESOURCES, kube.JOBS, kube.PODS)
        for api in kinds:
            async for _ in self._cluster.list(api, self._namespace):
                return False
        return True

    async def _tenant_is_ready(self) -> bool:
        return has_condition(await self._cluster.get(kube.TENANTS, TENANT), "Ready")

    async def _until(self, check: Callable[[], Awaitable[bool]]) -> None:
        while True:
            if await check():
                return
            await asyncio.sleep(POLL_S)


def _body(kind: str, name: str, spec: Object) -> Object:
    api = kube.CUSTOM[kind]
    metadata: Object = {"name": name, "finalizers": [FINALIZER]}
    return {"apiVersion": api.api_version, "kind": kind, "metadata": metadata, "spec": spec}
