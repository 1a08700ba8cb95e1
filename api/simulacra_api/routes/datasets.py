"""Datasets: upload, look, extend, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulacra_api.datasets import (
    DatasetAccepted,
    DatasetBody,
    DatasetList,
    RetentionChange,
    change_retention,
    check_retention,
    dataset_bodies,
    dataset_body,
)
from simulacra_api.deletion import delete
from simulacra_api.generations import read_when_ready
from simulacra_api.idempotency import fingerprint
from simulacra_api.multipart import FormStream
from simulacra_api.problems import Problem, validation_problem
from simulacra_api.routes.common import IdempotencyKey, Mine, poll_headers, problems
from simulacra_api.sniff import HEAD_BYTES, check_head
from simulacra_api.uploads import Upload, UploadRequest, too_large
from simulacra_crds.cluster import DATASETS
from simulacra_crds.model import FamilyName
from simulacra_crds.names import dataset_name, job_id
from simulacra_crds.schema import TableSchema
from simulacra_crds.tasks import GRAPH, REPORT, SCHEMA

router = APIRouter(prefix="/v1", tags=["datasets"])
FORM_ALLOWANCE = 64 << 10
"""Bytes that a form may have besides its file."""


class UploadFields(BaseModel):
    """The fields of the form besides `file`; send them before it."""

    model_config = ConfigDict(extra="forbid")

    retention_seconds: int = 86_400
    family: FamilyName = Field(default="auto", description="auto: forest on CPUs, neural on GPUs.")


_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "retention_seconds": {"type": "integer", "minimum": 10, "maximum": 604_800},
                        "family": {"type": "string", "enum": ["auto", "forest", "neural"]},
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
    responses=problems(400, 409, 413, 415),
    openapi_extra=_FORM,
)
async def upload_dataset(request: Request, response: Response, library: Mine, key: IdempotencyKey) -> DatasetAccepted:
    """Stream a CSV or Parquet file; a model is fit at once. Poll the job until ready."""
    tenant, settings = library.caller.tenant, library.rooms.settings
    limit = min(tenant.spec.quotas.max_upload_bytes, settings.max_upload_bytes)
    if int(request.headers.get("content-length", "0")) > limit + FORM_ALLOWANCE:
        raise too_large(limit)
    form = FormStream(request.headers.get("content-type", ""), request.stream())
    check_head(await form.read_head(HEAD_BYTES), form.file_type)
    try:
        fields = UploadFields.model_validate(form.fields)
    except ValidationError as error:
        raise validation_problem(error) from None
    check_retention(library, fields.retention_seconds)
    name = dataset_name(library.caller.tenant_name, key)
    asked = UploadRequest(name, fingerprint(fields.model_dump()), fields.retention_seconds, fields.family)
    dataset = await Upload(library.rooms, library.caller, asked, limit).run(form.chunks())
    job, source = job_id(name), dataset["spec"]["source"]
    response.headers.update({"Location": f"{settings.public_url}/v1/jobs/{job}", "Retry-After": "2"})
    return DatasetAccepted(dataset_id=name, job_id=job, bytes=source["bytes"], sha256=source["sha256"])


@router.get("/datasets", operation_id="listDatasets", summary="List datasets", responses=problems())
async def list_datasets(library: Mine) -> DatasetList:
    """The tenant's datasets, newest first."""
    return DatasetList(items=await dataset_bodies(library))


@router.get("/datasets/{dataset_id}", operation_id="getDataset", summary="Get a dataset", responses=problems(404))
async def get_dataset(dataset_id: str, library: Mine, response: Response) -> DatasetBody:
    """The dataset, also while it is being erased; 404 once it is gone."""
    body = await dataset_body(library, await library.dataset(dataset_id, deleting=True))
    response.headers.update(poll_headers(body.status) | {"ETag": body.etag(), "Cache-Control": "private, no-cache"})
    return body


@router.get(
    "/datasets/{dataset_id}/schema",
    operation_id="getDatasetSchema",
    summary="Get the cleaned schema",
    responses=problems(404, 409),
)
async def get_schema(dataset_id: str, library: Mine) -> dict[str, Any]:
    """Columns, kinds, levels and ranges: what conditions are written against, and what was cleaned."""
    dataset = await library.dataset(dataset_id)
    schema = TableSchema.model_validate_json(await read_when_ready(library, dataset, dataset, SCHEMA))
    return schema.model_dump(mode="json", exclude_none=True)


@router.get(
    "/datasets/{dataset_id}/report",
    operation_id="getDatasetReport",
    summary="Get fidelity and privacy of the model",
    responses=problems(404, 409),
)
async def get_report(dataset_id: str, library: Mine) -> Response:
    """The report that the fit wrote."""
    return await _of_model(library, dataset_id, REPORT)


@router.get(
    "/datasets/{dataset_id}/graph",
    operation_id="getDatasetGraph",
    summary="Get the causal graph of the model",
    responses=problems(404, 409),
)
async def get_graph(dataset_id: str, library: Mine) -> Response:
    """The learned causal graph."""
    return await _of_model(library, dataset_id, GRAPH)


async def _of_model(library: Mine, dataset_id: str, artefact: str) -> Response:
    dataset = await library.dataset(dataset_id)
    model = await library.model_of(dataset)
    if model is None:
        raise Problem("simio_dataset_failed", "The dataset's model was deleted: upload again")
    content = await read_when_ready(library, dataset, model, artefact)
    return Response(content, media_type="application/json")


@router.patch(
    "/datasets/{dataset_id}",
    operation_id="updateDataset",
    summary="Change the retention",
    responses=problems(400, 404, 412, 415),
)
async def patch_dataset(
    dataset_id: str,
    change: RetentionChange,
    library: Mine,
    response: Response,
    if_match: Annotated[str | None, Header()] = None,
) -> DatasetBody:
    """Set the seconds that dataset and model live, counted from creation; If-Match guards against lost updates."""
    dataset = await library.dataset(dataset_id)
    body = await dataset_body(library, await change_retention(library, dataset, change.retention_seconds, if_match))
    response.headers["ETag"] = body.etag()
    return body


@router.delete(
    "/datasets/{dataset_id}",
    status_code=204,
    operation_id="deleteDataset",
    summary="Erase a dataset, its model and its generations",
    responses=problems(404) | {202: {"description": "Being erased: poll Location until 404."}},
)
async def delete_dataset(dataset_id: str, library: Mine) -> Response:
    """204 when everything is erased and verified absent, 202 while that goes on."""
    dataset = await library.dataset(dataset_id, deleting=True)
    path = f"{library.rooms.settings.public_url}/v1/datasets/{dataset_id}"
    return await delete(library, DATASETS, dataset, path)
