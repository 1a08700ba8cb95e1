"""Jobs: how far the work behind a dataset (prepare, then fit), a generation or an effect is, and why it failed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, Field

from simulacra_api.http.field_types import Status
from simulacra_api.http.problems import Problem
from simulacra_api.tenancy.repository import (
    TenantRepository,
    TenantResource,
    is_cancelled,
    is_deleting,
    status_of,
)
from simulacra_crds.contract.names import job_id, resource_of_job
from simulacra_crds.contract.reasons import Reason
from simulacra_crds.kinds.base import GROUP, utcnow
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.kinds.model import Model

PREPARE_PERCENT = 30
"""Share of a dataset's job that preparing is counted as; fitting is the rest."""
REFIT = f"{GROUP}/refit"
"""Annotation of a Dataset: when its model was last asked to make room for another (RFC 3339)."""
FIT = f"{GROUP}/fit"
"""Annotation of a Dataset: how its model was asked to be fit (JSON of a Model's spec), but for
knowledge, which names columns. A model that was erased for another leaves no other trace, and
differential privacy must not end with it."""
REFIT_TAKES = timedelta(minutes=2)
Kind = Literal["dataset", "generation", "effect"]
_CODES: dict[str, str] = {
    Reason.UPLOAD_INVALID: "simio_upload_invalid",
    Reason.TABLE_TOO_SMALL: "simio_upload_invalid",
    Reason.UPLOAD_ABANDONED: "simio_upload_invalid",
    Reason.SOURCE_NOT_ALLOWED: "simio_upload_invalid",
    Reason.SOURCE_UNREADABLE: "simio_upload_invalid",
    Reason.SOURCE_TOO_LARGE: "simio_upload_invalid",
    Reason.SOURCE_MISMATCH: "simio_upload_invalid",
    Reason.SOURCE_SECRET_MISSING: "simio_upload_invalid",
    Reason.CONDITIONS_INFEASIBLE: "simio_conditions_infeasible",
    Reason.REQUEST_INVALID: "simio_invalid_field",
}


class JobError(BaseModel):
    """Why a job failed, in terms of what the customer sent."""

    code: str
    detail: str
    pointer: str | None = None


class JobBody(BaseModel):
    """A job."""

    job_id: str
    kind: Kind
    status: Status
    progress_percent: int = Field(ge=0, le=100)
    eta_seconds: int | None = Field(default=None, description="Estimated seconds left, once known.")
    dataset_id: str | None = None
    generation_id: str | None = None
    effect_id: str | None = None
    error: JobError | None = None


async def dataset_job(repository: TenantRepository, dataset: Dataset) -> JobBody:
    """Return the job of a dataset: its own work and that of its model."""
    model = await repository.model_of(dataset)
    status, stage = stage_of(dataset, model)
    percent, eta = 0, None
    if status == "ready":
        percent = 100
    elif status == "running":
        own, eta = await _progress(repository, stage)
        preparing = isinstance(stage, Dataset)
        scale, base = (
            (PREPARE_PERCENT, 0) if preparing else (100 - PREPARE_PERCENT, PREPARE_PERCENT)
        )
        percent, eta = base + own * scale // 100, None if preparing else eta
    error = await job_error(repository, stage) if status == "failed" else None
    name = dataset.metadata.name
    return JobBody(
        job_id=job_id(name),
        kind="dataset",
        status=status,
        progress_percent=percent,
        eta_seconds=eta,
        dataset_id=name,
        error=error,
    )


def stage_of(dataset: Dataset, model: Model | None) -> tuple[Status, TenantResource]:
    """Return the status of a dataset with its model, and the resource that decides it."""
    own = status_of(dataset)
    unmodeled = (
        model is None and dataset.spec.source.type == "Object"
    )  # its models are made with kubectl, under any name
    if own != "ready" or unmodeled:
        return own, dataset
    if model is None or is_deleting(model):
        return ("running" if _is_refitting(dataset) else "failed"), dataset
    of_model = status_of(model)
    return ("running" if of_model == "queued" else of_model), model


def _is_refitting(dataset: Dataset) -> bool:
    """Whether another model is about to take the place of the one before (`knowledge.refit`)."""
    began = dataset.metadata.annotations.get(REFIT)
    return began is not None and utcnow() - datetime.fromisoformat(began) < REFIT_TAKES


async def result_job(repository: TenantRepository, work: GenerationJob | EffectEstimate) -> JobBody:
    """Return the job of a generation or an effect estimate."""
    status = status_of(work)
    percent, eta = (100 if status in ("ready", "partial") else 0), None
    if status == "running":
        percent, eta = await _progress(repository, work)
    name, generates = work.metadata.name, isinstance(work, GenerationJob)
    return JobBody(
        job_id=job_id(name),
        kind="generation" if generates else "effect",
        status=status,
        progress_percent=percent,
        eta_seconds=eta,
        generation_id=name if generates else None,
        effect_id=None if generates else name,
        dataset_id=dataset_of(work),
        error=await job_error(repository, work) if status == "failed" else None,
    )


async def find_job(repository: TenantRepository, job: str) -> JobBody:
    """Return a job by its id; 404 when there is none."""
    name = resource_of_job(job) or ""
    try:
        if name.startswith("gen-"):
            return await result_job(repository, await repository.generation(name))
        if name.startswith("eff-"):
            return await result_job(repository, await repository.effect(name))
        return await dataset_job(repository, await repository.dataset(name))
    except Problem as problem:
        if problem.entry.status == 404:
            raise Problem("simio_job_not_found") from None
        raise


def dataset_of(work: GenerationJob | EffectEstimate) -> str:
    """Return the id of the dataset that a generation or an estimate descends from."""
    return work.spec.model_ref.name.replace("mdl-", "ds-", 1)


async def job_error(repository: TenantRepository, work: TenantResource) -> JobError:
    """Return why a work failed: what it wrote for the customer, else the reason without data in its status."""
    if is_cancelled(work):
        return JobError(
            code="simio_cancelled",
            detail="The job was cancelled, as POST /v1/jobs/{job_id}/cancel asked",
        )
    if failure := await repository.failure(work):
        code = _CODES.get(failure.reason, "simio_processing_failed")
        return JobError(code=code, detail=failure.detail, pointer=failure.pointer)
    if status_of(work) == "ready":
        return JobError(
            code="simio_processing_failed",
            detail="The dataset has no model: PUT its knowledge to fit one, or upload again",
        )
    last = work.status.last_failure
    if last is None:
        return JobError(
            code="simio_processing_failed", detail="The work failed: try again and quote the job id"
        )
    return JobError(
        code=_CODES.get(last.reason, "simio_processing_failed"), detail=last.message or last.reason
    )


async def _progress(repository: TenantRepository, work: TenantResource) -> tuple[int, int | None]:
    report = await repository.progress(work) or work.status.progress
    return (report.percent, report.eta_seconds) if report else (0, None)
