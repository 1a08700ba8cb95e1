"""Datasets: upload, look, extend, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ValidationError

from simulacra_api.datasets.refit import knowledge_of, refit
from simulacra_api.datasets.service import (
    DatasetAccepted,
    DatasetBody,
    DatasetList,
    DatasetQuery,
    RetentionChange,
    change_retention,
    check_retention,
    dataset_body,
    dataset_page,
    upload_limit,
)
from simulacra_api.dependencies import (
    HTML,
    JSON,
    NOT_CHANGED,
    CurrentTenant,
    IdempotencyKey,
    accepted,
    poll_headers,
    problems,
    small_document,
)
from simulacra_api.http.direct_route import DirectRoute
from simulacra_api.http.etags import IfMatch, IfNoneMatch, entity_tag, represent
from simulacra_api.http.pagination import link_next
from simulacra_api.http.problems import validation_problem
from simulacra_api.jobs.prefer_wait import Wait
from simulacra_api.jobs.service import JobError, find_job
from simulacra_api.tenancy.artifacts import read_of_model, schema_of
from simulacra_api.tenancy.delete import delete
from simulacra_api.tenancy.repository import Status
from simulacra_api.uploads.digests import FIELDS
from simulacra_api.uploads.file_signature import HEAD_BYTES, check_head
from simulacra_api.uploads.multipart import FormStream
from simulacra_api.uploads.schemas import FormFields
from simulacra_api.uploads.service import too_large
from simulacra_api.uploads.single_request import Upload
from simulacra_crds.contract.names import dataset_name, job_id
from simulacra_crds.contract.tasks import GRAPH, REPORT, REPORT_PAGE
from simulacra_crds.kinds.base import MAX_RETENTION_SECONDS, MIN_RETENTION_SECONDS
from simulacra_crds.kinds.model import Knowledge
from simulacra_crds.kube.client import DATASETS

router = APIRouter(prefix="/v1", tags=["datasets"], route_class=DirectRoute)
FORM_ALLOWANCE = 64 << 10
"""Bytes that a form may have besides its file."""


_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "retention_seconds": {
                            "type": "integer",
                            "minimum": MIN_RETENTION_SECONDS,
                            "maximum": MAX_RETENTION_SECONDS,
                        },
                        "family": {"type": "string", "enum": ["auto", "forest", "neural"]},
                        "knowledge": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "description": "What is known of causes, binding for the fit: "
                            '{"tiers": [[column, ...], ...], "required": [{"source": column, "target": column}], '
                            '"forbidden": [...]}. No column is caused by one of a later tier.',
                        },
                        "weights": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": 256,
                            "description": "Name of the column of survey weights (numbers, 0 or more, none missing): "
                            "the model stands for the weighted population, and generated rows lack the column.",
                        },
                        "epsilon": {
                            "type": "number",
                            "minimum": 0.01,
                            "maximum": 100,
                            "description": "Differential privacy: the model is learned from noisy marginals and not "
                            "from the rows. Not together with weights.",
                        },
                        "delta": {
                            "type": "number",
                            "minimum": 1e-12,
                            "maximum": 1e-3,
                            "description": "Of epsilon; 1e-6 when absent.",
                        },
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                    },
                }
            }
        },
    }
}


@router.post(
    "/datasets",
    status_code=202,
    operation_id="uploadDataset",
    summary="Upload a seed table",
    responses=problems(400, 402, 408, 409, 413, 415) | {201: {"model": DatasetAccepted}},
    openapi_extra=_FORM,
)
async def upload_dataset(
    request: Request, response: Response, repository: CurrentTenant, key: IdempotencyKey, wait: Wait
) -> DatasetAccepted:
    """Stream a CSV (also gzip or zstd), Parquet, Arrow, .xlsx or .sav file; a model is fit at once.
    Poll the job.

    A Content-Digest or Repr-Digest (RFC 9530, sha-256 or sha-512) on the request or on the part is
    verified.
    """
    limit = upload_limit(repository)
    announced = (
        int(request.headers["content-length"]) if "content-length" in request.headers else None
    )
    if announced is not None and announced > limit + FORM_ALLOWANCE:
        raise too_large(limit)
    digests = [value for name in FIELDS for value in request.headers.getlist(name)]
    form = FormStream(request.headers.get("content-type", ""), request.stream(), digests)
    check_head(await form.read_head(HEAD_BYTES), form.file_type)
    try:
        fields = FormFields.model_validate(form.fields)
    except ValidationError as error:
        raise validation_problem(error) from None
    check_retention(repository, fields.retention_seconds)
    name = dataset_name(repository.caller.tenant_name, key)
    upload = Upload(repository.services, repository.caller, fields.request(name), limit, announced)
    dataset = await upload.run(form.chunks())
    source = dataset["spec"]["source"]
    job = await accepted(repository, response, f"/v1/datasets/{name}", job_id(name), wait)
    return DatasetAccepted(dataset_id=name, bytes=source["bytes"], sha256=source["sha256"], **job)


@router.get(
    "/datasets", operation_id="listDatasets", summary="List datasets", responses=problems(400)
)
async def list_datasets(
    repository: CurrentTenant, query: Annotated[DatasetQuery, Query()], response: Response
) -> DatasetList:
    """The tenant's datasets, newest first."""
    items, cursor = await dataset_page(repository, query)
    link_next(repository, response, "/v1/datasets", query, cursor)
    return DatasetList(items=items, next_cursor=cursor)


