"""Generations: check and create them, and show them to the customer."""

from __future__ import annotations

import json
import secrets
from typing import Any

from pydantic.alias_generators import to_snake

from simulacra_api.generations.downloads import check_finished, customer_artifacts, make_link
from simulacra_api.generations.schemas import GenerationBody, GenerationItem, GenerationRequest
from simulacra_api.http.pagination import ResourceQuery
from simulacra_api.http.problems import Problem, invalid_fields
from simulacra_api.jobs.service import (
    dataset_of,
    expiry_of,
    listed,
    result_job,
    result_status,
    results_page,
)
from simulacra_api.tenancy.create import create_from_model, find_created, usable_model
from simulacra_api.tenancy.idempotency import fingerprint
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.contract.generation_conditions import FieldError, check_request, pointer
from simulacra_crds.contract.names import generation_name
from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.tasks import ATTAINMENT, EVIDENCE, IDENTIFICATION, REPORT
from simulacra_crds.contract.verdicts import Verdict, verdicts_of_rows
from simulacra_crds.kinds.base import GROUP
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.generation_job import ROWS_PER_SHARD, GenerationJob
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import GENERATION_JOBS, Object
from simulacra_custody.audit.event import Counts, EventType
from simulacra_custody.errors import ArtifactMissing

FORMAT = f"{GROUP}/format"
"""Annotation: the format in the artifact's link; the customer may change it in the link."""

ADDED_LATER = {"counterfactual": False, "evidence": True, "persons": None}
"""Fields that were added to the body later, with the values that mean their absence."""


async def request_generation(
    repository: TenantRepository, dataset: Dataset, request: GenerationRequest, key: str
) -> Object:
    """Create the GenerationJob of this Idempotency-Key, or return the one that it created before.

    Raises:
        Problem: 400 with one entry per wrong field, 409 for a dataset that is not ready or a key
            that was used for another request.
    """
    name = generation_name(repository.caller.tenant_name, dataset.metadata.name, key)
    # A field added to the body later must not change the digest of earlier requests.
    unset = {name for name, value in ADDED_LATER.items() if getattr(request, name) is value}
    digest = fingerprint([dataset.metadata.uid, request.model_dump(mode="json", exclude=unset)])
    if existing := await find_created(repository, GENERATION_JOBS, name, digest):
        return existing
    if (request.row_count is None) == (request.persons is None):
        field = "row_count" if request.row_count is None else "persons"
        detail = "Give either row_count, or persons for linked rows."
        raise invalid_fields([FieldError(pointer=pointer(field), detail=detail)], "the request")
    rows = request.row_count or _expected_rows(request, await repository.schema_of(dataset))
    _check_limits(repository, request, rows)
    return await create_generation(repository, dataset, request, name, digest)


