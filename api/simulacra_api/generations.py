"""A generation: held against the schema, created under its key, shown with what was asked and what was attained."""

from __future__ import annotations

import json
import secrets
import sys
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic.alias_generators import to_snake

from simulacra_api.auditing import record
from simulacra_api.idempotency import REQUEST_DIGEST, check_same_request, fingerprint
from simulacra_api.jobs import JobError, dataset_of, generation_job
from simulacra_api.links import make_link
from simulacra_api.problems import Problem
from simulacra_api.references import metadata
from simulacra_api.resources import Library, Status, is_deleting, status_of
from simulacra_crds.base import API_VERSION, GROUP, ColumnName, utcnow
from simulacra_crds.cluster import GENERATION_JOBS, AlreadyExists, NotFound, Object
from simulacra_crds.conditions import ConditionSet, FieldError, check_conditions, check_interventions, pointer
from simulacra_crds.dataset import Dataset
from simulacra_crds.generation_job import ROWS_PER_SHARD, GenerationJob
from simulacra_crds.model import Model
from simulacra_crds.names import generation_name, job_id
from simulacra_crds.retention import expires_at
from simulacra_crds.schema import TableSchema
from simulacra_crds.tasks import ATTAINMENT, SCHEMA
from simulacra_custody.audit import Counts, EventType
from simulacra_custody.errors import ArtefactMissing, CustodyError

Format = Literal["parquet", "csv", "arrow"]
FORMAT = f"{GROUP}/format"
"""Annotation: the format that the artefact's link asks for; any other can be asked for as well."""


