"""What a request for rows may ask of its tenant, and the spec that it becomes."""

from __future__ import annotations

import secrets

from simulacra_api.generations.schemas import GenerationRequest
from simulacra_api.http.field_types import spec_value
from simulacra_api.http.problems import Problem, invalid_fields
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.base import GROUP
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.generation_job import ROWS_PER_SHARD
from simulacra_crds.kube.client import Object
from simulacra_schema.faults import FieldError, pointer
from simulacra_schema.table import TableSchema

FORMAT = f"{GROUP}/format"
"""Annotation: the format in the artifact's link; the customer may change it in the link."""


def _expected_rows(request: GenerationRequest, schema: TableSchema) -> int:
    """Return the rows requested; of persons, those that as many persons of the upload have."""
    if request.row_count is not None:
        return request.row_count
    persons = request.persons or 0
    return max(-(-persons * schema.rows // (schema.persons or schema.rows)), persons)


async def check_limits(
    repository: TenantRepository, dataset: Dataset, request: GenerationRequest
) -> None:
    """Refuse (400) a request that names no size or both, or is beyond a limit of the tenant."""
    if (request.row_count is None) == (request.persons is None):
        field = "row_count" if request.row_count is None else "persons"
        detail = "Give either row_count, or persons for linked rows."
        raise invalid_fields([FieldError(pointer=pointer(field), detail=detail)], "the request")
    rows = request.row_count or _expected_rows(request, await repository.schema_of(dataset))
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


def spec_of(request: GenerationRequest, schema: TableSchema, _: str) -> Object:
    """Return the fields of the spec that the question does not have as they are."""
    rows = _expected_rows(request, schema)
    return {
        "rowCount": rows,
        "conditions": request.conditions.to_wire(),
        "interventions": {
            name: spec_value(value, schema.find(name))
            for name, value in request.interventions.items()
        },
        "seed": secrets.randbelow(2**31) if request.seed is None else request.seed,
        "shards": -(-rows // ROWS_PER_SHARD),
    }