@router.get(
    "/datasets/{dataset_id}",
    operation_id="getDataset",
    summary="Get a dataset",
    responses=problems(404) | NOT_CHANGED,
    response_model=DatasetBody,
)
async def get_dataset(
    dataset_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Response:
    """The dataset, also while it is being erased; 404 once it is gone."""
    body = await dataset_body(repository, await repository.dataset(dataset_id, deleting=True))
    text = body.model_dump_json()
    return represent(text, entity_tag(text), if_none_match, poll_headers(body.status))


@router.get(
    "/datasets/{dataset_id}/schema",
    operation_id="getDatasetSchema",
    summary="Get the cleaned schema",
    responses=problems(404, 409)
    | NOT_CHANGED
    | {200: {"content": {JSON: {"schema": {"$ref": "#/components/schemas/TableSchema"}}}}},
)
async def get_schema(
    dataset_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> dict[str, Any]:
    """Columns, kinds, levels and ranges: what conditions are written against, and what was cleaned."""
    schema = await schema_of(repository, await repository.dataset(dataset_id))
    return small_document(schema.model_dump_json(exclude_none=True).encode(), JSON, if_none_match)


@router.get(
    "/datasets/{dataset_id}/report",
    operation_id="getDatasetReport",
    summary="Get fidelity and privacy of the model",
    responses=problems(404, 409)
    | NOT_CHANGED
    | {200: {"content": {HTML: {"schema": {"type": "string"}}}}},
)
async def get_report(
    dataset_id: str,
    repository: CurrentTenant,
    accept: Annotated[str, Header()] = "*/*",
    if_none_match: IfNoneMatch = None,
) -> dict[str, Any]:
    """The report that the fit wrote: JSON, or the page for people where text/html is what is accepted."""
    page = "text/html" in accept
    content = await read_of_model(
        repository, await repository.dataset(dataset_id), REPORT_PAGE if page else REPORT
    )
    return small_document(content, HTML if page else JSON, if_none_match)


@router.get(
    "/datasets/{dataset_id}/graph",
    operation_id="getDatasetGraph",
    summary="Get the causal graph of the model",
    responses=problems(404, 409) | NOT_CHANGED,
)
async def get_graph(
    dataset_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> dict[str, Any]:
    """The learned causal graph."""
    content = await read_of_model(repository, await repository.dataset(dataset_id), GRAPH)
    return small_document(content, JSON, if_none_match)


class FitAccepted(BaseModel):
    """The answer to stated knowledge: the job follows the fit."""

    dataset_id: str
    job_id: str
    status: Status
    error: JobError | None = None


@router.get(
    "/datasets/{dataset_id}/knowledge",
    operation_id="getDatasetKnowledge",
    summary="Get what the model was told of causes",
    responses=problems(404, 409),
)
async def get_knowledge(dataset_id: str, repository: CurrentTenant) -> Knowledge:
    """Tiers, required and forbidden edges that the model is fit with."""
    return await knowledge_of(repository, await repository.dataset(dataset_id))


@router.put(
    "/datasets/{dataset_id}/knowledge",
    status_code=202,
    operation_id="fitDataset",
    summary="State what is known of causes and fit the model anew",
    responses=problems(400, 404, 409, 413, 415) | {201: {"model": FitAccepted}},
)
async def put_knowledge(
    dataset_id: str, knowledge: Knowledge, repository: CurrentTenant, response: Response, wait: Wait
) -> FitAccepted:
    """Another model takes the place of the present one, which is erased with all that was generated
    from it.

    The same knowledge again changes nothing. Poll the job, as after an upload.
    """
    await refit(repository, await repository.dataset(dataset_id, fresh=True), knowledge)
    await accepted(repository, response, f"/v1/datasets/{dataset_id}", job_id(dataset_id), wait)
    job = await find_job(repository, job_id(dataset_id))
    return FitAccepted(dataset_id=dataset_id, job_id=job.job_id, status=job.status, error=job.error)


@router.patch(
    "/datasets/{dataset_id}",
    operation_id="updateDataset",
    summary="Change the retention",
    responses=problems(400, 404, 412, 415),
)
async def patch_dataset(
    dataset_id: str,
    change: RetentionChange,
    repository: CurrentTenant,
    response: Response,
    if_match: IfMatch = None,
) -> DatasetBody:
    """Set the seconds that dataset and model live, counted from creation; If-Match guards against lost updates."""
    dataset = await repository.dataset(dataset_id, fresh=True)
    body = await dataset_body(
        repository, await change_retention(repository, dataset, change.retention_seconds, if_match)
    )
    response.headers["ETag"] = body.etag()
    return body


@router.delete(
    "/datasets/{dataset_id}",
    status_code=204,
    operation_id="deleteDataset",
    summary="Erase a dataset, its model and its generations",
    responses=problems(404) | {202: {"description": "Being erased: poll Location until 404."}},
)
async def delete_dataset(dataset_id: str, repository: CurrentTenant) -> Response:
    """204 when everything is erased and verified absent, 202 while that goes on."""
    dataset = await repository.dataset(dataset_id, deleting=True, fresh=True)
    path = f"{repository.services.settings.public_url}/v1/datasets/{dataset_id}"
    return await delete(repository, DATASETS, dataset, path)
