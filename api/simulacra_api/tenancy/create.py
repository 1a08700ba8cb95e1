"""What asking a model for rows and asking it for an effect have in common: key, limits, resource, record."""

from __future__ import annotations

from typing import Any

from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.tenancy.audit import record
from simulacra_api.tenancy.idempotency import REQUEST_DIGEST, check_same_request
from simulacra_api.tenancy.object_metadata import metadata
from simulacra_api.tenancy.repository import TenantRepository, is_cancelled, is_deleting, status_of
from simulacra_api.tenancy.tombstones import find_tombstone, resource_as_created
from simulacra_crds.kinds.base import API_VERSION
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import AlreadyExists, ApiResource, NotFound, Object
from simulacra_custody.audit.event import Counts, EventType
from simulacra_custody.errors import CustodyError


async def find_asked(
    repository: TenantRepository, resource: ApiResource, name: str, digest: str
) -> Object | None:
    """Return what this key made before, None when it made nothing; 409 when it was another request."""
    cluster, namespace = repository.services.cluster, repository.caller.namespace
    existing = await cluster.find(resource, name, namespace)
    if existing is not None:
        check_same_request(existing, digest)
        return existing
    gone = await find_tombstone(cluster, name, namespace, digest)
    return resource_as_created(name, gone) if gone else None


def check_retention_limit(repository: TenantRepository, seconds: int) -> None:
    """Refuse (400) a retention above the tenant's limit."""
    limit = repository.caller.tenant.spec.max_retention_seconds
    if seconds > limit:
        raise invalid_field("/retention_seconds", f"the limit of this tenant is {limit} seconds")


async def model_to_ask(repository: TenantRepository, dataset: Dataset) -> Model:
    """Return the model of a dataset, fitted or not yet; 409 when it will never be."""
    model = await repository.model_of(dataset)
    if model is None or is_deleting(model) or status_of(model) == "failed":
        raise Problem(
            "simio_cancelled"
            if model is not None and is_cancelled(model)
            else "simio_dataset_failed"
        )
    return model


async def ask(
    repository: TenantRepository,
    resource: ApiResource,
    name: str,
    dataset: Dataset,
    model: Model,
    spec: Object,
    *,
    digest: str,
    annotations: dict[str, str] | None = None,
    counts: Counts | None = None,
) -> Object:
    """Create the resource under its key's name, or return what another request with the same key
    just made.

    Raises:
        Problem: 402 or 429 when a quota of the tenant has no room for it.
    """
    cluster, namespace = repository.services.cluster, repository.caller.namespace
    used, quotas = (
        await repository.services.quota_ledger.of(repository.caller.tenant),
        repository.caller.tenant.spec.quotas,
    )
    used.check_jobs(quotas)
    if counts is not None and counts.rows is not None:
        used.check_rows(quotas, counts.rows)
    owner = {"apiVersion": API_VERSION, "kind": "Model", "metadata": model.metadata.model_dump()}
    body = {
        "apiVersion": API_VERSION,
        "kind": resource.kind,
        "metadata": metadata(
            name,
            repository.caller.tenant_name,
            dataset=dataset.metadata.name,
            owner=owner,
            annotations={REQUEST_DIGEST: digest, **(annotations or {})},
        ),
        "spec": {"modelRef": {"name": model.metadata.name}, **spec},
    }
    try:
        return await _make(repository, resource, body, counts)
    except AlreadyExists:
        existing = await cluster.get(resource, name, namespace)
        check_same_request(existing, digest)
        return existing
    except NotFound:
        raise Problem("simio_tenant_not_ready") from None


async def _make(
    repository: TenantRepository, resource: ApiResource, body: Object, counts: Counts | None
) -> Object:
    with repository.services.quota_ledger.counting(repository.caller.tenant, resource, body):
        created = await repository.services.cluster.create(
            resource, body, repository.caller.namespace
        )
        await _record(repository, resource, created, counts)
    return created


async def _record(
    repository: TenantRepository, resource: ApiResource, created: Object, counts: Counts | None
) -> None:
    """Record the request; without a record it is taken back."""
    given: dict[str, Any] = {"counts": counts} if counts else {}
    data = repository.caller.audit_data(
        kind=resource.plural, uid=created["metadata"]["uid"], **given
    )
    try:
        await record(repository.services.audit, EventType.RESOURCE_CREATED, data)
    except CustodyError:
        name, namespace = created["metadata"]["name"], repository.caller.namespace
        await repository.services.cluster.delete(
            resource, name, namespace, uid=created["metadata"]["uid"]
        )
        raise
