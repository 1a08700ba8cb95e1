"""Routes of generations: create, list, show, report, download, delete."""

from typing import Annotated, Any

from fastapi import Depends, Header, Query, Response

from simulacra_api.dependencies import (
    HTML,
    CurrentTenant,
    documented,
    problems,
    report_form,
    small_document,
)
from simulacra_api.generations.downloads import Download, check_finished, check_link
from simulacra_api.generations.render import Format
from simulacra_api.generations.service import GENERATIONS, record_read, report_of
from simulacra_api.http.etags import IfNoneMatch
from simulacra_api.results.routes import result_routes
from simulacra_crds.kinds.generation_job import GenerationJob

router = result_routes(GENERATIONS)
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
