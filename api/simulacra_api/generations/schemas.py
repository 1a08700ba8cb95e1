"""What a customer sees of a generation: what was asked, what was attained, and where the rows are."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic.alias_generators import to_snake

from simulacra_api.generations.customer_key import CustomerArtifact, customer_artifacts
from simulacra_api.generations.download_links import make_link
from simulacra_api.generations.downloads import check_finished
from simulacra_api.generations.service import FORMAT
from simulacra_api.http.etags import entity_tag
from simulacra_api.http.field_types import Status
from simulacra_api.http.pagination import Page
from simulacra_api.http.problems import Problem
from simulacra_api.jobs.service import JobError, dataset_of, result_job
from simulacra_api.tenancy.repository import TenantRepository, is_deleting, status_of
from simulacra_crds.contract.names import job_id
from simulacra_crds.contract.tasks import ATTAINMENT, IDENTIFICATION
from simulacra_crds.kinds.base import expires_at, utcnow
from simulacra_crds.kinds.generation_job import ConditionSet, GenerationJob
from simulacra_custody.errors import ArtifactMissing

TAG_SECONDS = 300
"""A representation with a link is current for so long, so that a link that is kept is good for 10 minutes more."""


class GenerationBody(BaseModel):
    """A generation."""

    generation_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    progress_percent: int
    eta_seconds: int | None = None
    row_count: int
    rows: int | None = Field(default=None, description="Rows written so far, once known.")
    seed: int
    conditions: ConditionSet
    interventions: dict[str, float | str]
    counterfactual: bool = False
    identification: dict[str, Any] | None = Field(
        default=None,
        description="With interventions: whether the causal graph settles what they change (identified), what twins "
        "take for granted (assumption), and warnings.",
    )
    attainment: dict[str, Any] | None = Field(
        default=None, description="Asked and attained, condition by condition."
    )
    artifact_url: str | None = Field(default=None, description="Needs the bearer token as well.")
    artifacts: list[CustomerArtifact] | None = Field(
        default=None,
        description="In place of artifact_url where the rows are under the tenant's own key.",
    )
    artifact_url_expires_at: datetime | None = None
    created_at: datetime | None
    expires_at: datetime | None
    error: JobError | None = None

    def etag(self) -> str:
        """Return the entity tag: of everything but the link, which is another one in each answer."""
        volatile = {"artifact_url", "artifact_url_expires_at", "artifacts"}
        window = int(time.time()) // TAG_SECONDS if self.artifact_url or self.artifacts else 0
        return entity_tag(f"{window} {self.model_dump_json(exclude=volatile)}", weak=True)


class GenerationItem(BaseModel):
    """A generation in a list."""

    generation_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    row_count: int
    rows: int | None
    created_at: datetime | None
    expires_at: datetime | None


class GenerationList(Page):
    """The tenant's generations, newest first."""

    items: list[GenerationItem]


async def generation_body(
    repository: TenantRepository, generation: GenerationJob
) -> GenerationBody:
    """Return what a customer sees of a generation."""
    job, spec, status = await result_job(repository, generation), generation.spec, generation.status
    done = job.status in ("ready", "partial") and not is_deleting(generation)
    created = generation.metadata.creation_timestamp or utcnow()
    artifacts = await customer_artifacts(repository, generation) if done else None
    url, url_expires = (
        await artifact_link(repository, generation) if done and not artifacts else (None, None)
    )
    return GenerationBody(
        generation_id=generation.metadata.name,
        dataset_id=dataset_of(generation),
        job_id=job.job_id,
        status="deleting" if is_deleting(generation) else job.status,
        progress_percent=job.progress_percent,
        eta_seconds=job.eta_seconds,
        row_count=spec.row_count,
        rows=status.rows,
        seed=spec.seed,
        conditions=spec.conditions,
        interventions={name: value.value for name, value in spec.interventions.items()},
        counterfactual=spec.counterfactual,
        identification=await _document(repository, generation, IDENTIFICATION)
        if done and spec.interventions
        else None,
        attainment=await attainment_of(repository, generation) if done else None,
        artifact_url=url,
        artifacts=artifacts,
        artifact_url_expires_at=url_expires,
        created_at=generation.metadata.creation_timestamp,
        expires_at=status.expires_at
        or expires_at(created, status.finished_at, spec.retention_seconds),
        error=job.error,
    )


async def attainment_of(
    repository: TenantRepository, generation: GenerationJob
) -> dict[str, Any] | None:
    """Return what was asked and attained, condition by condition; None where no conditions were asked."""
    return await _document(repository, generation, ATTAINMENT)


async def _document(
    repository: TenantRepository, generation: GenerationJob, name: str
) -> dict[str, Any] | None:
    try:
        return dict(_snake(json.loads(await repository.read(generation, name))))
    except ArtifactMissing:  # the rows are there all the same
        return None


async def report_of(
    repository: TenantRepository, generation: GenerationJob, artefact: str
) -> bytes:
    """Return the report of a finished generation; 409 before it is, 404 for one made before there were reports."""
    check_finished(generation)
    try:
        return await repository.read(generation, artefact)
    except ArtifactMissing:
        raise Problem(
            "simio_not_found", "No report was written with these rows: generate again for one"
        ) from None


def _snake(value: Any) -> Any:
    """Rename the keys of an artifact from Kubernetes' case to that of this API; names of columns are values there."""
    if isinstance(value, dict):
        return {to_snake(key): _snake(item) for key, item in value.items()}
    return [_snake(item) for item in value] if isinstance(value, list) else value


async def artifact_link(
    repository: TenantRepository, generation: GenerationJob
) -> tuple[str, datetime]:
    """Return a fresh download link and when it expires."""
    keys = await repository.services.signing.current()
    path = repository.url(f"/v1/generations/{generation.metadata.name}/artifact")
    return make_link(
        keys.link_key,
        path,
        tenant=repository.caller.tenant_name,
        uid=generation.metadata.uid,
        file_format=generation.metadata.annotations.get(FORMAT, "parquet"),
    )


def generation_item(generation: GenerationJob) -> GenerationItem:
    """Return what a list says of a generation."""
    name, status = generation.metadata.name, generation.status
    created = generation.metadata.creation_timestamp or utcnow()
    return GenerationItem(
        generation_id=name,
        dataset_id=dataset_of(generation),
        job_id=job_id(name),
        status="deleting" if is_deleting(generation) else status_of(generation),
        row_count=generation.spec.row_count,
        rows=status.rows,
        created_at=generation.metadata.creation_timestamp,
        expires_at=status.expires_at
        or expires_at(created, status.finished_at, generation.spec.retention_seconds),
    )
