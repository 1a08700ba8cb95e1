"""What is known of causes: shown as the model was fit with it, and changed by fitting another model
in its place.

Knowledge is part of a Model's spec, which is fixed. So a change erases the model, with all that was
generated and estimated from it, and makes another of the same name; `docs/adr/0034` has the choice.
Each step is safe to repeat: a request that broke off leaves a dataset without a model, and the same
request again makes it.
"""

from __future__ import annotations

import asyncio
import json
import time

from simulacra_api.http.problems import Problem
from simulacra_api.jobs.service import FIT, REFIT
from simulacra_api.tenancy.artifacts import schema_of
from simulacra_api.tenancy.audit import record
from simulacra_api.tenancy.object_metadata import metadata
from simulacra_api.tenancy.repository import TenantRepository, is_deleting, status_of
from simulacra_crds.contract.knowledge import check_knowledge
from simulacra_crds.contract.names import model_name
from simulacra_crds.kinds.base import API_VERSION, MIN_RETENTION_SECONDS, expires_at, utcnow
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.model import Knowledge, Model
from simulacra_crds.kube.client import DATASETS, MODELS, AlreadyExists, Object
from simulacra_custody.audit.event import EventType
from simulacra_custody.errors import CustodyError

POLL_SECONDS = 0.1


async def knowledge_of(repository: TenantRepository, dataset: Dataset) -> Knowledge:
    """Return what a dataset's model is fit with; 409 when there is no model."""
    model = await repository.model_of(dataset)
    if model is None or is_deleting(model):
        raise Problem(
            "simio_dataset_failed", "The dataset has no model: state its knowledge to fit one"
        )
    return model.spec.knowledge


async def refit(
    repository: TenantRepository, dataset: Dataset, knowledge: Knowledge, *, again: bool = True
) -> None:
    """Make sure that a dataset's model is one fit with this knowledge; nothing is done where it is
    already.

    Raises:
        Problem: 400 where the knowledge does not fit the schema, 409 while the dataset or the
            erasure of the model before is not done, 429 when too many jobs are unfinished.
    """
    if errors := check_knowledge(knowledge, await schema_of(repository, dataset)):
        raise Problem(
            "simio_invalid_field",
            f"{len(errors)} field(s) do not fit the dataset's schema",
            errors=errors,
        )
    model = await repository.find(Model, model_name(dataset.metadata.name), fresh=True)
    if model is not None and not is_deleting(model):
        if model.spec.knowledge == knowledge and status_of(model) != "failed":
            return
        await _check_jobs(repository)
        await _erase(repository, dataset, model)
    elif model is None:
        await _check_jobs(repository)
    await _until_gone(repository, dataset)
    try:
        await _create(repository, dataset, knowledge, model)
    except (
        AlreadyExists
    ):  # another request with other knowledge was here a moment ago: the later one counts
        if not again:
            raise Problem("simio_model_in_flight", headers={"Retry-After": "2"}) from None
        await refit(repository, dataset, knowledge, again=False)
    await repository.services.cache.settle()


async def _check_jobs(repository: TenantRepository) -> None:
    tenant = repository.caller.tenant
    (await repository.services.quota_ledger.of(tenant)).check_jobs(tenant.spec.quotas)


async def _erase(repository: TenantRepository, dataset: Dataset, model: Model) -> None:
    """Ask for the erasure of a model and of all that came of it. The record comes first."""
    uid, cluster, namespace = (
        model.metadata.uid,
        repository.services.cluster,
        repository.caller.namespace,
    )
    await record(
        repository.services.audit,
        EventType.RESOURCE_DELETED,
        repository.caller.audit_data(kind=MODELS.plural, uid=uid),
    )
    asked = json.dumps(_asked(model))
    noted: Object = {"metadata": {"annotations": {REFIT: utcnow().isoformat(), FIT: asked}}}
    await cluster.patch(DATASETS, dataset.metadata.name, noted, namespace)
    await cluster.delete(MODELS, model.metadata.name, namespace, uid=uid)


def _asked(model: Model) -> Object:
    """Return how a model was asked to be fit, but for its knowledge."""
    apart = {"suspend", "knowledge", "dataset_ref", "retention_seconds"}
    return model.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=apart)


async def _until_gone(repository: TenantRepository, dataset: Dataset) -> None:
    deadline = time.monotonic() + repository.services.settings.delete_wait_seconds
    while True:
        found = await repository.find(Model, model_name(dataset.metadata.name), fresh=True)
        if found is None or not is_deleting(found):
            return
        if time.monotonic() >= deadline:
            raise Problem("simio_model_in_flight", headers={"Retry-After": "2"})
        await asyncio.sleep(POLL_SECONDS)


async def _create(
    repository: TenantRepository, dataset: Dataset, knowledge: Knowledge, before: Model | None
) -> None:
    """Make the model anew, asked for as the one before was; without a record it is taken back."""
    cluster, tenant, name = (
        repository.services.cluster,
        repository.caller.tenant_name,
        dataset.metadata.name,
    )
    owner = {
        "apiVersion": API_VERSION,
        "kind": "Dataset",
        "metadata": dataset.metadata.model_dump(),
    }
    created = dataset.metadata.creation_timestamp or utcnow()
    left = expires_at(created, None, dataset.spec.retention_seconds) - utcnow()
    spec = _asked(before) if before else json.loads(dataset.metadata.annotations.get(FIT, "{}"))
    spec |= {"datasetRef": {"name": name}, "knowledge": knowledge.model_dump(by_alias=True)}
    spec |= {"retentionSeconds": max(int(left.total_seconds()), MIN_RETENTION_SECONDS)}
    meta = metadata(model_name(name), tenant, dataset=name, owner=owner, annotations={})
    body: Object = {"apiVersion": API_VERSION, "kind": "Model", "metadata": meta, "spec": spec}
    made = await cluster.create(MODELS, body, repository.caller.namespace)
    uid = made["metadata"]["uid"]
    try:
        data = repository.caller.audit_data(kind=MODELS.plural, uid=uid)
        await record(repository.services.audit, EventType.RESOURCE_CREATED, data)
    except CustodyError:
        await cluster.delete(MODELS, model_name(name), repository.caller.namespace, uid=uid)
        raise