def _expected_rows(request: GenerationRequest, schema: TableSchema) -> int:
    """Return the rows requested; of persons, those that as many persons of the upload have."""
    if request.row_count is not None:
        return request.row_count
    persons = request.persons or 0
    return max(-(-persons * schema.rows // (schema.persons or schema.rows)), persons)


async def create_generation(
    repository: TenantRepository,
    dataset: Dataset,
    request: GenerationRequest,
    name: str,
    digest: str,
) -> Object:
    """Create a GenerationJob of this name; raise as `request_generation`, check no tenant limit."""
    schema = await repository.schema_of(dataset)
    model = await usable_model(repository, dataset)
    rows = _expected_rows(request, schema)
    errors = check_request(
        request.conditions,
        request.interventions,
        schema,
        counterfactual=request.counterfactual,
        rows=rows,
        persons=request.persons,
    )
    if errors:
        raise invalid_fields(errors, "the request, checked against the dataset's schema")
    return await create_from_model(
        repository,
        GENERATION_JOBS,
        name,
        model,
        _spec(request, schema, rows),
        dataset=dataset,
        digest=digest,
        annotations={FORMAT: request.format},
        counts=Counts(rows=rows),
    )


def _check_limits(repository: TenantRepository, request: GenerationRequest, rows: int) -> None:
    tenant = repository.caller.tenant.spec
    size = "row_count" if request.persons is None else "persons"
    limits = (
        (size, rows, tenant.quotas.max_rows_per_generation, "rows"),
        ("retention_seconds", request.retention_seconds, tenant.max_retention_seconds, "seconds"),
    )
    errors = [
        FieldError(
            pointer=pointer(field), detail=f"Must be at most {most} {unit}, the tenant's limit."
        )
        for field, value, most, unit in limits
        if value > most
    ]
    if errors:
        detail = " ".join(f"{error.pointer}: {error.detail}" for error in errors)
        raise Problem("simio_invalid_field", detail, errors=errors)


def _spec(request: GenerationRequest, schema: TableSchema, rows: int) -> Object:
    values: Object = {}
    for column, value in request.interventions.items():
        found = schema.find(column)
        values[column] = {"number": value} if found and found.is_numeric else {"level": str(value)}
    return {
        "rowCount": rows,
        **({} if request.persons is None else {"persons": request.persons}),
        "conditions": request.conditions.to_wire(),
        "interventions": values,
        **({"counterfactual": True} if request.counterfactual else {}),
        **({} if request.evidence else {"evidence": False}),
        "seed": secrets.randbelow(2**31) if request.seed is None else request.seed,
        "shards": -(-rows // ROWS_PER_SHARD),
        "retentionSeconds": request.retention_seconds,
    }


async def generation_page(
    repository: TenantRepository, query: ResourceQuery
) -> tuple[list[GenerationItem], str | None]:
    """Return a page of the tenant's generations, newest first, and the next cursor."""
    page, cursor = await results_page(repository, GenerationJob, query)
    return [_item(generation) for generation in page], cursor


def requested_rows(generation: GenerationJob) -> int:
    """Return the rows requested or expected; of persons that kubectl asked for, those written."""
    return generation.spec.row_count or generation.status.rows or 0


def _item(generation: GenerationJob) -> GenerationItem:
    return GenerationItem(
        generation_id=generation.metadata.name,
        row_count=requested_rows(generation),
        rows=generation.status.rows,
        expires_at=expiry_of(generation),
        **listed(generation),
    )


async def generation_body(
    repository: TenantRepository, generation: GenerationJob
) -> GenerationBody:
    """Return what a customer sees of a generation."""
    job = await result_job(repository, generation)
    spec = generation.spec
    body = GenerationBody(
        generation_id=generation.metadata.name,
        dataset_id=dataset_of(generation),
        job_id=job.job_id,
        status=result_status(generation),
        progress_percent=job.progress_percent,
        eta_seconds=job.eta_seconds,
        row_count=requested_rows(generation),
        persons=spec.persons,
        rows=generation.status.rows,
        seed=spec.seed,
        conditions=spec.conditions,
        interventions={name: value.value for name, value in spec.interventions.items()},
        counterfactual=spec.counterfactual,
        created_at=generation.metadata.creation_timestamp,
        expires_at=expiry_of(generation),
        error=job.error,
    )
    if body.status in ("ready", "partial"):
        body.attainment = await attainment_of(repository, generation)
        if spec.evidence:
            body.evidence = await _document(repository, generation, EVIDENCE)
        if spec.interventions:
            body.identification = await identification_of(repository, generation)
        body.verdicts = await _verdicts(repository, generation)
        body.artifacts = await customer_artifacts(repository, generation)
        if not body.artifacts:
            await _add_link(repository, generation, body)
    return body


async def _add_link(
    repository: TenantRepository, generation: GenerationJob, body: GenerationBody
) -> None:
    keys = await repository.services.signing.current()
    body.artifact_url, body.artifact_url_expires_at = make_link(
        keys.link_key,
        repository.url(f"/v1/generations/{generation.metadata.name}/artifact"),
        tenant=repository.caller.tenant_name,
        uid=generation.metadata.uid,
        file_format=generation.metadata.annotations.get(FORMAT, "parquet"),
    )


async def attainment_of(
    repository: TenantRepository, generation: GenerationJob
) -> dict[str, Any] | None:
    """Return requested and attained values of each condition; None without conditions."""
    return await _document(repository, generation, ATTAINMENT)


async def _verdicts(repository: TenantRepository, generation: GenerationJob) -> list[Verdict]:
    """Return the verdicts on the rows; where the model is gone, those of the rows' report."""
    model = await repository.find(Model, generation.spec.model_ref.name)
    figures = model.status.figures if model is not None else {}
    worth, rows = generation.status.worth, generation.status.rows or 0
    in_pairs = bool(generation.spec.counterfactual)
    judged = verdicts_of_rows(figures, worth, rows, in_pairs=in_pairs)
    if model is not None:
        return judged
    report = await _document(repository, generation, REPORT) or {}
    if found := report.get("verdicts"):
        return [Verdict.model_validate(one) for one in found]
    return judged


async def identification_of(
    repository: TenantRepository, generation: GenerationJob
) -> dict[str, Any] | None:
    """Return what the effects of do() rest on; rows made before verdicts are never upgraded."""
    found = await _document(repository, generation, IDENTIFICATION)
    if found is None:
        return None
    verdict = found.get("verdict")
    is_assumed = verdict is not None and verdict["kind"] == "assumed"
    return found | {"verdict": verdict, "identified": is_assumed}


async def _document(
    repository: TenantRepository, generation: GenerationJob, artifact: str
) -> dict[str, Any] | None:
    try:
        return dict(snake_case(json.loads(await repository.read(generation, artifact))))
    except ArtifactMissing:  # the rows can be downloaded without it
        return None


def snake_case(value: Any) -> Any:
    """Rename the keys of an artifact from camelCase; column names in it are values, not keys."""
    if isinstance(value, dict):
        return {to_snake(key): snake_case(item) for key, item in value.items()}
    return [snake_case(item) for item in value] if isinstance(value, list) else value


async def report_of(
    repository: TenantRepository, generation: GenerationJob, artifact: str
) -> bytes:
    """Return the report of a finished generation; 409 before the end, 404 if it has no report."""
    check_finished(generation)
    try:
        return await repository.read(generation, artifact)
    except ArtifactMissing:
        detail = "This generation has no report. Generate again to get one."
        raise Problem("simio_not_found", detail) from None


async def record_read(repository: TenantRepository, uid: str, rows: int | None) -> None:
    """Append an audit record: the caller read this many rows of a generation."""
    await repository.record(
        EventType.ARTEFACT_READ,
        kind=GENERATION_JOBS.plural,
        uid=uid,
        artefact="artifact",
        counts=Counts(rows=rows),
    )
