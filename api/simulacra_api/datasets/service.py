"""What a customer sees of a dataset and its model, and the change of its retention."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulacra_api.http.etags import entity_tag, lists
from simulacra_api.http.field_types import Retention
from simulacra_api.http.pagination import ListQuery, Page, page_of
from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.jobs.service import JobError, stage_of
from simulacra_api.tenancy.audit import record
from simulacra_api.tenancy.repository import Status, TenantRepository, is_deleting, status_of
from simulacra_crds.contract.names import job_id, model_name
from simulacra_crds.kinds.base import MIN_RETENTION_SECONDS, expires_at, utcnow
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.model import FamilyName, Model
from simulacra_crds.kube.client import DATASETS, MODELS, Conflict, NotFound, Object
from simulacra_custody.audit.event import EventType

ShownStatus = Literal["uploading", "queued", "running", "ready", "partial", "failed", "deleting"]


class ModelBody(BaseModel):
    """The model that is fit on a dataset; `figures` are fidelity and privacy."""

    status: Status
    family: FamilyName | None = None
    figures: dict[str, float] = Field(default_factory=dict)


class DatasetBody(BaseModel):
    """A dataset."""

    dataset_id: str
    job_id: str
    status: ShownStatus
    rows: int | None = None
    columns: int | None = None
    bytes: int | None = Field(default=None, description="Size of the upload.")
    sha256: str | None = Field(default=None, description="Digest of the upload.")
    retention_seconds: int
    created_at: datetime
    expires_at: datetime
    model: ModelBody | None = None

    def etag(self) -> str:
        """Return the entity tag of this representation."""
        return entity_tag(self.model_dump_json())


class DatasetAccepted(BaseModel):
    """The answer to an upload; a replay with the same key gets the same."""

    dataset_id: str
    job_id: str
    status: Status = "queued"
    bytes: int
    sha256: str
    error: JobError | None = None


class DatasetQuery(ListQuery):
    """Filters of the list of datasets."""

    status: ShownStatus | None = None


class DatasetList(Page):
    """The tenant's datasets, newest first."""

    items: list[DatasetBody]


class RetentionChange(BaseModel):
    """A new retention, counted from the dataset's creation."""

    model_config = ConfigDict(extra="forbid")

    retention_seconds: Retention


async def dataset_body(repository: TenantRepository, dataset: Dataset) -> DatasetBody:
    """Return what a customer sees of a dataset."""
    return _body(dataset, await repository.model_of(dataset))


async def dataset_page(
    repository: TenantRepository, query: DatasetQuery
) -> tuple[list[DatasetBody], str | None]:
    """Return a page of the tenant's datasets, newest first; two listings, however many there are."""
    datasets, models = await repository.all_of(Dataset), await repository.all_of(Model)
    fitted = {model.metadata.name: model for model in models}

    def model_for(dataset: Dataset) -> Model | None:
        return fitted.get(model_name(dataset.metadata.name))

    def keep(dataset: Dataset) -> bool:
        return query.status is None or _shown_status(dataset, model_for(dataset)) == query.status

    page, cursor = page_of(datasets, query, keep)
    return [_body(dataset, model_for(dataset)) for dataset in page], cursor


def _shown_status(dataset: Dataset, model: Model | None) -> ShownStatus:
    if is_deleting(dataset):
        return "deleting"
    source = dataset.spec.source
    uploading = source.type == "Upload" and source.sha256 is None
    return "uploading" if uploading else stage_of(dataset, model)[0]


def _body(dataset: Dataset, model: Model | None) -> DatasetBody:
    created = dataset.metadata.creation_timestamp or utcnow()
    shown = None
    if model is not None:
        shown = ModelBody(
            status=status_of(model), family=model.status.family, figures=model.status.figures
        )
    read = dataset.status.source or dataset.spec.source
    return DatasetBody(
        dataset_id=dataset.metadata.name,
        job_id=job_id(dataset.metadata.name),
        status=_shown_status(dataset, model),
        rows=dataset.status.rows,
        columns=dataset.status.columns,
        bytes=read.bytes,
        sha256=read.sha256,
        retention_seconds=dataset.spec.retention_seconds,
        created_at=created,
        expires_at=expires_at(created, None, dataset.spec.retention_seconds),
        model=shown,
    )


def upload_limit(repository: TenantRepository) -> int:
    """Return how many bytes one upload of the caller may have."""
    return min(
        repository.caller.tenant.spec.quotas.max_upload_bytes,
        repository.services.settings.max_upload_bytes,
    )


def check_retention(repository: TenantRepository, seconds: int) -> None:
    """Refuse (400) a retention above the tenant's limit."""
    limit = repository.caller.tenant.spec.max_retention_seconds
    if not MIN_RETENTION_SECONDS <= seconds <= limit:
        raise invalid_field(
            "/retention_seconds", f"give {MIN_RETENTION_SECONDS} to {limit} seconds"
        )


async def change_retention(
    repository: TenantRepository, dataset: Dataset, seconds: int, if_match: str | None
) -> Dataset:
    """Set the retention of a dataset and its model.

    Raises:
        Problem: 400 above the limit, 412 when `if_match` is not the present entity tag.
    """
    check_retention(repository, seconds)
    patch: Object = {"spec": {"retentionSeconds": seconds}}
    if if_match is not None:
        if not lists(if_match, (await dataset_body(repository, dataset)).etag()):
            raise Problem("simio_precondition_failed")
        patch["metadata"] = {"resourceVersion": dataset.metadata.resource_version}
    cluster, namespace = repository.services.cluster, repository.caller.namespace
    data = repository.caller.audit_data(kind=DATASETS.plural, uid=dataset.metadata.uid)
    await record(repository.services.audit, EventType.RESOURCE_EXTENDED, data)
    try:
        changed = await cluster.patch(DATASETS, dataset.metadata.name, patch, namespace)
        with suppress(NotFound):  # the model may have been deleted by itself
            await cluster.patch(
                MODELS, model_name(dataset.metadata.name), {"spec": patch["spec"]}, namespace
            )
    except Conflict:
        raise Problem("simio_precondition_failed") from None
    except NotFound:
        raise Problem("simio_dataset_not_found") from None
    await repository.services.cache.settle()
    return Dataset.model_validate(changed)