def _set_value(value: Any) -> int | float | str:
    """Accept a finite number or a level, with one message where a union of types would give three."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if not is_number and not isinstance(value, str):
        raise ValueError("give a finite number or a level")
    if isinstance(value, str):
        value.encode()  # a lone surrogate is no Unicode: UnicodeEncodeError is a ValueError
    return cast(int | float | str, value)


SetValue = Annotated[
    int | float | str, PlainValidator(_set_value), WithJsonSchema({"type": ["number", "string"], "maxLength": 512})
]


class GenerationRequest(BaseModel):
    """What to generate."""

    model_config = ConfigDict(extra="forbid")

    row_count: int = Field(ge=1, strict=True, description="Rows; the tenant's quota is the upper limit.")
    conditions: ConditionSet = Field(default_factory=ConditionSet)
    interventions: dict[ColumnName, SetValue] = Field(
        default_factory=dict, max_length=32, description="do(column = value): a number or a level."
    )
    seed: int | None = Field(default=None, ge=0, le=2**31 - 1, strict=True, description="Drawn when absent.")
    format: Format = "parquet"
    retention_seconds: int = Field(default=86_400, ge=10, strict=True)


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
    attainment: dict[str, Any] | None = Field(default=None, description="Asked and attained, condition by condition.")
    artifact_url: str | None = Field(default=None, description="Needs the bearer token as well.")
    artifact_url_expires_at: datetime | None = None
    created_at: datetime | None
    expires_at: datetime | None
    error: JobError | None = None


class GenerationAccepted(BaseModel):
    """The answer to a request for a generation; a replay with the same key gets the same."""

    generation_id: str
    job_id: str
    dataset_id: str
    status: Literal["queued"] = "queued"
    row_count: int
    seed: int


async def request_generation(library: Library, dataset: Dataset, request: GenerationRequest, key: str) -> Object:
    """Create the GenerationJob of this key, or return the one that the key made.

    Raises:
        Problem: 400 with one entry a wrong field, 409 for a dataset that is not ready or a key used otherwise.
    """
    caller, name = library.caller, generation_name(library.caller.tenant_name, dataset.metadata.name, key)
    digest = fingerprint([dataset.metadata.uid, request.model_dump(mode="json")])
    existing = await library.rooms.cluster.find(GENERATION_JOBS, name, caller.namespace)
    if existing is not None:
        check_same_request(existing, digest)
        return existing
    _check_limits(library, request)
    schema, model = await _schema(library, dataset), await _model(library, dataset)
    errors = check_conditions(request.conditions, schema) + check_interventions(request.interventions, schema)
    if errors:
        raise Problem("simio_invalid_field", f"{len(errors)} field(s) do not fit the dataset's schema", errors=errors)
    body = _resource(library, dataset, model, request, schema, name, digest)
    try:
        created = await library.rooms.cluster.create(GENERATION_JOBS, body, caller.namespace)
    except AlreadyExists:
        existing = await library.rooms.cluster.get(GENERATION_JOBS, name, caller.namespace)
        check_same_request(existing, digest)
        return existing
    except NotFound:
        raise Problem("simio_tenant_not_ready") from None
    await _record(library, created, request.row_count)
    return created


def _check_limits(library: Library, request: GenerationRequest) -> None:
    spec, errors = library.caller.tenant.spec, []
    if request.row_count > spec.quotas.max_rows_per_generation:
        limit = f"the limit of this tenant is {spec.quotas.max_rows_per_generation} rows a generation"
        errors.append(FieldError(pointer=pointer("row_count"), detail=limit))
    if request.retention_seconds > spec.max_retention_seconds:
        limit = f"the limit of this tenant is {spec.max_retention_seconds} seconds"
        errors.append(FieldError(pointer=pointer("retention_seconds"), detail=limit))
    if errors:
        raise Problem("simio_invalid_field", "; ".join(f"{e.pointer}: {e.detail}" for e in errors), errors=errors)


async def _schema(library: Library, dataset: Dataset) -> TableSchema:
    return TableSchema.model_validate_json(await read_when_ready(library, dataset, dataset, SCHEMA))


async def read_when_ready(library: Library, dataset: Dataset, work: Dataset | Model, artefact: str) -> bytes:
    """Return an artefact of a dataset or its model; 409 while it is not there yet or when its work failed."""
    status = status_of(work)
    if status == "failed":
        raise Problem("simio_dataset_failed")
    if status != "ready":
        headers = {"Retry-After": "2"}
        raise Problem("simio_dataset_not_ready", f"Poll {job_id(dataset.metadata.name)} until ready", headers=headers)
    return await library.read(work, artefact)


async def _model(library: Library, dataset: Dataset) -> Model:
    model = await library.model_of(dataset)
    if model is None or is_deleting(model) or status_of(model) == "failed":
        raise Problem("simio_dataset_failed")
    return model


def _resource(
    library: Library,
    dataset: Dataset,
    model: Model,
    request: GenerationRequest,
    schema: TableSchema,
    name: str,
    digest: str,
) -> Object:
    owner = {"apiVersion": API_VERSION, "kind": "Model", "metadata": model.metadata.model_dump()}
    values: Object = {}
    for column, value in request.interventions.items():
        found = schema.find(column)
        values[column] = {"number": value} if found and found.is_numeric else {"level": str(value)}
    return {
        "apiVersion": API_VERSION,
        "kind": "GenerationJob",
        "metadata": metadata(
            name,
            library.caller.tenant_name,
            dataset=dataset.metadata.name,
            owner=owner,
            annotations={REQUEST_DIGEST: digest, FORMAT: request.format},
        ),
        "spec": {
            "modelRef": {"name": model.metadata.name},
            "rowCount": request.row_count,
            "conditions": request.conditions.to_wire(),
            "interventions": values,
            "seed": secrets.randbelow(2**31) if request.seed is None else request.seed,
            "shards": -(-request.row_count // ROWS_PER_SHARD),
            "retentionSeconds": request.retention_seconds,
        },
    }


async def _record(library: Library, created: Object, rows: int) -> None:
    """Record the request; without a record it is taken back."""
    uid = created["metadata"]["uid"]
    data = library.caller.audit_data(kind=GENERATION_JOBS.plural, uid=uid, counts=Counts(rows=rows))
    try:
        await record(library.rooms.audit, EventType.RESOURCE_CREATED, data)
    except CustodyError:
        name, namespace = created["metadata"]["name"], library.caller.namespace
        await library.rooms.cluster.delete(GENERATION_JOBS, name, namespace, uid=uid)
        raise


async def generation_body(library: Library, generation: GenerationJob) -> GenerationBody:
    """Return what a customer sees of a generation."""
    job, spec, status = await generation_job(library, generation), generation.spec, generation.status
    done = job.status in ("ready", "partial") and not is_deleting(generation)
    created = generation.metadata.creation_timestamp or utcnow()
    url, url_expires = await artifact_link(library, generation) if done else (None, None)
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
        attainment=await _attainment(library, generation) if done else None,
        artifact_url=url,
        artifact_url_expires_at=url_expires,
        created_at=generation.metadata.creation_timestamp,
        expires_at=status.expires_at or expires_at(created, status.finished_at, spec.retention_seconds),
        error=job.error,
    )


async def _attainment(library: Library, generation: GenerationJob) -> dict[str, Any] | None:
    try:
        return dict(_snake(json.loads(await library.read(generation, ATTAINMENT))))
    except ArtefactMissing:  # the rows are there all the same
        return None


def _snake(value: Any) -> Any:
    """Rename the keys of an artefact from Kubernetes' case to that of this API; names of columns are values there."""
    if isinstance(value, dict):
        return {to_snake(key): _snake(item) for key, item in value.items()}
    return [_snake(item) for item in value] if isinstance(value, list) else value


async def artifact_link(library: Library, generation: GenerationJob) -> tuple[str, datetime]:
    """Return a fresh download link and when it expires."""
    keys = await library.rooms.signing.current()
    path = f"{library.rooms.settings.public_url}/v1/generations/{generation.metadata.name}/artifact"
    return make_link(
        keys.link_key,
        path,
        tenant=library.caller.tenant_name,
        uid=generation.metadata.uid,
        file_format=generation.metadata.annotations.get(FORMAT, "parquet"),
    )
