"""Knowledge of causes: show what a model was fit with; change it by fitting another model.

Knowledge is part of a Model's spec, which is immutable. So a change erases the model, with
everything generated and estimated from it, and creates another of the same name (ADR 0034). Each
step is safe to repeat: a request that broke off leaves a dataset without a model, and the same
request again creates it.
"""

import json
from typing import get_args

from simulacra_api.http.problems import Problem, invalid_fields
from simulacra_api.jobs.service import FIT, REFIT
from simulacra_api.tenancy.create import create_recorded, manifest
from simulacra_api.tenancy.delete import request_deletion
from simulacra_api.tenancy.read_cache import poll
from simulacra_api.tenancy.repository import TenantRepository, is_deleting, status_of
from simulacra_crds.kinds.base import API_VERSION, MIN_RETENTION_SECONDS, expires_at, utcnow
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import DATASETS, MODELS, AlreadyExists, Object
from simulacra_crds.names import model_name
from simulacra_schema.questions.knowledge import Knowledge, KnowledgeRecord, check_knowledge


async def knowledge_of(repository: TenantRepository, dataset: Dataset) -> Knowledge:
    """Return the knowledge that a dataset's model is fit with; 409 when there is no model."""
    repository.check_purpose(dataset)
    model = await repository.model_of(dataset)
    if model is None or is_deleting(model):
        raise Problem("simio_dataset_failed", "The dataset has no model. PUT knowledge to fit one.")
    repository.read_spec(model, len(model.spec.knowledge.model_dump_json()))
    return model.spec.knowledge


async def refit(
    repository: TenantRepository, dataset: Dataset, knowledge: Knowledge, *, again: bool = True
) -> None:
    """Replace a dataset's model by one fit with this knowledge; do nothing when it already is.

    Raises:
        Problem: 400 when the knowledge does not fit the schema, 409 while the dataset is not ready
            or the earlier model is being erased, 429 when too many jobs are unfinished.
    """
    if errors := check_knowledge(knowledge, await repository.schema_of(dataset)):
        raise invalid_fields(errors, "the knowledge, checked against the dataset's schema")
    model = await repository.find(Model, model_name(dataset.metadata.name), fresh=True)
    erasing = model is not None and is_deleting(model)
    if not erasing:
        if model and model.spec.knowledge == knowledge and status_of(model) != "failed":
            return
        tenant = repository.caller.tenant
        used = await repository.services.quota_ledger.of(tenant)
        used.check_jobs(tenant.spec.quotas)
        if model is not None:
            await erase_model(repository, dataset, model)
    await wait_for_erasure(repository, dataset)
    try:
        await create_model(repository, dataset, knowledge, model)
    except AlreadyExists:  # by a request with other knowledge at the same moment: the later counts
        if not again:
            raise Problem("simio_model_in_flight", headers={"Retry-After": "2"}) from None
        await refit(repository, dataset, knowledge, again=False)
    await repository.services.cache.settle()


async def erase_model(repository: TenantRepository, dataset: Dataset, model: Model) -> None:
    """Delete a model and everything made from it."""
    notes = {REFIT: utcnow().isoformat(), FIT: json.dumps(_fit(model))}
    patch: Object = {"metadata": {"annotations": notes}}
    await repository.cluster.patch(DATASETS, dataset.metadata.name, patch, repository.namespace)
    await request_deletion(repository, MODELS, model)


def records(knowledge: Knowledge, client: str, before: Model | None) -> list[Object]:
    """Return who stated each part of the knowledge: the client, or whoever stated it before."""
    nothing = Knowledge()
    former = {record.part: record for record in before.spec.stated} if before else {}
    found = []
    for part in get_args(KnowledgeRecord.model_fields["part"].annotation):
        said = getattr(knowledge, part)
        if said == getattr(nothing, part):
            continue
        record = former.get(part)
        if before is None or record is None or getattr(before.spec.knowledge, part) != said:
            record = KnowledgeRecord(part=part, author=client, time=utcnow())
        found.append(record.to_wire())
    return found


def _fit(model: Model) -> Object:
    """Return how a model was to be fit, except its knowledge."""
    others = {"suspend", "knowledge", "stated", "dataset_ref", "retention_seconds"}
    return model.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=others)


async def wait_for_erasure(repository: TenantRepository, dataset: Dataset) -> None:
    """Return once the model is erased; 409 when that takes longer."""
    name = model_name(dataset.metadata.name)
    wait_seconds = repository.services.settings.delete_wait_seconds
    async for found in poll(lambda: repository.find(Model, name, fresh=True), wait_seconds):
        if found is None or not is_deleting(found):
            return
    raise Problem("simio_model_in_flight", headers={"Retry-After": "2"})


async def create_model(
    repository: TenantRepository, dataset: Dataset, knowledge: Knowledge, before: Model | None
) -> None:
    """Create the model again, to be fit as the one before."""
    name = dataset.metadata.name
    metadata = dataset.metadata.model_dump()
    owner = {"apiVersion": API_VERSION, "kind": "Dataset", "metadata": metadata}
    created = dataset.metadata.creation_timestamp or utcnow()
    left = expires_at(created, None, dataset.spec.retention_seconds) - utcnow()
    fit = _fit(before) if before else json.loads(dataset.metadata.annotations.get(FIT, "{}"))
    spec = fit | {
        "datasetRef": {"name": name},
        "knowledge": knowledge.model_dump(by_alias=True),
        "stated": records(knowledge, repository.caller.client_id, before),
        "retentionSeconds": max(int(left.total_seconds()), MIN_RETENTION_SECONDS),
    }
    body = manifest(repository, MODELS, model_name(name), spec, dataset=name, owner=owner)
    await create_recorded(repository, MODELS, body)
