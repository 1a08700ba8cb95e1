"""Uploads in pieces: begin, look how far it is, append. What they make is a dataset."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, Field

from simulacra_api.datasets.service import check_retention, upload_limit
from simulacra_api.dependencies import CurrentTenant, IdempotencyKey, poll_headers, problems
from simulacra_api.http.problems import Problem
from simulacra_api.http.request_body import batches
from simulacra_api.tenancy.repository import TenantRepository, is_deleting
from simulacra_api.uploads.digests import FIELDS
from simulacra_api.uploads.resumable import OFFSET, PieceUpload, Received
from simulacra_api.uploads.schemas import UploadPlan
from simulacra_api.uploads.upload_lease import is_held
from simulacra_crds.contract.names import dataset_name, job_id
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kube.client import Object

router = APIRouter(prefix="/v1/uploads", tags=["datasets"])
_BYTES = "application/octet-stream"
_PIECE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}},
    }
}


class UploadBody(BaseModel):
    """How far an upload in pieces is."""

    upload_id: str
    dataset_id: str = Field(description="What it becomes.")
    job_id: str
    offset: int = Field(description="Bytes that have arrived: the next piece begins here.")
    bytes: int = Field(description="Size of the whole file.")
    complete: bool = Field(description="Whether all is there; then poll the job.")
    sha256: str | None = Field(default=None, description="Of the whole file, once it is complete.")


@router.post(
    "",
    status_code=201,
    operation_id="beginUpload",
    summary="Begin an upload in pieces",
    responses=problems(400, 402, 409, 413, 415),
)
async def begin_upload(
    plan: UploadPlan, response: Response, repository: CurrentTenant, key: IdempotencyKey
) -> UploadBody:
    """Say how large the file is and what it is for; then PATCH its bytes, in order, to Location.

    The same key and body again say how far it is, also from another process: that is how an upload
    is gone on with. An upload that is silent for an hour is given up, and what has arrived of it
    erased.
    """
    check_retention(repository, plan.retention_seconds)
    name = dataset_name(repository.caller.tenant_name, key)
    dataset = await PieceUpload(repository).begin(name, plan, upload_limit(repository))
    response.headers["Location"] = f"{repository.services.settings.public_url}/v1/uploads/{name}"
    return _body(dataset, response)


@router.get(
    "/{upload_id}",
    operation_id="getUpload",
    summary="Look how far an upload in pieces is",
    responses=problems(404),
)
async def get_upload(upload_id: str, response: Response, repository: CurrentTenant) -> UploadBody:
    """Where the next piece begins, with Retry-After while one arrives; 404 once it was given up or
    the dataset is gone.

    A piece that broke off because a process of the service died counts as arriving for another
    minute.
    """
    return _body(await _dataset(repository, upload_id), response)


@router.patch(
    "/{upload_id}",
    operation_id="appendUpload",
    summary="Send the next piece of an upload",
    responses=problems(400, 404, 408, 409, 415),
    openapi_extra=_PIECE,
)
async def append_upload(
    upload_id: str,
    request: Request,
    response: Response,
    repository: CurrentTenant,
    upload_offset: Annotated[
        int, Header(ge=0, le=1 << 40, description="Where in the file the piece begins.")
    ],
) -> UploadBody:
    """Append bytes, encrypted as they arrive; also what has arrived of a piece that breaks off is
    kept.

    Pieces but the last have 4,096 bytes at least; some 10 to 100 MB are a good size. A
    Content-Digest or Repr-Digest (RFC 9530) of the piece is verified. The last piece joins them
    all, and a model is fit at once: poll the job.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _BYTES:
        raise Problem("simio_unsupported_content_type", f"Send the bytes of the piece as {_BYTES}")
    digests = [value for name in FIELDS for value in request.headers.getlist(name)]
    dataset = await _dataset(repository, upload_id)
    chunks = batches(request.stream(), digests)
    return _body(await PieceUpload(repository).append(dataset, upload_offset, chunks), response)


async def _dataset(repository: TenantRepository, upload_id: str) -> Object:
    found = await repository.find(Dataset, upload_id, fresh=True)
    if found is None or is_deleting(found) or found.spec.source.type != "Upload":
        raise Problem("simio_upload_not_found")
    return found.model_dump(mode="json", by_alias=True, exclude_none=True)


def _body(dataset: Object, response: Response) -> UploadBody:
    name, source = dataset["metadata"]["name"], dataset["spec"]["source"]
    sha256, received = source.get("sha256"), Received.of(dataset)
    if received is None and sha256 is None:
        raise Problem("simio_upload_not_found")
    offset = source["bytes"] if received is None else received.bytes
    size = source["bytes"] if received is None else received.expected
    response.headers[OFFSET] = str(offset)
    if is_held(dataset):
        response.headers.update(poll_headers("uploading"))
    return UploadBody(
        upload_id=name,
        dataset_id=name,
        job_id=job_id(name),
        offset=offset,
        bytes=size,
        complete=sha256 is not None,
        sha256=sha256,
    )
