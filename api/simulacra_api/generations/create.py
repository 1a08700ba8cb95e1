"""What a request for rows may ask of its tenant, and the spec that it becomes."""

import secrets

from simulacra_api.generations.schemas import GenerationRequest, GivenBody
from simulacra_api.http.field_types import spec_value
from simulacra_api.http.problems import Problem, invalid_field, invalid_fields
from simulacra_api.tenancy.repository import TenantRepository, status_of
from simulacra_crds.kinds.base import GROUP
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.generation_job import ROWS_PER_SHARD
from simulacra_crds.kube.client import Object
from simulacra_crds.names import job_id
from simulacra_schema.completion import MAX_GIVEN_ROWS, GivenOptions
from simulacra_schema.faults import FieldError, pointer
from simulacra_schema.table import TableSchema

FORMAT = f"{GROUP}/format"
"""Annotation: the format in the artifact's link; the customer may change it in the link."""
_NOT_GIVEN = (
    "The rows of this dataset were cleaned for a model of its own and are not kept as read. Upload "
    "them again with fit: false."
)


def _expected_rows(request: GenerationRequest, schema: TableSchema) -> int:
    """Return the rows requested; of persons, those that as many persons of the upload have."""
    if request.row_count is not None:
        return request.row_count
    persons = request.persons or 0
    return max(-(-persons * schema.rows // (schema.persons or schema.rows)), persons)


async def check_limits(
    repository: TenantRepository, dataset: Dataset, request: GenerationRequest
) -> None:
    """Refuse (400) a request that names no size or both, or is beyond a limit of the tenant.

    Given rows count once for each implicate. 404 for those of another tenant, 409 while they are
    read.
    """
    if request.given is not None:
        await _check_given(repository, dataset, request, request.given)
        return
    if (request.row_count is None) == (request.persons is None):
        field = "row_count" if request.row_count is None else "persons"
        detail = "Give either row_count, or persons for linked rows, or given to complete rows."
        raise invalid_fields([FieldError(pointer=pointer(field), detail=detail)], "the request")
    rows = request.row_count or _expected_rows(request, await repository.schema_of(dataset))
    size = "row_count" if request.persons is None else "persons"
    _check_sizes(repository, request, size, rows)


async def _check_given(
    repository: TenantRepository, dataset: Dataset, request: GenerationRequest, given: GivenBody
) -> None:
    """Refuse a completion of rows that are not there, of too many, or not kept as read."""
    rows = dataset
    if given.dataset_id not in (None, dataset.metadata.name):
        rows = await repository.dataset(given.dataset_id or "")
        if rows.spec.purpose != "Given":
            raise invalid_field("/given/dataset_id", _NOT_GIVEN)
    if rows.status.rows is None:
        failed = status_of(rows) == "failed"
        detail = f"Poll {job_id(rows.metadata.name, rows.kind)}."
        raise Problem(
            "simio_dataset_failed" if failed else "simio_dataset_not_ready",
            "" if failed else f"The given rows are not read yet. {detail}",
            headers={} if failed else {"Retry-After": "2"},
        )
    if rows.status.rows > MAX_GIVEN_ROWS:
        detail = f"{rows.status.rows} rows are given; at most {MAX_GIVEN_ROWS} can be completed."
        raise invalid_field("/given/dataset_id", detail)
    filled = rows.status.rows * given.implicates
    _check_sizes(repository, request, "given", filled)
    tenant = repository.caller.tenant
    used = await repository.services.quota_ledger.of(tenant)
    used.check_rows(tenant.spec.quotas, filled)


def _check_sizes(
    repository: TenantRepository, request: GenerationRequest, size: str, rows: int
) -> None:
    tenant = repository.caller.tenant.spec
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
    if request.given is not None:
        return {"given": _given(request.given), "seed": _seed(request)}
    rows = _expected_rows(request, schema)
    return {
        "rowCount": rows,
        "conditions": request.conditions.to_wire(),
        "interventions": {
            name: spec_value(value, schema.find(name))
            for name, value in request.interventions.items()
        },
        "seed": _seed(request),
        "shards": -(-rows // ROWS_PER_SHARD),
    }


def _given(given: GivenBody) -> Object:
    """Return the rows to complete as the spec names them."""
    options = GivenOptions(**given.model_dump(exclude={"dataset_id"}, exclude_unset=True))
    named = {"datasetRef": {"name": given.dataset_id}} if given.dataset_id else {}
    return {**named, **options.model_dump(mode="json", by_alias=True, exclude_unset=True)}


def _seed(request: GenerationRequest) -> int:
    return secrets.randbelow(2**31) if request.seed is None else request.seed
