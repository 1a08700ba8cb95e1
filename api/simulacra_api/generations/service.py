"""A request for rows: held against schema and quota, created under its key."""

from __future__ import annotations

import secrets
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulacra_api.http.field_types import Retention, RowCount, Seed, SetValue, Status
from simulacra_api.http.problems import Problem, invalid_fields
from simulacra_api.jobs.service import JobError
from simulacra_api.tenancy.create import create_from_model, find_created, usable_model
from simulacra_api.tenancy.idempotency import fingerprint
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.contract.generation_conditions import FieldError, check_request, pointer
from simulacra_crds.contract.names import generation_name
from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.kinds.base import DEFAULT_RETENTION_SECONDS, GROUP, ColumnName
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.generation_job import ROWS_PER_SHARD, ConditionSet
from simulacra_crds.kube.client import GENERATION_JOBS, Object
from simulacra_custody.audit.event import Counts

Format = Literal["parquet", "csv", "arrow"]
FORMAT = f"{GROUP}/format"
"""Annotation: the format that the artifact's link asks for; any other can be asked for as well."""


class GenerationRequest(BaseModel):
    """What to generate."""

    model_config = ConfigDict(extra="forbid")

    row_count: RowCount = Field(description="Rows; the tenant's quota is the upper limit.")
    conditions: ConditionSet = Field(default_factory=ConditionSet)
    interventions: dict[ColumnName, SetValue] = Field(
        default_factory=dict, max_length=32, description="do(column = value): a number or a level."
    )
    counterfactual: bool = Field(
        default=False,
        description="Rows in pairs (columns pair and world): each row, then its twin as it would have been under the "
        "interventions. Conditions select the rows, before the interventions; row_count counts both, so it is even.",
    )
    seed: Seed | None = Field(default=None, description="Drawn when absent.")
    format: Format = "parquet"
    retention_seconds: Retention = DEFAULT_RETENTION_SECONDS


class GenerationAccepted(BaseModel):
    """The answer to a request for a generation; a replay with the same key gets the same."""

    generation_id: str
    job_id: str
    dataset_id: str
    status: Status = "queued"
    row_count: int
    seed: int
    error: JobError | None = None


async def request_generation(
    repository: TenantRepository, dataset: Dataset, request: GenerationRequest, key: str
) -> Object:
    """Create the GenerationJob of this key, or return the one that the key made.

    Raises:
        Problem: 400 with one entry a wrong field, 409 for a dataset that is not ready or a key used
            otherwise.
    """
    name = generation_name(repository.caller.tenant_name, dataset.metadata.name, key)
    # of what is said only: a field that is added to the body does not change what older requests
    # were
    asked = request.model_dump(
        mode="json", exclude=None if request.counterfactual else {"counterfactual"}
    )
    digest = fingerprint([dataset.metadata.uid, asked])
    if existing := await find_created(repository, GENERATION_JOBS, name, digest):
        return existing
    _check_limits(repository, request)
    return await create_generation(repository, dataset, request, name, digest)


async def create_generation(
    repository: TenantRepository,
    dataset: Dataset,
    request: GenerationRequest,
    name: str,
    digest: str,
) -> Object:
    """Create a GenerationJob of this name for a request that keeps the limits; raises as `request_generation`."""
    schema = await repository.schema_of(dataset)
    model = await usable_model(repository, dataset)
    errors = check_request(
        request.conditions,
        request.interventions,
        schema,
        counterfactual=request.counterfactual,
        rows=request.row_count,
    )
    if errors:
        raise invalid_fields(errors, "the request, checked against the dataset's schema")
    return await create_from_model(
        repository,
        GENERATION_JOBS,
        name,
        model,
        _spec(request, schema),
        dataset=dataset,
        digest=digest,
        annotations={FORMAT: request.format},
        counts=Counts(rows=request.row_count),
    )


def _check_limits(repository: TenantRepository, request: GenerationRequest) -> None:
    spec, errors = repository.caller.tenant.spec, []
    if request.row_count > spec.quotas.max_rows_per_generation:
        limit = (
            f"the limit of this tenant is {spec.quotas.max_rows_per_generation} rows a generation"
        )
        errors.append(FieldError(pointer=pointer("row_count"), detail=limit))
    if request.retention_seconds > spec.max_retention_seconds:
        limit = f"the limit of this tenant is {spec.max_retention_seconds} seconds"
        errors.append(FieldError(pointer=pointer("retention_seconds"), detail=limit))
    if errors:
        raise Problem(
            "simio_invalid_field",
            "; ".join(f"{e.pointer}: {e.detail}" for e in errors),
            errors=errors,
        )


def _spec(request: GenerationRequest, schema: TableSchema) -> Object:
    values: Object = {}
    for column, value in request.interventions.items():
        found = schema.find(column)
        values[column] = {"number": value} if found and found.is_numeric else {"level": str(value)}
    return {
        "rowCount": request.row_count,
        "conditions": request.conditions.to_wire(),
        "interventions": values,
        **({"counterfactual": True} if request.counterfactual else {}),
        "seed": secrets.randbelow(2**31) if request.seed is None else request.seed,
        "shards": -(-request.row_count // ROWS_PER_SHARD),
        "retentionSeconds": request.retention_seconds,
    }
