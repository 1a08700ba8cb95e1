"""Generations: ask, look, download, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from simulacra_api.dependencies import (
    HTML,
    JSON,
    NOT_CHANGED,
    CurrentTenant,
    DirectRoute,
    IdempotencyKey,
    poll_headers,
    problems,
    small_document,
)
from simulacra_api.generations.download_links import check_link
from simulacra_api.generations.downloads import Download, check_finished
from simulacra_api.generations.probe import PREFIX
from simulacra_api.generations.schemas import (
    GenerationBody,
    GenerationList,
    generation_body,
    generation_item,
    report_of,
)
from simulacra_api.generations.service import (
    Format,
    GenerationAccepted,
    GenerationRequest,
    request_generation,
)
from simulacra_api.http.etags import IfNoneMatch, represent
from simulacra_api.http.pagination import ResourceQuery, link_next, page_of
from simulacra_api.jobs.prefer_wait import Wait, accepted
from simulacra_api.tenancy.delete import delete
from simulacra_crds.contract.names import job_id
from simulacra_crds.contract.tasks import REPORT, REPORT_PAGE
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.kube.client import GENERATION_JOBS
from simulacra_custody.audit.event import Counts, EventType

router = APIRouter(prefix="/v1", tags=["generations"], route_class=DirectRoute)
FormatQuery = Annotated[Format, Query(alias="format", description="Whatever the stored form.")]
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
    """Conditions are held against the schema at once. Poll the job until ready or partial."""
    created = await request_generation(
        repository, await repository.dataset(dataset_id), wanted, key
    )
    name, spec = created["metadata"]["name"], created["spec"]
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

    def keep(generation: GenerationJob) -> bool:
        item = generation_item(generation)
        return query.matches(item.dataset_id, item.status) and not item.generation_id.startswith(
            PREFIX
        )

    page, cursor = page_of(await repository.all_of(GenerationJob), query, keep)
    link_next(response, repository.url("/v1/generations"), query, cursor)
    return GenerationList(items=[generation_item(one) for one in page], next_cursor=cursor)


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
    """Status, what was asked and attained, and a download link for 15 minutes once there are rows."""
    body = await generation_body(
        repository, await repository.generation(generation_id, deleting=True)
    )
    return represent(body.model_dump_json(), body.etag(), if_none_match, poll_headers(body.status))


@router.get(
    "/generations/{generation_id}/report",
    operation_id="getGenerationReport",
    summary="Get what was asked, what was attained, and fidelity and privacy of the rows",
    responses=problems(404, 409)
    | NOT_CHANGED
    | {200: {"content": {HTML: {"schema": {"type": "string"}}}}},
)
async def get_generation_report(
    generation_id: str,
    repository: CurrentTenant,
    accept: Annotated[str, Header()] = "*/*",
    if_none_match: IfNoneMatch = None,
) -> dict[str, Any]:
    """The report that was written with the rows: JSON, or the page for people where text/html is what is accepted."""
    page = "text/html" in accept
    content = await report_of(
        repository, await repository.generation(generation_id), REPORT_PAGE if page else REPORT
    )
    return small_document(content, HTML if page else JSON, if_none_match)


async def _download(
    generation_id: str,
    repository: CurrentTenant,
    expires: Expires,
    signature: Signature,
    file_format: Format,
) -> Download:
    generation = await repository.generation(generation_id)
    keys = await repository.services.signing.current()
    tenant, uid = repository.caller.tenant_name, generation.metadata.uid
    check_link(keys.link_key, tenant=tenant, uid=uid, expires=expires, signature=signature)
    check_finished(generation)
    return Download(repository, generation, file_format)


@router.get(
    "/generations/{generation_id}/artifact",
    operation_id="downloadArtifact",
    summary="Download the rows",
    responses=problems(400, 404, 409, 416),
    response_class=Response,
)
async def get_artifact(
    generation_id: str,
    repository: CurrentTenant,
    expires: Expires,
    signature: Signature,
    file_format: FormatQuery = "parquet",
    range_header: Annotated[str | None, Header(alias="Range")] = None,
    if_range: Annotated[str | None, Header()] = None,
) -> Response:
    """Parquet as stored (with Range and Repr-Digest), or rendered as CSV or Arrow on the way."""
    download = await _download(generation_id, repository, expires, signature, file_format)
    answer = await download.send(range_header, if_range)
    await repository.record(
        EventType.ARTEFACT_READ,
        kind=GENERATION_JOBS.plural,
        uid=download.uid,
        artefact="artifact",
        counts=Counts(rows=download.rows),
    )
    return answer


@router.head(
    "/generations/{generation_id}/artifact",
    operation_id="describeArtifact",
    summary="Describe the rows",
    responses=problems(400, 404, 409),
    response_class=Response,
)
async def head_artifact(
    generation_id: str,
    repository: CurrentTenant,
    expires: Expires,
    signature: Signature,
    file_format: FormatQuery = "parquet",
) -> Response:
    """The headers of a download."""
    return (await _download(generation_id, repository, expires, signature, file_format)).head()


@router.delete(
    "/generations/{generation_id}",
    status_code=204,
    operation_id="deleteGeneration",
    summary="Erase a generation",
    responses=problems(404) | {202: {"description": "Being erased: poll Location until 404."}},
)
async def delete_generation(generation_id: str, repository: CurrentTenant) -> Response:
    """204 when the rows are erased and verified absent, 202 while that goes on."""
    generation = await repository.generation(generation_id, deleting=True, fresh=True)
    return await delete(repository, generation, f"/v1/generations/{generation_id}")
