"""Datasets with their models as a customer sees them, and the change of their retention."""

import asyncio
from contextlib import suppress

from simulacra_api.datasets.schemas import (
    DatasetBody,
    DatasetQuery,
    DatasetStatus,
    ModelBody,
    ReadingBody,
)
from simulacra_api.http.etags import lists
from simulacra_api.http.pagination import page_of
from simulacra_api.http.problems import Problem
from simulacra_api.jobs.service import job_error, stage_of
from simulacra_api.jobs.waiting import waiting_reason
from simulacra_api.tenancy.create import check_retention
from simulacra_api.tenancy.repository import TenantRepository, is_deleting, status_of
from simulacra_crds.kinds.base import expires_at, utcnow
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import DATASETS, MODELS, Conflict, NotFound, Object
from simulacra_crds.names import job_id, model_name
from simulacra_crds.tasks import READ_TABLE, UPLOAD
from simulacra_custody.audit.event import EventType
from simulacra_schema.verdicts import verdicts


async def dataset_body(repository: TenantRepository, dataset: Dataset) -> DatasetBody:
    """Return what a customer sees of a dataset."""
    return await _body(repository, dataset, await repository.model_of(dataset))


async def dataset_page(
    repository: TenantRepository, query: DatasetQuery
) -> tuple[list[DatasetBody], str | None]:
    """Return a page of the tenant's datasets, newest first, and the next cursor."""
    datasets = await repository.all_of(Dataset)
    models = {model.metadata.name: model for model in await repository.all_of(Model)}

    def model_for(dataset: Dataset) -> Model | None:
        return models.get(model_name(dataset.metadata.name))

    def keep(dataset: Dataset) -> bool:
        return query.status is None or _status(dataset, model_for(dataset)) == query.status

    page, cursor = page_of(datasets, query, keep)
    bodies = (_body(repository, dataset, model_for(dataset)) for dataset in page)
    return await asyncio.gather(*bodies), cursor


def _status(dataset: Dataset, model: Model | None) -> DatasetStatus:
    if is_deleting(dataset):
        return "deleting"
    source = dataset.spec.source
    uploading = source.type == "Upload" and source.sha256 is None
    return "uploading" if uploading else stage_of(dataset, model)[0]


async def _body(repository: TenantRepository, dataset: Dataset, model: Model | None) -> DatasetBody:
    name = dataset.metadata.name
    created = dataset.metadata.creation_timestamp or utcnow()
    source = dataset.status.source or dataset.spec.source
    retention = dataset.spec.retention_seconds
    fitted = None
    if model is not None:
        found = model.status
        judged = verdicts(found.figures) if found.figures else []
        fitted = ModelBody(
            status=status_of(model), family=found.family, figures=found.figures, verdicts=judged
        )
    read = dataset.status.description
    reading = None
    if read is not None and read.revision:
        counts = set(ReadingBody.model_fields)
        reading = ReadingBody.model_validate(read.model_dump(include=counts))
    stage = dataset if is_deleting(dataset) else stage_of(dataset, model)[1]
    status = _status(dataset, model)
    return DatasetBody(
        dataset_id=name,
        job_id=job_id(name, "Dataset"),
        status=status,
        waiting_reason=waiting_reason(stage),
        rows=dataset.status.rows,
        columns=dataset.status.columns,
        bytes=source.bytes,
        sha256=source.sha256,
        purpose="given" if dataset.spec.purpose == "Given" else "fit",
        retention_seconds=retention,
        created_at=created,
        expires_at=expires_at(created, None, retention),
        reading=reading,
        source_kept=is_source_kept(dataset),
        source_until=dataset.status.source_until,
        model=fitted,
        error=await job_error(repository, stage) if status == "failed" else None,
    )


def is_source_kept(dataset: Dataset) -> bool:
    """Return whether the table can be read again: it is kept, or an object of the customer's."""
    names = {one.name for one in dataset.status.artefacts}
    return dataset.spec.source.type == "Object" or bool(names & {UPLOAD, READ_TABLE})


async def change_retention(
    repository: TenantRepository, dataset: Dataset, seconds: int, if_match: str | None
) -> Dataset:
    """Set the retention of a dataset and its model.

    Raises:
        Problem: 400 outside the limits, 412 when `if_match` is not the current entity tag.
    """
    check_retention(repository, seconds)
    name = dataset.metadata.name
    spec = {"retentionSeconds": seconds}
    patch: Object = {"spec": spec}
    if if_match is not None:
        if not lists(if_match, (await dataset_body(repository, dataset)).etag()):
            raise Problem("simio_precondition_failed")
        patch["metadata"] = {"resourceVersion": dataset.metadata.resource_version}
    uid = dataset.metadata.uid
    await repository.record(EventType.RESOURCE_EXTENDED, kind=DATASETS.plural, uid=uid)
    cluster, namespace = repository.cluster, repository.namespace
    try:
        changed = await cluster.patch(DATASETS, name, patch, namespace)
        with suppress(NotFound):  # the model alone may have been deleted
            await cluster.patch(MODELS, model_name(name), {"spec": spec}, namespace)
    except Conflict:
        raise Problem("simio_precondition_failed") from None
    except NotFound:
        raise Problem("simio_dataset_not_found") from None
    await repository.services.cache.settle()
    return Dataset.model_validate(changed)
