"""Routes of uploads: in one request; in pieces: begin, show progress, append."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import ValidationError

from simulacra_api.datasets.summary import checked_summary
from simulacra_api.dependencies import (
    CurrentTenant,
    IdempotencyKey,
    TenantRoute,
    poll_headers,
    problems,
)
from simulacra_api.http.problems import Problem, content_type, validation_problem
from simulacra_api.jobs.prefer_wait import Wait, accepted
from simulacra_api.tenancy.create import check_retention
from simulacra_api.tenancy.repository import TenantRepository, is_deleting
from simulacra_api.uploads.body import read_piece
from simulacra_api.uploads.file_signature import HEAD_BYTES, check_head
from simulacra_api.uploads.form import FormStream
from simulacra_api.uploads.resumable import OFFSET, ResumableUpload, upload_body
from simulacra_api.uploads.schemas import (
    FORM_SCHEMA,
    DatasetAccepted,
    FormFields,
    UploadBody,
    UploadFields,
    UploadPlan,
)
from simulacra_api.uploads.service import Upload
from simulacra_api.uploads.upload_lease import is_held
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kube.client import Object
from simulacra_crds.names import dataset_name, job_id

router = APIRouter(prefix="/v1", tags=["datasets"], route_class=TenantRoute)
_BYTES = "application/octet-stream"
_Offset = Annotated[
    int, Header(ge=0, le=1 << 40, description="Where in the file the piece begins.")
]


def _body_of(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


@router.post(
    "/datasets",
    status_code=202,
    operation_id="uploadDataset",
    summary="Upload a seed table",
    responses=problems(400, 402, 408, 409, 413, 415, 422) | {201: {"model": DatasetAccepted}},
    openapi_extra=_body_of("multipart/form-data", FORM_SCHEMA),
)
async def upload_dataset(
    request: Request, response: Response, repository: CurrentTenant, key: IdempotencyKey, wait: Wait
) -> DatasetAccepted:
    """Stream a CSV (also gzip or zstd), Parquet, Arrow, .xlsx or .sav file; a model is fit at once.

    Poll the job. A Content-Digest or Repr-Digest (RFC 9530, sha-256 or sha-512) on the request or
    on the part is verified.
    """
    announced = request.headers.get("content-length")
    upload = Upload(repository, None if announced is None else int(announced))
    form = FormStream.of(request)
    check_head(await form.read_head(HEAD_BYTES), form.file_type)
    try:
        fields = FormFields.model_validate(form.fields)
    except ValidationError as error:
        raise validation_problem(error) from None
    fields.check_description()
    await check_earlier(repository, fields)
    check_retention(repository, fields.retention_seconds)
    name = dataset_name(repository.caller.tenant_name, key)
    dataset = await upload.run(name, fields, form.chunks())
    source = dataset["spec"]["source"]
    job = await accepted(repository, response, f"/v1/datasets/{name}", job_id(name), wait)
    return DatasetAccepted(dataset_id=name, bytes=source["bytes"], sha256=source["sha256"], **job)


@router.post(
    "/uploads",
    status_code=201,
    operation_id="beginUpload",
    summary="Begin an upload in pieces",
    responses=problems(400, 402, 409, 413, 415, 422),
)
async def begin_upload(
    plan: UploadPlan, response: Response, repository: CurrentTenant, key: IdempotencyKey
) -> UploadBody:
    """State the file's size and how to fit; then PATCH its bytes, in order, to Location.

    The same key and body return the progress, also from another process: so an upload is resumed.
    After an hour without a byte an upload is abandoned and its bytes are erased.
    """
    plan.check_description()
    await check_earlier(repository, plan)
    check_retention(repository, plan.retention_seconds)
    name = dataset_name(repository.caller.tenant_name, key)
    dataset = await ResumableUpload(repository).begin(name, plan)
    response.headers["Location"] = repository.url(f"/v1/uploads/{name}")
    return _answer(dataset, response)


@router.get(
    "/uploads/{upload_id}",
    operation_id="getUpload",
    summary="Get the progress of an upload in pieces",
    responses=problems(404),
)
async def get_upload(upload_id: str, response: Response, repository: CurrentTenant) -> UploadBody:
    """Where the next piece begins, with Retry-After while one arrives; 404 once it is abandoned.

    When a process of the service dies, its piece counts as arriving for another minute.
    """
    return _answer(await _dataset(repository, upload_id), response)


@router.patch(
    "/uploads/{upload_id}",
    operation_id="appendUpload",
    summary="Send the next piece of an upload",
    responses=problems(400, 404, 408, 409, 415),
    openapi_extra=_body_of(_BYTES, {"type": "string", "format": "binary"}),
)
async def append_upload(
    upload_id: str,
    request: Request,
    response: Response,
    repository: CurrentTenant,
    upload_offset: _Offset,
) -> UploadBody:
    """Append bytes, encrypted as they arrive; if the piece breaks off, what has arrived is kept.

    Every piece except the last must have at least 4,096 bytes; 10 to 100 MB are a good size. A
    Content-Digest or Repr-Digest (RFC 9530) of the piece is verified. The last piece joins all of
    them, and a model is fit at once: poll the job.
    """
    if content_type(request) != _BYTES:
        raise Problem("simio_unsupported_content_type", f"Send the bytes of the piece as {_BYTES}.")
    dataset = await _dataset(repository, upload_id)
    upload = ResumableUpload(repository)
    dataset = await upload.append(dataset, upload_offset, read_piece(request))
    return _answer(dataset, response)


async def check_earlier(repository: TenantRepository, fields: UploadFields) -> None:
    """Refuse (422) a summary of earlier waves that was not signed here for the tenant."""
    if fields.earlier is not None:
        await checked_summary(repository, fields.earlier)


async def _dataset(repository: TenantRepository, upload_id: str) -> Object:
    found = await repository.find(Dataset, upload_id, fresh=True)
    if found is None or is_deleting(found) or found.spec.source.type != "Upload":
        raise Problem("simio_upload_not_found")
    return found.model_dump(mode="json", by_alias=True, exclude_none=True)


def _answer(dataset: Object, response: Response) -> UploadBody:
    body = upload_body(dataset)
    response.headers[OFFSET] = str(body.offset)
    if is_held(dataset):
        response.headers.update(poll_headers("uploading"))
    return body
