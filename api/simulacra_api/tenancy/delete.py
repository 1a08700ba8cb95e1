"""Deletion: request it, wait for the finalizer to erase, answer 204 or 202."""

from __future__ import annotations

from fastapi import Response

from simulacra_api.tenancy.read_cache import poll
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.kube.client import CUSTOM
from simulacra_custody.audit.event import EventType


async def delete(
    repository: TenantRepository, target: Dataset | GenerationJob | EffectEstimate, path: str
) -> Response:
    """Delete a resource: 204 once it is erased, 202 with its URL after `delete_wait_seconds`.

    The record comes first: what cannot be recorded is not deleted.
    """
    resource = CUSTOM[type(target).__name__]
    name, uid = target.metadata.name, target.metadata.uid
    cluster, namespace = repository.cluster, repository.namespace
    if target.metadata.deletion_timestamp is None:
        await repository.record(EventType.RESOURCE_DELETED, kind=resource.plural, uid=uid)
        await cluster.delete(resource, name, namespace, uid=uid)
    headers = {"Location": repository.url(path), "Retry-After": "2"}
    answer = Response(status_code=202, headers=headers)
    wait_seconds = repository.services.settings.delete_wait_seconds
    async for found in poll(lambda: cluster.find(resource, name, namespace), wait_seconds):
        if found is None or found["metadata"]["uid"] != uid:
            answer = Response(status_code=204)
            break
    await repository.services.cache.settle()
    return answer
