"""Deletion: asked of the control plane, done by the resource's finalizer, waited for as long as a caller may."""

from __future__ import annotations

import asyncio
import time

from fastapi import Response

from simulacra_api.tenancy.audit import record
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.kube.client import ApiResource
from simulacra_custody.audit.event import EventType

POLL_SECONDS = 0.1


async def delete(
    repository: TenantRepository,
    resource: ApiResource,
    target: Dataset | GenerationJob | EffectEstimate,
    path: str,
) -> Response:
    """Delete a resource: 204 when it is gone within the wait, else 202 with where to poll until
    404.

    The record comes first: what cannot be recorded is not deleted.
    """
    name, uid, namespace = target.metadata.name, target.metadata.uid, repository.caller.namespace
    cluster = repository.services.cluster
    if target.metadata.deletion_timestamp is None:
        data = repository.caller.audit_data(kind=resource.plural, uid=uid)
        await record(repository.services.audit, EventType.RESOURCE_DELETED, data)
        await cluster.delete(resource, name, namespace, uid=uid)
    deadline, pause = (
        time.monotonic() + repository.services.settings.delete_wait_seconds,
        POLL_SECONDS,
    )
    while True:
        found = await cluster.find(resource, name, namespace)
        if found is None or found["metadata"]["uid"] != uid:
            await repository.services.cache.settle()
            return Response(status_code=204)
        if time.monotonic() >= deadline:
            await repository.services.cache.settle()
            return Response(status_code=202, headers={"Location": path, "Retry-After": "2"})
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 1.0)
