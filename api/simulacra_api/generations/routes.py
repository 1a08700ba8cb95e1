"""Routes of generations: create, list, show, report, download, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response

from simulacra_api.dependencies import (
    HTML,
    NOT_CHANGED,
    CurrentTenant,
    DirectRoute,
    IdempotencyKey,
    documented,
    poll_headers,
    problems,
    report_form,
    small_document,
)
from simulacra_api.generations.create import request_generation
from simulacra_api.generations.downloads import Download, check_finished, check_link
from simulacra_api.generations.render import Format
from simulacra_api.generations.schemas import (
    GenerationAccepted,
    GenerationBody,
    GenerationList,
    GenerationRequest,
)
from simulacra_api.generations.service import (
    generation_body,
    generation_page,
    record_read,
    report_of,
)
from simulacra_api.http.etags import IfNoneMatch, represent
from simulacra_api.http.pagination import ResourceQuery, link_next
from simulacra_api.jobs.prefer_wait import Wait, accepted
from simulacra_api.tenancy.delete import delete
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.names import job_id

router = APIRouter(prefix="/v1", tags=["generations"], route_class=DirectRoute)
_SAFE_HELP = (
    "CSV only: a single quote before texts that a spreadsheet would run as a formula, those that "
    "begin with =, +, -, @, tab or a line break and are no numbers."
)
FormatQuery = Annotated[
    Format, Query(alias="format", description="Any of them, whatever was requested.")
]
_PLAIN_HELP = (
    "CSV only: commas, decimal points and ISO dates. Without it, delimiter, decimal sign and cells "
    "are those of the upload."
)
PlainQuery = Annotated[bool, Query(description=_PLAIN_HELP)]
SafeQuery = Annotated[bool, Query(description=_SAFE_HELP)]
Expires = Annotated[int, Query(description="From artifact_url.")]
Signature = Annotated[str, Query(description="From artifact_url.", max_length=64)]


@router.post(
    "/datasets/{dataset_id}/generations",
    status_code=202,
    operation_id="createGeneration",
    summary="Generate synthetic rows",
    responses=problems(400, 402, 404, 409, 413, 415) | {201: {"model": GenerationAccepted}},
)
async def create_generation(
    dataset_id: str,
    wanted: GenerationRequest,
    repository: CurrentTenant,
    key: IdempotencyKey,
    response: Response,
    wait: Wait,
) -> GenerationAccepted:
    """Conditions are checked against the schema at once. Poll the job until ready or partial."""
    dataset = await repository.dataset(dataset_id)
    created = await request_generation(repository, dataset, wanted, key)
    name = created["metadata"]["name"]
    spec = created["spec"]
    job = await accepted(repository, response, f"/v1/generations/{name}", job_id(name), wait)
    return GenerationAccepted(
        generation_id=name,
        dataset_id=dataset_id,
        row_count=spec["rowCount"],
        seed=spec.get("seed", 0),
        **job,
    )


@router.get(
    "/generations",
    operation_id="listGenerations",
    summary="List generations",
    responses=problems(400),
)
async def list_generations(
    repository: CurrentTenant, query: Annotated[ResourceQuery, Query()], response: Response
) -> GenerationList:
    """The tenant's generations, newest first."""
    items, cursor = await generation_page(repository, query)
    link_next(response, repository.url("/v1/generations"), query, cursor)
    return GenerationList(items=items, next_cursor=cursor)


@router.get(
    "/generations/{generation_id}",
    operation_id="getGeneration",
    summary="Get a generation",
    responses=problems(404) | NOT_CHANGED,
    response_model=GenerationBody,
)
async def get_generation(
    generation_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Response:
    """Status, request and attained values; once it is ready, a download link for 15 minutes."""
    generation = await repository.get(GenerationJob, generation_id, deleting=True)
    body = await generation_body(repository, generation)
    return represent(body.model_dump_json(), body.etag(), if_none_match, poll_headers(body.status))


@router.get(
    "/generations/{generation_id}/report",
    operation_id="getGenerationReport",
    summary="Get the report: request, attained values, fidelity and privacy",
    responses=documented(HTML, {"type": "string"}),
)
async def get_generation_report(
    generation_id: str,
    repository: CurrentTenant,
    accept: Annotated[str, Header()] = "*/*",
    if_none_match: IfNoneMatch = None,
) -> dict[str, Any]:
    """The report of the rows: JSON, or a page for people when the request accepts text/html."""
    media_type, name = report_form(accept)
    content = await report_of(repository, await repository.get(GenerationJob, generation_id), name)
    return small_document(content, media_type, if_none_match)


async def _download(
    generation_id: str,
    repository: CurrentTenant,
    expires: Expires,
    signature: Signature,
    file_format: FormatQuery = "parquet",
    safe: SafeQuery = False,
    plain: PlainQuery = False,
) -> Download:
    generation = await repository.get(GenerationJob, generation_id)
    keys = await repository.services.signing.current()
    tenant, uid = repository.caller.tenant_name, generation.metadata.uid
    check_link(keys.link_key, tenant=tenant, uid=uid, expires=expires, signature=signature)
    check_finished(generation)
    return Download(repository, generation, file_format, safe=safe, plain=plain)


CheckedDownload = Annotated[Download, Depends(_download)]


@router.get(
    "/generations/{generation_id}/artifact",
    operation_id="downloadArtifact",
    summary="Download the rows",
    responses=problems(400, 404, 409, 416),
    response_class=Response,
)
async def get_artifact(
    download: CheckedDownload,
    repository: CurrentTenant,
    range_header: Annotated[str | None, Header(alias="Range")] = None,
    if_range: Annotated[str | None, Header()] = None,
) -> Response:
    """Parquet as stored, with Range and Repr-Digest, or converted to CSV or Arrow."""
    answer = await download.send(range_header, if_range)
    await record_read(repository, download.uid, download.rows)
    return answer


@router.head(
    "/generations/{generation_id}/artifact",
    operation_id="describeArtifact",
    summary="Describe the rows",
    responses=problems(400, 404, 409),
    response_class=Response,
)
async def head_artifact(download: CheckedDownload) -> Response:
    """The headers of a download."""
    return download.head()


@router.delete(
    "/generations/{generation_id}",
    status_code=204,
    operation_id="deleteGeneration",
    summary="Erase a generation",
    responses=problems(404) | {202: {"description": "Being erased: poll Location until 404."}},
)
async def delete_generation(generation_id: str, repository: CurrentTenant) -> Response:
    """204 when the rows are erased and verified absent, 202 while the erasure runs."""
    generation = await repository.get(GenerationJob, generation_id, deleting=True, fresh=True)
    return await delete(repository, generation, f"/v1/generations/{generation_id}")
