"""Routes of answer sheets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from simulacra_api.dependencies import (
    HTML,
    NOT_CHANGED,
    CurrentTenant,
    DirectRoute,
    IdempotencyKey,
    documented,
    poll_headers,
    problems,
    small_document,
)
from simulacra_api.generations.downloads import XLSX
from simulacra_api.http.etags import IfNoneMatch, entity_tag, represent
from simulacra_api.http.pagination import ResourceQuery, link_next
from simulacra_api.jobs.prefer_wait import Wait, accepted
from simulacra_api.sheets.schemas import SheetAccepted, SheetBody, SheetList, SheetRequest
from simulacra_api.sheets.service import request_sheet, sheet_body, sheet_file, sheet_page
from simulacra_api.tenancy.delete import delete
from simulacra_crds.kinds.answer_sheet import AnswerSheet
from simulacra_crds.names import job_id
from simulacra_crds.tasks import SHEET_PAGE, SHEET_WORKBOOK

router = APIRouter(prefix="/v1", tags=["sheets"], route_class=DirectRoute)


@router.post(
    "/datasets/{dataset_id}/sheets",
    status_code=202,
    operation_id="createSheet",
    summary="Compare all levers of an outcome",
    responses=problems(400, 402, 404, 409, 413, 415) | {201: {"model": SheetAccepted}},
)
async def create_sheet(
    dataset_id: str,
    wanted: SheetRequest,
    repository: CurrentTenant,
    key: IdempotencyKey,
    response: Response,
    wait: Wait,
) -> SheetAccepted:
    """Effects with verdicts, ranked where the verdict allows it, with simultaneous intervals."""
    created = await request_sheet(repository, await repository.dataset(dataset_id), wanted, key)
    name = created["metadata"]["name"]
    job = await accepted(repository, response, f"/v1/sheets/{name}", job_id(name), wait)
    return SheetAccepted(sheet_id=name, dataset_id=dataset_id, **job)


@router.get(
    "/sheets", operation_id="listSheets", summary="List answer sheets", responses=problems(400)
)
async def list_sheets(
    repository: CurrentTenant, query: Annotated[ResourceQuery, Query()], response: Response
) -> SheetList:
    """The tenant's answer sheets, newest first."""
    items, cursor = await sheet_page(repository, query)
    link_next(response, repository.url("/v1/sheets"), query, cursor)
    return SheetList(items=items, next_cursor=cursor)


@router.get(
    "/sheets/{sheet_id}",
    operation_id="getSheet",
    summary="Get an answer sheet",
    responses=problems(404) | NOT_CHANGED,
    response_model=SheetBody,
)
async def get_sheet(
    sheet_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Response:
    """The levers with verdicts, effects and curves, ranked where the verdict allows it."""
    body = await sheet_body(repository, await repository.get(AnswerSheet, sheet_id, deleting=True))
    text = body.model_dump_json()
    return represent(text, entity_tag(text), if_none_match, poll_headers(body.status))


@router.get(
    "/sheets/{sheet_id}/page",
    operation_id="getSheetPage",
    summary="Get the appendix: one HTML file without script",
    responses=documented(HTML, {"type": "string"}),
    response_class=Response,
)
async def get_sheet_page(
    sheet_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Any:
    """All that the answers rest on, to hand over and to print."""
    content = await sheet_file(repository, await repository.get(AnswerSheet, sheet_id), SHEET_PAGE)
    return small_document(content, HTML, if_none_match)


@router.get(
    "/sheets/{sheet_id}/xlsx",
    operation_id="getSheetWorkbook",
    summary="Get the answer sheet as an Excel workbook",
    responses=documented(XLSX, {"type": "string", "format": "binary"}),
    response_class=Response,
)
async def get_sheet_workbook(
    sheet_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Any:
    """Ranking, adjustment sets, checks, curves and statements, one sheet each."""
    content = await sheet_file(
        repository, await repository.get(AnswerSheet, sheet_id), SHEET_WORKBOOK
    )
    return small_document(content, XLSX, if_none_match)


@router.delete(
    "/sheets/{sheet_id}",
    status_code=204,
    operation_id="deleteSheet",
    summary="Erase an answer sheet",
    responses=problems(404) | {202: {"description": "Being erased: poll Location until 404."}},
)
async def delete_sheet(sheet_id: str, repository: CurrentTenant) -> Response:
    """204 when the sheet is erased and verified absent, 202 while the erasure runs."""
    found = await repository.get(AnswerSheet, sheet_id, deleting=True, fresh=True)
    return await delete(repository, found, f"/v1/sheets/{sheet_id}")
