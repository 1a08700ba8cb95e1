"""Deletion: request it, wait for the finalizer to erase, answer 204 or 202."""

from contextlib import suppress

from fastapi import Response

from simulacra_api.tenancy.read_cache import poll
from simulacra_api.tenancy.repository import TenantRepository, is_deleting
from simulacra_crds.kinds.base import ANNOTATION_DELETED, WorkResource, utcnow
from simulacra_crds.kube.client import CUSTOM, ApiResource, Conflict, NotFound, Object
from simulacra_custody.audit.event import EventType


async def delete(repository: TenantRepository, target: WorkResource, path: str) -> Response:
    """Delete a resource: 204 once it is erased, 202 with its URL after `delete_wait_seconds`."""
    resource = CUSTOM[type(target).__name__]
    name, uid = target.metadata.name, target.metadata.uid
    cluster, namespace = repository.cluster, repository.namespace
    await request_deletion(repository, resource, target)
    headers = {"Location": repository.url(path), "Retry-After": "2"}
    answer = Response(status_code=202, headers=headers)
    wait_seconds = repository.services.settings.delete_wait_seconds
    async for found in poll(lambda: cluster.find(resource, name, namespace), wait_seconds):
        if found is None or found["metadata"]["uid"] != uid:
            answer = Response(status_code=204)
            break
    await repository.services.cache.settle()
    return answer


async def request_deletion(
    repository: TenantRepository, resource: ApiResource, target: WorkResource
) -> None:
    """Record, mark and delete a resource, unless that is done.

    The record comes first: what cannot be recorded is not deleted. The mark makes the deletion a
    requested one, also in the seconds before an expiry and while one is under way.
    """
    metadata, namespace = target.metadata, repository.namespace
    deleting, marked = is_deleting(target), ANNOTATION_DELETED in target.metadata.annotations
    if deleting and marked:
        return
    name, uid = metadata.name, metadata.uid
    await repository.record(EventType.RESOURCE_DELETED, kind=resource.plural, uid=uid)
    mark: Object = {"uid": uid, "annotations": {ANNOTATION_DELETED: utcnow().isoformat()}}
    with suppress(NotFound, Conflict):  # it is gone
        await repository.cluster.patch(resource, name, {"metadata": mark}, namespace)
        if not deleting:
            await repository.cluster.delete(resource, name, namespace, uid=uid)
