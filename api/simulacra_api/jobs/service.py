"""Jobs: status, progress and errors of datasets (prepare, then fit), generations and estimates."""

from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from simulacra_api.http.field_types import Status
from simulacra_api.http.pagination import ResourceQuery, page_of
from simulacra_api.http.problems import Problem
from simulacra_api.jobs.schemas import JobBody, JobError, JobItem, JobQuery
from simulacra_api.jobs.waiting import waiting_reason
from simulacra_api.tenancy.repository import TenantRepository, is_cancelled, is_deleting, status_of
from simulacra_crds.kinds.base import GROUP, LABEL_DATASET, WorkResource, expires_at, utcnow
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.model import Model
from simulacra_crds.kinds.result import Result
from simulacra_crds.names import job_id, model_name, resource_of_job, support_id
from simulacra_crds.reasons import Reason
from simulacra_crds.registry import BY_KIND, RESULTS

R = TypeVar("R", bound=Result)
_KINDS: tuple[type[Dataset] | type[Result], ...] = (Dataset, *RESULTS.values())
PREPARE_PERCENT = 30
"""Share of a dataset's job that preparing counts for; fitting is the rest."""
REFIT = f"{GROUP}/refit"
"""Annotation of a Dataset: when a replacement of its model was last requested (RFC 3339)."""
FIT = f"{GROUP}/fit"
"""Annotation of a Dataset: the requested fit (JSON of a Model's spec), without knowledge, which
names columns. It keeps differential privacy when the model is erased and fit again."""
REFIT_TAKES = timedelta(minutes=2)
PROBE_PREFIX = "probe-"
"""Prefix of the names of probes, which lists leave out."""
_CODES: dict[str, str] = {
    Reason.UPLOAD_INVALID: "simio_upload_invalid",
    Reason.TABLE_TOO_SMALL: "simio_upload_invalid",
    Reason.UPLOAD_ABANDONED: "simio_upload_invalid",
    Reason.SOURCE_NOT_ALLOWED: "simio_upload_invalid",
    Reason.SOURCE_UNREADABLE: "simio_upload_invalid",
    Reason.SOURCE_TOO_LARGE: "simio_upload_invalid",
    Reason.SOURCE_MISMATCH: "simio_upload_invalid",
    Reason.SOURCE_SECRET_MISSING: "simio_upload_invalid",
    Reason.EXPIRED: "simio_dataset_not_found",
    Reason.CONDITIONS_INFEASIBLE: "simio_conditions_infeasible",
    Reason.REQUEST_INVALID: "simio_invalid_field",
    Reason.DESCRIPTION_MISMATCH: "simio_description_invalid",
}


async def find_job(repository: TenantRepository, job: str) -> JobBody:
    """Return a job by its id; 404 when there is none."""
    if (named := resource_of_job(job)) is None:
        raise await _not_found(repository, job)
    kind, name = named
    try:
        if (of_result := RESULTS.get(kind)) is not None:
            return await result_job(repository, await repository.get(of_result, name))
        return await dataset_job(repository, await repository.dataset(name))
    except Problem as problem:
        if problem.entry.status == 404:
            raise Problem("simio_job_not_found") from None
        raise


async def _not_found(repository: TenantRepository, job: str) -> Problem:
    """Return the 404 of an id that says no kind, with the ids of resources that have its name."""
    found = [await repository.find(kind, job.removeprefix("job-")) for kind in _KINDS]
    ids = [job_of(one) for one in found if one is not None]
    detail = f"Names given with kubectl have a kind in front: use {' or '.join(ids)}."
    return Problem("simio_job_not_found", detail if ids else "")


async def dataset_job(repository: TenantRepository, dataset: Dataset) -> JobBody:
    """Return the job of a dataset and its model."""
    status, stage = stage_of(dataset, await repository.model_of(dataset))
    percent = {"ready": 100, "held": PREPARE_PERCENT}.get(status, 0)
    eta = None
    if status == "running":
        percent, eta = await _progress(repository, stage)
        if isinstance(stage, Dataset) and dataset.spec.purpose == "Fit":
            percent = percent * PREPARE_PERCENT // 100
            eta = None
        elif stage is not dataset:
            percent = PREPARE_PERCENT + percent * (100 - PREPARE_PERCENT) // 100
    return JobBody(
        **_summary(dataset, status, stage),
        progress_percent=percent,
        eta_seconds=eta,
        error=await job_error(repository, stage) if status == "failed" else None,
    )


def stage_of(dataset: Dataset, model: Model | None) -> tuple[Status, WorkResource]:
    """Return the status of a dataset with its model, and the resource that decides it."""
    own = status_of(dataset)
    # Models of an Object dataset are created with kubectl, under any name. Given rows have none.
    is_given = dataset.spec.purpose == "Given"
    unmodeled = model is None and (dataset.spec.source.type == "Object" or is_given)
    if own != "ready" or unmodeled:
        return own, dataset
    if model is None or is_deleting(model):
        return ("running" if _is_refitting(dataset) else "failed"), dataset
    of_model = status_of(model)
    return ("running" if of_model == "queued" else of_model), model


def _is_refitting(dataset: Dataset) -> bool:
    """Return whether a new model is about to be created (`datasets.refit`)."""
    began = dataset.metadata.annotations.get(REFIT)
    return began is not None and utcnow() - datetime.fromisoformat(began) < REFIT_TAKES


