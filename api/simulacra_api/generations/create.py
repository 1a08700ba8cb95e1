"""Generations: a request, checked against schema and limits, becomes a GenerationJob."""

from __future__ import annotations

import secrets
from typing import Any

from simulacra_api.generations.schemas import GenerationRequest
from simulacra_api.http.field_types import spec_value
from simulacra_api.http.problems import Problem, invalid_fields
from simulacra_api.tenancy.create import create_from_model, find_created, usable_model
from simulacra_api.tenancy.idempotency import request_digest
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.base import GROUP
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.generation_job import ROWS_PER_SHARD
from simulacra_crds.kube.client import GENERATION_JOBS, Object
from simulacra_crds.names import result_name
from simulacra_custody.audit.event import Counts
from simulacra_schema.faults import FieldError, pointer
from simulacra_schema.questions.rows import RowsQuestion
from simulacra_schema.table import TableSchema

FORMAT = f"{GROUP}/format"
"""Annotation: the format in the artifact's link; the customer may change it in the link."""
ADDED_LATER = {"counterfactual": False, "evidence": True, "persons": None}


async def request_generation(
    repository: TenantRepository, dataset: Dataset, request: GenerationRequest, key: str
) -> Object:
    """Create the GenerationJob of this Idempotency-Key, or return the one that it created before.

    Raises:
        Problem: 400 with one entry per wrong field, 409 for a dataset that is not ready or a key
            that was used for another request.
    """
    name = result_name("GenerationJob", repository.caller.tenant_name, dataset.metadata.name, key)
    digest = request_digest(dataset, request, ADDED_LATER)
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
    question = RowsQuestion[Any](
        conditions=request.conditions,
        interventions=request.interventions,
        counterfactual=request.counterfactual,
        row_count=rows,
        persons=request.persons,
    )
    errors = question.faults(schema)
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
    return {
        "rowCount": rows,
        **({} if request.persons is None else {"persons": request.persons}),
        "conditions": request.conditions.to_wire(),
        "interventions": {
            name: spec_value(value, schema.find(name))
            for name, value in request.interventions.items()
        },
        **({"counterfactual": True} if request.counterfactual else {}),
        **({} if request.evidence else {"evidence": False}),
        "seed": secrets.randbelow(2**31) if request.seed is None else request.seed,
        "shards": -(-rows // ROWS_PER_SHARD),
        "retentionSeconds": request.retention_seconds,
    }
