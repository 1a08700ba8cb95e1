"""Reads the world around one resource from the API server.

The resource and its Job are read afresh in every pass; what many resources look at is up to half a second old, but
never older than the last event of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from simulacra_crds.contract.names import child_name
from simulacra_crds.contract.storage_usage import stored_bytes
from simulacra_crds.kinds.base import LABEL_DATASET, LABEL_UID
from simulacra_crds.kube.client import (
    DATASETS,
    EFFECT_ESTIMATES,
    GENERATION_JOBS,
    JOBS,
    MODELS,
    PODS,
    SERVICES,
    Cluster,
    Object,
)
from simulacra_operator.runtime.read_cache import SharedReads
from simulacra_operator.settings import Settings
from simulacra_operator.work.custom_resource import Key, Subject, parse, tenant_of
from simulacra_operator.work.jobs import LABEL_WORKERS
from simulacra_operator.work.observed import TASKS, Fault, Observed

RESULTS = (GENERATION_JOBS, EFFECT_ESTIMATES)


class WorkObserver:
    """Gathers the facts that the reconcilers of the four work kinds decide on."""

    def __init__(self, cluster: Cluster, settings: Settings, shared: SharedReads) -> None:
        self._cluster, self._settings, self._shared = cluster, settings, shared

    async def observe(self, key: Key, now: datetime, fault: Fault | None) -> Observed | None:
        """Return the facts about a resource, None when it is gone."""
        subject = await self._shared.find(key, fresh=True)
        if subject is None:
            return None
        name = child_name(key.name, subject.meta.uid, TASKS[key.kind])
        job = await self._cluster.find(JOBS, name, key.namespace)
        importing = job is None and _imports(subject)
        dataset, model = await self._ancestors(subject)
        return Observed(
            now=now,
            subject=subject,
            settings=self._settings,
            tenant=await self._find(
                "Tenant", tenant_of(key.namespace), None, fresh=subject.deleting or importing
            ),
            dataset=dataset,
            model=model,
            job=job,
            pods=await self._pods(subject, job),
            service=await self._service(job),
            dependants=tuple([one async for one in self._dependants(subject)])
            if subject.deleting
            else (),
            stored_bytes=await self._stored_bytes(key.namespace) if importing else 0,
            fault=fault,
        )

    async def _find(
        self, kind: str, name: str | None, namespace: str | None, *, fresh: bool
    ) -> Subject | None:
        return await self._shared.find(Key(kind, namespace, name), fresh=fresh) if name else None

    async def _stored_bytes(self, namespace: str | None) -> int:
        total = 0
        for resource in (DATASETS, MODELS, *RESULTS):
            async for body in self._cluster.list(resource, namespace):
                total += stored_bytes(body)
        return total

    async def _ancestors(self, subject: Subject) -> tuple[Subject | None, Subject | None]:
        """Return the Dataset of a Model, or the Model of a generation or an estimate."""
        if (
            subject.spec is None
            or subject.kind == "Dataset"
            or (subject.finished and not subject.deleting)
        ):
            return None, None
        namespace, fresh = subject.meta.namespace, subject.deleting
        if subject.kind == "Model":
            return await self._find(
                "Dataset", subject.spec.dataset_ref.name, namespace, fresh=fresh
            ), None
        return None, await self._find("Model", subject.spec.model_ref.name, namespace, fresh=fresh)

    async def _pods(self, subject: Subject, job: Object | None) -> tuple[Object, ...]:
        if job is None and not subject.deleting:
            return ()
        selector = f"{LABEL_UID}={subject.meta.uid}"
        return tuple(
            [pod async for pod in self._cluster.list(PODS, subject.meta.namespace, labels=selector)]
        )

    async def _service(self, job: Object | None) -> Object | None:
        """Return the Service of a Job's workers, unless it is that of an earlier Job of this name."""
        if job is None or LABEL_WORKERS not in job["metadata"].get("labels", {}):
            return None
        meta = job["metadata"]
        found = await self._cluster.find(SERVICES, meta["name"], meta["namespace"])
        owners = (found or {}).get("metadata", {}).get("ownerReferences") or ()
        return found if meta["uid"] in [one["uid"] for one in owners] else None

    async def _dependants(self, subject: Subject) -> AsyncIterator[Subject]:
        """Yield what must be looked at before a Dataset or a Model goes.

        Results of a Dataset are found by their label, since the Model that ties them to it may be gone already.
        """
        name, namespace = subject.meta.name, subject.meta.namespace
        if subject.kind == "Dataset":
            async for body in self._cluster.list(
                MODELS, namespace, fields=f"spec.datasetRef.name={name}"
            ):
                yield parse(body)
        elif subject.kind != "Model":
            return
        labels = f"{LABEL_DATASET}={name}" if subject.kind == "Dataset" else None
        fields = f"spec.modelRef.name={name}" if subject.kind == "Model" else None
        for resource in RESULTS:
            async for body in self._cluster.list(resource, namespace, labels=labels, fields=fields):
                yield parse(body)


def _imports(subject: Subject) -> bool:
    """Whether a Dataset is still to be read from an object: its tenant is asked afresh, since a refusal is final."""
    if subject.kind != "Dataset" or subject.spec is None or subject.deleting or subject.finished:
        return False
    return bool(subject.spec.source.type == "Object")