async def results_page(
    repository: TenantRepository, kind: type[R], query: ResourceQuery
) -> tuple[list[R], str | None]:
    """Return a page of the tenant's generations or estimates, newest first, and the next cursor."""

    def keep(found: R) -> bool:
        if found.metadata.name.startswith(PROBE_PREFIX):
            return False
        return query.matches(dataset_of(found), result_status(found))

    return page_of(await repository.all_of(kind), query, keep)


async def result_job(repository: TenantRepository, result: Result) -> JobBody:
    """Return the job of a generation or an estimate."""
    status = status_of(result)
    percent = 100 if status in ("ready", "partial") else 0
    eta = None
    if status == "running":
        percent, eta = await _progress(repository, result)
    return JobBody(
        **_summary(result, status, result),
        progress_percent=percent,
        eta_seconds=eta,
        error=await job_error(repository, result) if status == "failed" else None,
        **{BY_KIND[result.kind].id_field: result.metadata.name},
    )


def _summary(resource: Dataset | Result, status: Status, stage: WorkResource) -> dict[str, Any]:
    """Return the fields that a job shows alone and in a list."""
    name = resource.metadata.name
    return {
        "job_id": job_of(resource),
        "kind": BY_KIND[resource.kind].noun,
        "status": status,
        "waiting_reason": waiting_reason(stage),
        "support_id": support_id(stage.metadata.uid),
        "dataset_id": name if isinstance(resource, Dataset) else dataset_of(resource),
    }


def job_of(resource: Dataset | Result) -> str:
    """Return the id of a resource's job."""
    return job_id(resource.metadata.name, resource.kind)


def dataset_of(result: Result) -> str:
    """Return the id of the dataset that a generation or an estimate descends from.

    The operator labels each result with it. Before that, only names made here tell it.
    """
    named = result.spec.model_ref.name.replace("mdl-", "ds-", 1)
    return result.metadata.labels.get(LABEL_DATASET, named)


def result_status(result: Result) -> Status | Literal["deleting"]:
    """Return the status that a list shows."""
    return "deleting" if is_deleting(result) else status_of(result)


def listed(result: Result) -> dict[str, Any]:
    """Return the fields that every list of generations or estimates has."""
    return {
        "dataset_id": dataset_of(result),
        "job_id": job_of(result),
        "status": result_status(result),
        "created_at": result.metadata.creation_timestamp,
    }


async def shown(repository: TenantRepository, result: Result) -> dict[str, Any]:
    """Return the fields that the body of every generation or estimate has."""
    job = await result_job(repository, result)
    return listed(result) | {"expires_at": expiry_of(result), "error": job.error}


def expiry_of(result: Result) -> datetime:
    """Return when a generation or an estimate expires, or would if it ended now."""
    created = result.metadata.creation_timestamp or utcnow()
    ended = result.status.finished_at
    return result.status.expires_at or expires_at(created, ended, result.spec.retention_seconds)


async def job_error(repository: TenantRepository, resource: WorkResource) -> JobError:
    """Return why a job failed: its report for the customer, else the reason in its status."""
    if is_cancelled(resource):
        detail = "The job was cancelled with POST /v1/jobs/{job_id}/cancel."
        return JobError(code="simio_cancelled", detail=detail)
    if failure := await repository.failure(resource):
        code = _CODES.get(failure.reason, "simio_processing_failed")
        return JobError(
            code=code, detail=failure.detail, pointer=failure.pointer, errors=failure.errors
        )
    last = resource.status.last_failure
    if status_of(resource) == "ready":
        detail = "The dataset has no model. PUT its knowledge to fit one, or upload again."
    elif last is None:
        detail = "Internal error. Try again; quote the support id."
    else:
        code = _CODES.get(last.reason, "simio_processing_failed")
        return JobError(code=code, detail=last.message or last.reason)
    return JobError(code="simio_processing_failed", detail=detail)


async def _progress(repository: TenantRepository, resource: WorkResource) -> tuple[int, int | None]:
    if report := await repository.progress(resource):
        return report.percent, report.seconds_left(utcnow())
    shown = resource.status.progress
    return (shown.percent, shown.eta_seconds) if shown else (0, None)


async def job_page(
    repository: TenantRepository, query: JobQuery
) -> tuple[list[JobItem], str | None]:
    """Return a page of the tenant's jobs, newest first, and the next cursor."""
    models = {model.metadata.name: model for model in await repository.all_of(Model)}
    resources: list[Dataset | Result] = []
    for kind in _KINDS:
        if query.kind in (None, BY_KIND[kind.__name__].noun):
            resources += await repository.all_of(kind)

    def keep(resource: Dataset | Result) -> bool:
        if is_deleting(resource) or resource.metadata.name.startswith(PROBE_PREFIX):
            return False
        item = _item(resource, models)
        return query.matches(item.dataset_id, item.status)

    page, cursor = page_of(resources, query, keep)
    return [_item(resource, models) for resource in page], cursor


def _item(resource: Dataset | Result, models: dict[str, Model]) -> JobItem:
    status: Status = status_of(resource)
    stage: WorkResource = resource
    if isinstance(resource, Dataset):
        status, stage = stage_of(resource, models.get(model_name(resource.metadata.name)))
    created = resource.metadata.creation_timestamp
    return JobItem(**_summary(resource, status, stage), created_at=created)
