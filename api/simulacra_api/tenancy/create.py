"""Creation of resources: metadata, idempotency key, limits, quota and audit record."""

from typing import Any

from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.log import REQUEST_ID
from simulacra_api.tenancy.idempotency import (
    REQUEST_DIGEST,
    UNUSED,
    check_same_request,
    find_deleted,
)
from simulacra_api.tenancy.repository import TenantRepository, is_cancelled, is_deleting, status_of
from simulacra_crds.kinds.base import (
    ANNOTATION_REQUEST,
    API_VERSION,
    FINALIZER,
    LABEL_DATASET,
    LABEL_TENANT,
    MIN_RETENTION_SECONDS,
)
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import AlreadyExists, ApiResource, NotFound, Object
from simulacra_custody.audit.event import Counts, EventType
from simulacra_custody.errors import CustodyError


def manifest(
    repository: TenantRepository,
    resource: ApiResource,
    name: str,
    spec: Object,
    *,
    dataset: str | None = None,
    owner: Object | None = None,
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
) -> Object:
    """Return a resource to create. Its finalizer is there from the start: bytes never outlive it.

    `dataset` is the name of the Dataset that it descends from, None for a Dataset; `owner` the
    resource whose deletion deletes this one. Labels of tenant and Dataset are added.
    """
    labels = {LABEL_TENANT: repository.caller.tenant_name, **(labels or {})}
    if dataset:
        labels[LABEL_DATASET] = dataset
    metadata: Object = {"name": name, "labels": labels, "finalizers": [FINALIZER]}
    request = {ANNOTATION_REQUEST: found} if (found := REQUEST_ID.get()) else {}
    metadata["annotations"] = {**request, **(annotations or {})}
    if owner is not None:
        reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "controller": True}
        reference |= {key: owner["metadata"][key] for key in ("name", "uid")}
        metadata["ownerReferences"] = [reference | {"blockOwnerDeletion": True}]
    return {"apiVersion": API_VERSION, "kind": resource.kind, "metadata": metadata, "spec": spec}


async def find_created(
    repository: TenantRepository, resource: ApiResource, name: str, digest: str
) -> Object | None:
    """Return the resource that this key created, None for a new key; 409 for another request."""
    existing = await repository.cluster.find(resource, name, repository.namespace)
    if existing is None:
        return await find_deleted(repository, name, digest)
    check_same_request(existing, digest)
    return existing


def check_retention(repository: TenantRepository, seconds: int) -> None:
    """Refuse (400) a retention outside the tenant's limits."""
    limit = repository.caller.tenant.spec.max_retention_seconds
    if not MIN_RETENTION_SECONDS <= seconds <= limit:
        detail = f"Must be {MIN_RETENTION_SECONDS} to {limit} seconds, the limit of this tenant."
        raise invalid_field("/retention_seconds", detail)


async def usable_model(repository: TenantRepository, dataset: Dataset) -> Model:
    """Return the model of a dataset, fitted or not yet; 409 when it never will be."""
    model = await repository.model_of(dataset)
    if model is None or is_deleting(model) or status_of(model) == "failed":
        cancelled = model is not None and is_cancelled(model)
        raise Problem("simio_cancelled" if cancelled else "simio_dataset_failed")
    return model


async def create_from_model(
    repository: TenantRepository,
    resource: ApiResource,
    name: str,
    model: Model,
    spec: Object,
    *,
    dataset: Dataset,
    digest: str,
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    counts: Counts | None = None,
) -> Object:
    """Create a GenerationJob or an estimate, or return the one of a concurrent request.

    Raises:
        Problem: 402 or 429 when a quota of the tenant has no room for it.
    """
    tenant = repository.caller.tenant
    used = await repository.services.quota_ledger.of(tenant)
    used.check_jobs(tenant.spec.quotas)
    if counts is not None and counts.rows is not None:
        used.check_rows(tenant.spec.quotas, counts.rows)
    owner = {"apiVersion": API_VERSION, "kind": "Model", "metadata": model.metadata.model_dump()}
    body = manifest(
        repository,
        resource,
        name,
        {"modelRef": {"name": model.metadata.name}, **spec},
        dataset=dataset.metadata.name,
        owner=owner,
        annotations={REQUEST_DIGEST: digest, **(annotations or {})},
        labels=labels,
    )
    fields = {"counts": counts} if counts else {}
    try:
        with repository.services.quota_ledger.counting(tenant, resource, body):
            return await create_recorded(repository, resource, body, **fields)
    except AlreadyExists:
        existing = await repository.cluster.get(resource, name, repository.namespace)
        check_same_request(existing, digest)
        return existing
    except NotFound:
        raise Problem("simio_tenant_not_ready") from None


async def create_recorded(
    repository: TenantRepository, resource: ApiResource, body: Object, **fields: Any
) -> Object:
    """Create a resource and record it; delete it again when it cannot be recorded.

    Without the digest of its request, the operator leaves no tombstone: nothing was accepted, and
    the same request must create it once it is gone.
    """
    created = await repository.cluster.create(resource, body, repository.namespace)
    name = created["metadata"]["name"]
    uid = created["metadata"]["uid"]
    try:
        await repository.record(EventType.RESOURCE_CREATED, kind=resource.plural, uid=uid, **fields)
    except CustodyError:
        unused = {"metadata": {"uid": uid, "annotations": {REQUEST_DIGEST: UNUSED}}}
        await repository.cluster.patch(resource, name, unused, repository.namespace)
        await repository.cluster.delete(resource, name, repository.namespace, uid=uid)
        raise
    return created
